"""The engine: from rows of ledger, rails and bank to matches and breaks.

Belongs here: the order in which statements run. The matching itself is `sql/recon_*.sql`, over
plain relations (`in_ledger`, `in_rail`, `in_bank`, `in_through`), so that days of the lake and
plain files go through one engine. Does not: what is stored (`days.py`, `files.py`).

What each side has once and alike (nearly every row) is matched by one join on a hash; only the
rest is grouped, looked at by the later passes, and explained.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from uuid import UUID

import polars as pl

from warehouse.connection import Lake, WarehouseError, sql_text
from warehouse.reconciliation.bank_side import expect
from warehouse.reconciliation.rules import Pass, Rules, last_day

_BETWEEN = "\x1f"
_CANDIDATES = {
    "other_name": "recon_name_candidates",
    "counterparty": "recon_counterparty_candidates",
}


def match(lake: Lake, *, day: date | None, as_of: date | None, rules: Rules) -> None:
    """The engine: from `in_ledger`, `in_rail`, `in_bank`, `in_through` to found_matches and
    found_breaks.

    `day` limits the outcome to groups of that day, `as_of` keeps open what is not yet due.
    Raises WarehouseError when a row was lost or seen twice.
    """
    params: dict[str, object] = {
        "day": day,
        "as_of": as_of,
        "early_days": rules.early_days,
        "tax_bps": rules.charges.tax_bps,
        "tax_tolerance_minor": rules.charges.tax_tolerance_minor,
        "tax_free_up_to_minor": rules.charges.tax_free_up_to_minor,
    }
    _windows(lake, rules)
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_doubts"
        " (input VARCHAR, no BIGINT, choices BIGINT, rule VARCHAR)"
    )
    _rail_side(lake, rules, params)
    expect(lake, rules, params)
    _outcome(lake, rules, params)
    if strays := lake.scalar("recon_strays"):
        raise WarehouseError(f"reconciliation lost or doubled rows of {strays} inputs")


def load_words(lake: Lake, rules: Rules) -> None:
    """`in_words` and `in_debits`: what the words for statuses and types of rows mean."""
    words = [
        {"sort": sort, "word": word.lower(), "meaning": meaning}
        for sort, meanings in (("status", rules.statuses), ("kind", rules.kinds))
        for meaning, stated in meanings.items()
        for word in stated
    ]
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE in_words (sort VARCHAR, word VARCHAR, meaning VARCHAR)"
    )
    lake.append("in_words", pl.DataFrame(words))
    lake.execute("CREATE OR REPLACE TEMP TABLE in_debits (kind VARCHAR)")
    lake.append("in_debits", pl.DataFrame({"kind": rules.debits}, schema={"kind": pl.String}))


def break_id(kind: str, row_ids: Sequence[str]) -> UUID:
    """The same break has the same id in every run, whatever order its rows come in."""
    told = _BETWEEN.join((kind, *sorted(row_ids)))
    return UUID(hashlib.md5(told.encode(), usedforsecurity=False).hexdigest())


def found_breaks(lake: Lake) -> pl.DataFrame:
    """The breaks of the last `match`, each with its id, in a fixed order."""
    return lake.frame(
        "SELECT * REPLACE (break_id::VARCHAR AS break_id) FROM found_breaks"
        " ORDER BY business_date, side, kind, row_ids, break_id"
    )


def temporary(lake: Lake, name: str, params: dict[str, object]) -> None:
    """The rows of `sql/<name>.sql`, as a table of that name."""
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(name)}", **params)


def _windows(lake: Lake, rules: Rules) -> None:
    """`in_due`, the last days of each rail's windows, and `in_tolerance`."""
    found = lake.rows(
        "SELECT DISTINCT rail, due_on FROM in_ledger UNION SELECT DISTINCT rail, day FROM in_rail"
        " UNION SELECT DISTINCT rail, day FROM in_ledger WHERE kind = 'payout'"
    )
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE in_due"
        " (rail VARCHAR, day DATE, rail_last DATE, bank_last DATE)"
    )
    windows = [
        (
            rail,
            day,
            last_day(day, terms.rail_days, terms.rail_calendar),
            last_day(day, terms.bank_days, terms.bank_calendar),
        )
        for rail, day in found
        if day is not None
        for terms in (rules.terms(rail),)
    ]
    dates = {"day": pl.Date, "rail_last": pl.Date, "bank_last": pl.Date}
    lake.append("in_due", pl.DataFrame(windows, {"rail": pl.String, **dates}, orient="row"))
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE in_tolerance (rail VARCHAR, minor BIGINT, bps BIGINT)"
    )
    rails = {rail: rules.terms(rail) for rail, _ in found}
    tolerated = bool(rules.by("tolerance"))
    rows = [
        (rail, terms.tolerance_minor * tolerated, terms.tolerance_bps * tolerated)
        for rail, terms in rails.items()
    ]
    schema = {"rail": pl.String, "minor": pl.Int64, "bps": pl.Int64}
    lake.append("in_tolerance", pl.DataFrame(rows, schema, orient="row"))


def _rail_side(lake: Lake, rules: Rules, params: dict[str, object]) -> None:
    temporary(lake, "recon_habits", params)
    # Few books have charges as rows of their own; looking for whose they are costs a join.
    charges = lake.rows("SELECT count(*) FROM in_ledger WHERE kind IN ('fee', 'tax')")[0][0]
    only = "" if charges else " LIMIT 0"
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE recon_charge_rows AS"
        f" FROM ({sql_text('recon_charge_rows')}){only}"
    )
    temporary(lake, "recon_apart", params)
    temporary(lake, "recon_exact", {**params, "name": _named(rules, "reference")})
    for name in ("recon_left_ledger", "recon_left_rail"):
        temporary(lake, name, params)
    for found in rules.passes:
        if found.by in _CANDIDATES:
            _bind(lake, found, params)
    temporary(lake, "recon_rail_members", params)
    temporary(lake, "recon_rail_parts", params)
    temporary(lake, "recon_rail_returns", params)
    sums = {
        "sums_of_ledger": bool(rules.by("sum_of_ledger")),
        "sums_of_rail": bool(rules.by("sum_of_rail")),
    }
    temporary(lake, "recon_rail_groups", {**params, **sums})


def _bind(lake: Lake, found: Pass, params: dict[str, object]) -> None:
    """Rail rows that a pass finds an answer for take the key of that answer."""
    text = sql_text(_CANDIDATES[found.by])
    chosen = {**params, "name": found.name, "ledger": found.ledger, "rail": found.rail}
    lake.execute(f"CREATE OR REPLACE TEMP TABLE recon_candidates AS {text}", **chosen)
    temporary(lake, "recon_bound", chosen)
    lake.execute(f"INSERT INTO recon_doubts BY NAME {sql_text('recon_new_doubts')}", **chosen)
    lake.execute(
        "UPDATE recon_left_rail SET key = bound.key, rule = $name FROM recon_bound AS bound"
        " WHERE recon_left_rail.no = bound.rail_no",
        **chosen,
    )


def _outcome(lake: Lake, rules: Rules, params: dict[str, object]) -> None:
    named = {
        "exact": _named(rules, "reference"),
        "tolerated": _named(rules, "tolerance"),
        "many_to_one": _named(rules, "sum_of_ledger"),
        "one_to_many": _named(rules, "sum_of_rail"),
    }
    for table, names in (
        ("recon_other_matches", ("recon_rail_matches", "recon_bank_matches")),
        ("recon_all_breaks", ("recon_rail_breaks", "recon_bank_breaks")),
    ):
        union = " UNION ALL BY NAME ".join(f"({sql_text(name)})" for name in names)
        lake.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {union}", **params, **named)
    lake.execute(f"CREATE OR REPLACE TEMP VIEW found_matches AS {sql_text('recon_found_matches')}")
    lake.execute(f"CREATE OR REPLACE TEMP TABLE found_breaks AS {sql_text('recon_stored_breaks')}")


def _named(rules: Rules, by: str) -> str:
    return next((found.name for found in rules.passes if found.by == by), by)
