"""Replays the features of a day's decisions, each from exactly the events that it saw.

Belongs here: which events those are, and the SQL that corrects the features of training for them.
Does not: comparing and judging (`parity`), or what a feature is (`features`).

Training computes a feature over all events before `t`. A decision saw less: payments that were
being written while it was read had taken their time already, and were not visible yet. So

    ──── head: everything in it was visible ────┊──── tail ────┊ t
                                               cut

where the cut is the earliest event of one of the decision's own entities that it could not see.
The head is what training's SQL gives with its windows closed at the cut; the tail, which is as
long as a transaction takes, is what the same SQL gives for copies of the few events that were
visible. The two are added up. Decisions that saw everything, nearly all of them, have no tail.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from models.fraud.compile_duckdb import compile_features
from models.fraud.features import (
    FEATURES,
    FILTERS,
    KEYS,
    Entity,
    Feature,
    Kind,
    by_entity,
    feature_set_hash,
)
from warehouse.connection import Lake, sql_text

_US: Final = 1_000_000
_BATCH: Final = 50_000  # decisions whose tails are worked out at a time
_HALF: Final = 2**64
_OWN_KEYS: Final = tuple(dict.fromkeys(key for keys in KEYS.values() for key in keys))
_RELATIONS: Final[dict[Kind, tuple[str, str]]] = {
    "transaction": ("parity_payments", "at_us"),
    "label": ("parity_labels", "known_us"),
}
_WORKING: Final = (
    *("payments", "payments_copied", "labels", "labels_copied", "asked"),
    *("reads", "late", "recent", "spans", "seen", "tails", "cuts", "replayed"),
)
_MERGED: Final = {
    "count": "head.{name} + coalesce(tail.{name}, 0)",
    "sum": "head.{name} + coalesce(tail.{name}, 0)",
    "sum_squares": "head.{name} + coalesce(tail.{name}, 0)",
    "max": "greatest(head.{name}, tail.{name})",
    "last": "least(head.{name}, tail.{name})",
    # The newest label that breaks a streak is in the tail, or the streak goes on from the head.
    "streak": "CASE WHEN tail.{name}_broken THEN tail.{name}"
    " ELSE head.{name} + coalesce(tail.{name}, 0) END",
    "distinct_customers": "coalesce(tail.{name}, head.{name})",
}


def decisions(lake: Lake, day: date, *, livemode: bool) -> None:
    """Make `parity_decisions`: the day's, with what each says was served, as text."""
    _table(
        lake,
        "parity_decisions",
        sql_text("parity_decisions"),
        day=day,
        livemode=livemode,
        feature_set=feature_set_hash(),
        paths=[f"$.features.{feature.name}" for feature in FEATURES],
    )
    _table(
        lake,
        "parity_compared",
        "SELECT row_number() OVER (ORDER BY at_us, payment_id) AS number,"
        " payment_id, at_us, xmin, xmax, xip, served, vector_hash"
        " FROM parity_decisions WHERE left_out IS NULL AND fault IS NULL",
    )


def replay(lake: Lake, *, livemode: bool) -> None:
    """Make `parity_replayed`: number, and each feature as the decision must have read it."""
    _events(lake, livemode=livemode)
    _cuts(lake)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE parity_tails ({', '.join(_tail_columns())})")
    (cuts,) = lake.rows("SELECT count(*), min(cut_us), max(number) FROM parity_cuts")
    if cuts[0]:
        _table(lake, "parity_recent", _keyed(f"{{time}} >= {cuts[1]}", "rowid AS place, xid"))
        for low in range(0, int(cuts[2]) + 1, _BATCH):
            _tails(lake, low)
    closing = "coalesce(p.at_us - cuts.cut_us + 1, 1)"
    lake.execute(
        "CREATE OR REPLACE TEMP VIEW parity_closing AS"
        f" SELECT p.*, {closing} AS closing FROM parity_payments AS p"
        " LEFT JOIN parity_cuts AS cuts USING (payment_id)"
    )
    head = compile_features("parity_closing", "parity_labels", "parity_compared", closing="closing")
    columns = ", ".join(f"{_merged(f)} AS {f.name}" for f in FEATURES)
    texts = ", ".join(f"coalesce(({_merged(f)})::VARCHAR, 'null')" for f in FEATURES)
    _table(
        lake,
        "parity_replayed",
        f"SELECT seen.number, {columns}, [{texts}] AS replayed FROM parity_compared AS seen"
        f" INNER JOIN ({head}) AS head USING (payment_id)"
        " LEFT JOIN parity_tails AS tail USING (number)",
    )


def forget(lake: Lake) -> None:
    """Give back the memory of a replay: events, their copies, and who belongs to what."""
    for name in _WORKING:
        lake.execute(f"DROP TABLE IF EXISTS temp.parity_{name}")


def _merged(feature: Feature) -> str:
    return _MERGED[feature.aggregate].format(name=feature.name)


def _table(lake: Lake, name: str, select: str, **params: object) -> None:
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {select}", **params)


def _events(lake: Lake, *, livemode: bool) -> None:
    """All that a window of any decision reaches, whether it was seen or not."""
    (span,) = lake.rows(
        "SELECT coalesce(min(at_us), 0), coalesce(max(at_us), 0) FROM parity_compared"
    )
    for kind, (relation, _) in _RELATIONS.items():
        longest = max(feature.window_s for feature in FEATURES if feature.kind == kind) * _US
        _table(
            lake,
            relation,
            sql_text("feature_payments" if kind == "transaction" else "feature_labels"),
            livemode=livemode,
            from_us=max(0, int(span[0]) - longest),
            until_us=int(span[1]) + 1,
        )


def _cuts(lake: Lake) -> None:
    """Make `parity_cuts`: the decisions that did not see everything, and since when."""
    reads = _keyed("true", "number, xmax, xip", of="parity_own")
    lake.execute(
        "CREATE OR REPLACE TEMP VIEW parity_own AS SELECT p.*, number, xmax, xip"
        " FROM parity_compared INNER JOIN parity_payments AS p USING (payment_id)"
    )
    _table(lake, "parity_reads", reads)
    (oldest,) = lake.rows("SELECT coalesce(min(xmin), 0) FROM parity_compared")
    _table(lake, "parity_late", _keyed(f"xid >= {oldest[0]}", "xid"))
    _table(
        lake,
        "parity_cuts",
        f"SELECT cuts.*, payment_id FROM ({sql_text('parity_unseen')}) AS cuts"
        " INNER JOIN parity_compared USING (number)",
    )


def _keyed(condition: str, columns: str, of: str | None = None) -> str:
    """Rows once for each entity that they belong to, named by `series`: the hash of the entity."""
    parts = []
    for kind, entity in _entities():
        relation, time = ("parity_own", "at_us") if of else _RELATIONS[kind]
        keys = ", ".join(KEYS[entity])
        named = ", ".join(key for key in KEYS[entity] if key != "merchant_id") or keys
        parts.append(
            f"SELECT (hash('{kind}', '{entity}', {keys}) >> 4)::HUGEINT * {_HALF} AS series,"
            f" '{kind}' AS kind, {time} AS at_us, {columns} FROM {relation}"
            f" WHERE coalesce({named}) IS NOT NULL AND {condition.format(time=time)}"
        )
    return "\nUNION ALL ".join(parts)


def _entities() -> Iterator[tuple[Kind, Entity]]:
    for kind in _RELATIONS:
        for entity, _ in by_entity(kind):
            yield kind, entity


def _tail_columns() -> Iterator[str]:
    yield "number BIGINT"
    for feature in FEATURES:
        yield f"{feature.name} HUGEINT"
        if feature.aggregate == "streak":
            yield f"{feature.name}_broken BOOLEAN"


def _tails(lake: Lake, low: int) -> None:
    """Add the tails of one batch to `parity_tails`, by the SQL of training over copies."""
    _table(
        lake,
        "parity_spans",
        "SELECT reading.*, cut_us AS from_us FROM parity_reads AS reading"
        f" INNER JOIN parity_cuts USING (number) WHERE number BETWEEN {low} AND {low + _BATCH - 1}",
    )
    _table(lake, "parity_seen", sql_text("parity_tail"))
    _table(
        lake,
        "parity_asked",
        f"SELECT {_copied('number::VARCHAR')} FROM parity_own AS event"
        " WHERE number IN (SELECT number FROM parity_spans)",
    )
    for kind, (relation, _) in _RELATIONS.items():
        copies = (
            f"SELECT {_copied('number || chr(46) || place')} FROM parity_seen"
            f" INNER JOIN {relation} AS event ON event.rowid = place WHERE kind = '{kind}'"
        )
        asked = " UNION ALL BY NAME FROM parity_asked" if kind == "transaction" else ""
        _table(lake, f"{relation}_copied", copies + asked)
    tail = compile_features("parity_payments_copied", "parity_labels_copied", "parity_asked")
    columns, joins = _from_rows()
    lake.execute(
        f"INSERT INTO parity_tails BY NAME SELECT number, tail.* EXCLUDE (payment_id) {columns}"
        f" FROM parity_asked INNER JOIN ({tail}) AS tail USING (payment_id)\n{joins}"
    )


def _copied(payment_id: str) -> str:
    """An event as one decision saw it: no key of it is that of any other decision's copy."""
    keys = ", ".join(f"number || ':' || event.{key} AS {key}" for key in _OWN_KEYS)
    return f"event.* REPLACE ({payment_id} AS payment_id, {keys})"


def _from_rows() -> tuple[str, str]:
    """What cannot be added up from head and tail: columns, and the joins that they come from."""
    replaced, added, joins = [], [], []
    for feature in FEATURES:
        if feature.aggregate == "distinct_customers":
            replaced.append(f"whole_{feature.name}.customers AS {feature.name}")
            joins.append(_whole(feature))
        if feature.aggregate == "streak":
            added.append(f"coalesce(broken_{feature.name}.broken, false) AS {feature.name}_broken")
            joins.append(_broken(feature))
    columns = f"REPLACE ({', '.join(replaced)})" if replaced else ""
    return ", ".join([columns, *added]), "\n".join(joins)


def _touching(feature: Feature, events: str) -> str:
    """The decisions whose tail has one of these events of the feature's entity, in its window."""
    same = " AND ".join(
        f"own.{key} IS NOT DISTINCT FROM event.{key}" for key in KEYS[feature.entity]
    )
    _, time = _RELATIONS[feature.kind]
    return (
        "SELECT DISTINCT number FROM parity_seen"
        f" INNER JOIN ({events}) AS event USING (place) INNER JOIN parity_own AS own USING (number)"
        f" WHERE kind = '{feature.kind}' AND {same}"
        f" AND event.{time} >= own.at_us - {feature.window_s * _US}"
    )


def _broken(feature: Feature) -> str:
    relation, _ = _RELATIONS[feature.kind]
    other = f"NOT ({FILTERS[feature.kind][feature.filter]})"
    broken = _touching(feature, f"SELECT rowid AS place, * FROM {relation} WHERE {other}")
    named = f"broken_{feature.name}"
    return f"LEFT JOIN (SELECT number, true AS broken FROM ({broken})) AS {named} USING (number)"


def _whole(feature: Feature) -> str:
    """Distinct customers of the whole window, for decisions whose tail has any of the entity."""
    relation, time = _RELATIONS[feature.kind]
    (key,) = KEYS[feature.entity]
    events = (
        f"SELECT rowid AS place, * FROM {relation} WHERE {FILTERS[feature.kind][feature.filter]}"
    )
    return (
        "LEFT JOIN (SELECT number, count(DISTINCT event.customer_key) AS customers"
        f" FROM ({_touching(feature, events)}) INNER JOIN parity_own AS own USING (number)"
        f" INNER JOIN ({events}) AS event ON event.{key} = own.{key}"
        f" AND event.{time} >= own.at_us - {feature.window_s * _US} AND event.{time} < own.at_us"
        " AND event.xid < own.xmax AND NOT list_contains(own.xip, event.xid)"
        f" GROUP BY number) AS whole_{feature.name} USING (number)"
    )
