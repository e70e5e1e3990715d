"""Writes the PostgreSQL query that reads every feature of payments, as one statement.

Belongs here: serving's half of the feature compiler; `python -m models compile` puts its text
into `online/risk/queries.sql`, and a test compares the two. Does not: what a feature is, and the
times it is called with (`tiles`).

Three ways to read, each an index range scan with bounds that come as parameters:
- customers, cards, VPAs, devices: their own events of the longest window. A pair is read along
  with its card or VPA.
- merchants and addresses, whatever adds up: tiles (sums by hour and day) wholly inside the window,
  plus the events at its edges. `mask` says which windows a piece belongs to.
- newest events, streaks, distinct customers: the index alone, or a short range of events.
A condition on a null key is a constant for the executor: what the payment has not is not read.
"""

import re
from collections.abc import Mapping, Sequence

from models.fraud.features import FEATURES, FILTERS, KEYS, TILED, Entity, Feature, Kind
from models.fraud.tiles import AMOUNTS, parts_of, series_of, window_bit

_TYPES = {"merchant_id": "uuid"}
_HEAD = """\
-- Written by `python -m models compile` from models/fraud/features.py: do not edit.

-- name: raw_features
-- Every aggregate of each payment, and the snapshot under which they were read.
-- Windows are [at - w, at). A null key has no events. Every scan is a range of an index.
"""
_INSTRUMENTS: tuple[Entity, ...] = ("card", "vpa")
_TABLES: dict[Kind, tuple[str, str]] = {
    "transaction": ("risk_activity", "at"),
    "label": ("risk_labels", "known_at"),
}


def compile_features() -> str:
    """The whole text of `online/risk/queries.sql`."""
    columns = [f"    {_output(feature)} as {feature.name}" for feature in FEATURES]
    selected = ",\n".join(["    pg_current_snapshot()::text as snapshot", *columns])
    sources = [
        f"(\n{_scan(entity, kind, features)}\n) as {_scan_name(entity, kind)}"
        for kind in _TABLES
        for entity in KEYS
        if (features := _scanned(entity, kind))
    ]
    tiled = [feature for feature in FEATURES if feature.tiled]
    if tiled:
        sources.append(f"(\n{_tiles(tiled)}\n) as tiles")
    return _HEAD + _of_each(f"select\n{selected}\nfrom\n" + ",\n".join(sources))


def _of_each(of_one: str) -> str:
    """The query of one payment for as many as come, as rows of one JSON parameter."""
    types: dict[str, str] = {}
    for name, type_ in _PARAMETER.findall(of_one):
        types.setdefault(name, type_)

    def column(found: re.Match[str]) -> str:
        name, type_ = found.groups()
        return f"p.{name}" if type_ == types[name] else f"p.{name}::{type_}"

    columns = ",\n    ".join(f"{name} {type_}" for name, type_ in types.items())
    body = _PARAMETER.sub(column, of_one)
    return f"""\
select f.* from json_to_recordset(%(payments)s::json) as p (
    nr integer,
    {columns}
)
cross join lateral (
{body}
) as f
order by p.nr;
"""  # noqa: S608


_PARAMETER = re.compile(r"%\((\w+)\)s::(\w+(?:\[\])?)")


def _scanned(entity: Entity, kind: Kind) -> list[Feature]:
    """What is read event by event. A pair is read with its card or VPA."""
    readers = {"pair": (), "card": ("card", "pair"), "vpa": ("vpa", "pair")}
    return [
        f
        for f in FEATURES
        if f.entity in readers.get(entity, (entity,)) and f.kind == kind
        if not f.tiled and not _alone(f)
    ]


def _scan_name(entity: Entity, kind: Kind) -> str:
    return f"{kind}s_of_{entity}"


def _alone(feature: Feature) -> bool:
    """Whether the feature is a subquery of its own, that an index answers from its end."""
    return feature.aggregate == "streak" or (
        feature.aggregate in ("last", "distinct_customers") and feature.entity in TILED
    )


def _output(feature: Feature) -> str:
    if _alone(feature):
        return _answer_alone(feature)
    if feature.tiled:
        return f"tiles.{feature.name}"
    if feature.entity != "pair":
        return f"{_scan_name(feature.entity, feature.kind)}.{feature.name}"
    card, vpa = (f"{_scan_name(e, feature.kind)}.{feature.name}" for e in _INSTRUMENTS)
    return f"case when %(card_key)s::text is null then {vpa} else {card} end"


# ── events, one by one ───────────────────────────────────────────────────────────────────────


def _scan(entity: Entity, kind: Kind, features: Sequence[Feature]) -> str:
    """All events of the longest window, once; each aggregate filters its own."""
    table, time = _TABLES[kind]
    longest = max(feature.window_s for feature in features)
    said = {FILTERS[kind][feature.filter] for feature in features}
    shared = said.pop() if len(said) == 1 else "true"
    columns = ",\n".join(
        f"        {_aggregate(f, time, longest, shared)} as {f.name}" for f in features
    )
    where = "\n      and ".join(_inside(_keys(entity), kind, longest, shared))
    return f"    select\n{columns}\n    from {table}\n    where {where}"


def _keys(entity: Entity) -> list[str]:
    return [_equals(key) for key in KEYS[entity]]


def _equals(key: str) -> str:
    return f"{key} = %({key})s::{_TYPES.get(key, 'text')}"


def _inside(keys: Sequence[str], kind: Kind, window_s: int, condition: str = "true") -> list[str]:
    """The conditions of a window. A label's index has what it says before its time."""
    time = _TABLES[kind][1]
    found = [*keys, "livemode = %(livemode)s::boolean"]
    if kind == "label":
        found.append("fraud in (true, false)" if condition == "true" else condition)
    elif condition != "true":
        found.append(condition)
    return [*found, f"{time} >= {_since(window_s)}", f"{time} < %(at)s::timestamptz"]


def _since(window_s: int) -> str:
    return f"%(since_{window_s})s::timestamptz"


def _aggregate(feature: Feature, time: str, longest: int, shared: str) -> str:
    conditions = []
    if feature.entity == "pair":
        conditions.append(_equals("merchant_id"))
    if feature.window_s < longest:
        conditions.append(f"{time} >= {_since(feature.window_s)}")
    condition = FILTERS[feature.kind][feature.filter]
    if condition not in ("true", shared):
        conditions.append(condition)
    inside = f" filter (where {' and '.join(conditions)})" if conditions else ""
    match feature.aggregate:
        case "count":
            return f"count(*){inside}"
        case "sum":
            return f"coalesce(sum({AMOUNTS['amount']}){inside}, 0)"
        case "sum_squares":
            return f"coalesce(sum({AMOUNTS['squares']}){inside}, 0)"
        case "max":
            return f"max(amount_minor){inside}"
        case "last":
            return _age(f"max({time}){inside}")
        case _:
            return f"count(distinct customer_key){inside}"


def _age(newest: str) -> str:
    return f"(extract(epoch from %(at)s::timestamptz - {newest}) * 1000000)::bigint"


# ── from the end of an index ─────────────────────────────────────────────────────────────────


def _answer_alone(feature: Feature) -> str:
    if feature.entity != "pair":
        return _alone_by(feature, _keys(feature.entity))
    merchant = _equals("merchant_id")
    card, vpa = (_alone_by(feature, [*_keys(entity), merchant]) for entity in _INSTRUMENTS)
    return f"case when %(card_key)s::text is null then {vpa} else {card} end"


def _alone_by(feature: Feature, keys: Sequence[str]) -> str:
    table, time = _TABLES[feature.kind]
    condition = FILTERS[feature.kind][feature.filter]
    where = _where(_inside(keys, feature.kind, feature.window_s, condition))
    match feature.aggregate:
        case "last":
            newest = f"(select max({time}) from {table} where {where})"  # noqa: S608
            return _age(newest)
        case "distinct_customers":
            return f"(select count(distinct customer_key) from {table} where {where})"  # noqa: S608
    # Strictly after the newest that says otherwise.
    other = FILTERS["label"]["good" if feature.filter == "fraud" else "fraud"]
    before = _where(_inside(keys, feature.kind, feature.window_s, other))
    ended = f"(select max({time}) from {table} where {before})"  # noqa: S608
    return (
        f"(select count(*) from {table} where {where}"  # noqa: S608
        f"\n          and {time} > coalesce({ended}, '-infinity'))"
    )


def _where(conditions: Sequence[str]) -> str:
    return "\n          and ".join(conditions)


# ── tiles ────────────────────────────────────────────────────────────────────────────────────


_MEASURES = {"count": "events", "sum": "amount", "sum_squares": "squares"}
_SUMS = ", ".join(f"sum({measure}) as {measure}" for measure in AMOUNTS)
_OF_EVENTS = ", ".join(f"sum({amount}) as {measure}" for measure, amount in AMOUNTS.items())
_SIGNED = ", ".join(f"sign * {measure}" for measure in AMOUNTS)


def _tiles(features: Sequence[Feature]) -> str:
    """The tiles of every series in one scan, and the events at the edges with their sign."""
    columns = ",\n".join(f"        {_total(f)} as {f.name}" for f in features)
    windows: dict[tuple[Entity, Kind, str], int] = {}
    for feature in features:
        for part in parts_of(feature):
            key = (feature.entity, feature.kind, part)
            windows[key] = windows.get(key, 0) | window_bit(feature)
    edges: dict[tuple[Entity, Kind], dict[str, int]] = {}
    for (entity, kind, part), mask in windows.items():
        edges.setdefault((entity, kind), {})[part] = mask
    parts = [_tile_sums(windows)]
    parts += [_edge_sums(entity, kind, masks) for (entity, kind), masks in edges.items()]
    inner = "\n        union all\n".join(parts)
    return f"    select\n{columns}\n    from (\n{inner}\n    ) as pieces"


def _total(feature: Feature) -> str:
    numbers = [series_of(feature.entity, feature.kind, part) for part in parts_of(feature)]
    chosen = f"series in ({', '.join(map(str, numbers))}) and mask & {window_bit(feature)} <> 0"
    total = f"coalesce(sum({_MEASURES[feature.aggregate]}) filter (where {chosen}), 0)"
    return f"{total}::bigint" if feature.aggregate == "count" else total


def _tile_sums(windows: Mapping[tuple[Entity, Kind, str], int]) -> str:
    rows = ",\n                ".join(
        f"({series_of(*of)}::smallint, %({KEYS[of[0]][0]})s::text, {mask})"
        for of, mask in windows.items()
    )
    return f"""\
        select s.series, mask, events, amount, squares
        from unnest(
            %(tile_masks)s::integer[], %(tile_grains)s::integer[],
            %(tile_since)s::timestamptz[], %(tile_until)s::timestamptz[]
        ) as t (mask, grain_s, since, until)
        join (
            values
                {rows}
        ) as s (series, key, windows) on mask & s.windows <> 0 and s.key is not null
        cross join lateral (
            select {_SUMS}
            from risk_tiles
            where series = s.series
              and key = s.key
              and livemode = %(livemode)s::boolean
              and grain_s = t.grain_s
              and starts_at >= t.since and starts_at < t.until
        ) as sums"""  # noqa: S608


def _edge_sums(entity: Entity, kind: Kind, masks: Mapping[str, int]) -> str:
    table, time = _TABLES[kind]
    key = KEYS[entity][0]
    rows = ", ".join(
        f"({series_of(entity, kind, part)}, {_FRAUD[part]}, {mask})" for part, mask in masks.items()
    )
    said = "" if kind == "transaction" else "\n              and fraud = s.fraud"
    return f"""\
        select s.series, mask, {_SIGNED}
        from unnest(
            %(edge_masks)s::integer[], %(edge_signs)s::integer[],
            %(edge_since)s::timestamptz[], %(edge_until)s::timestamptz[]
        ) as e (mask, sign, since, until)
        join (values {rows}) as s (series, fraud, windows) on mask & s.windows <> 0
        cross join lateral (
            select {_OF_EVENTS}
            from {table}
            where {_equals(key)}
              and livemode = %(livemode)s::boolean{said}
              and {time} >= e.since and {time} < e.until
        ) as sums
        where %({key})s::{_TYPES.get(key, "text")} is not null"""  # noqa: S608


_FRAUD = {"all": "null::boolean", "fraud": "true", "good": "false"}
