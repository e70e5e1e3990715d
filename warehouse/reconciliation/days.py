"""Days of the lake through the engine: what a run stores, and what changed since the last one.

A group of rows belongs to the day of its ledger row, or of its announcement, or, for rows that
only the outside has, to the outside's day. Running a day again with later knowledge replaces
it: breaks that were explained vanish, and the log says so.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import polars as pl

from warehouse.connection import Lake, Warehouse, sql_text
from warehouse.reconciliation.engine import found_breaks, match
from warehouse.reconciliation.rules import Rules, load_rules

_INPUTS = ("in_ledger", "in_rail", "in_bank", "in_through")
_BREAK_COLUMNS = (
    "business_date, kind, side, rail, row_ids, reference, expected_minor, actual_minor,"
    " currency, reason"
)


@dataclass(frozen=True, kw_only=True)
class Break:
    """One break. `state` is open or closed; `generation` counts how often it was opened."""

    break_id: UUID
    generation: int
    state: str
    business_date: date
    kind: str
    side: str
    rail: str | None
    row_ids: list[str]
    reference: str | None
    expected_minor: int
    actual_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReconResult:
    """One day's run: what was matched and what is broken, and what changed since the last run."""

    business_date: date
    matches: int
    breaks: dict[str, int]
    opened: int
    closed: int
    money_at_stake_minor: int


def reconcile_day(
    warehouse: Warehouse, day: date, *, as_of: date, rules: Rules | None = None
) -> ReconResult:
    """Replace the day's matches and breaks by what is known now (`as_of` is today)."""
    chosen = rules or load_rules()
    return warehouse.transaction(lambda lake: _replace(lake, day, as_of, chosen))


def break_changes(warehouse: Lake, day: date) -> list[Break]:
    """Every opening and closing of the day's breaks so far, in order: what online must know."""
    found = warehouse.frame(
        f"SELECT break_id, generation, state, {_BREAK_COLUMNS} FROM recon_break_log"
        " WHERE business_date = $day ORDER BY generation, break_id, state DESC",
        day=day,
    )
    return [
        Break(**{**row, "break_id": UUID(str(row["break_id"]))})
        for row in found.iter_rows(named=True)
    ]


def days_to_revisit(warehouse: Lake, *, upto: date) -> list[date]:
    """Days whose breaks or open rows later files may explain, oldest first."""
    found = warehouse.rows(
        "SELECT business_date FROM recon_breaks UNION"
        " SELECT business_date FROM recon_totals WHERE open_count > 0 ORDER BY 1"
    )
    return [day for (day,) in found if day <= upto]


def conservation_gap(warehouse: Lake, day: date | None = None) -> int:
    """Rows and minor units neither matched, broken nor open on a day, or on all: 0 is right."""
    return int(warehouse.scalar("recon_conservation", day=day))


def _replace(lake: Lake, day: date, as_of: date, rules: Rules) -> ReconResult:
    for name in _INPUTS:
        lake.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(f'recon_{name}')}",
            day=day,
            lookback_days=rules.lookback_days,
        )
    match(lake, day=day, as_of=as_of, rules=rules)
    breaks = found_breaks(lake)
    for table in ("recon_matches", "recon_breaks", "recon_totals"):
        lake.execute(f"DELETE FROM {table} WHERE business_date = $day", day=day)
    lake.execute("INSERT INTO recon_matches BY NAME FROM found_matches")
    lake.append("recon_breaks", breaks.drop("row_type"))
    lake.execute(f"INSERT INTO recon_totals BY NAME {sql_text('recon_totals')}", day=day)
    opened, closed = _log_changes(lake, day, breaks)
    kinds = breaks.group_by("kind").len().sort("kind")
    return ReconResult(
        business_date=day,
        matches=int(lake.rows("SELECT count(*) FROM found_matches")[0][0]),
        breaks=dict(kinds.iter_rows()),
        opened=opened,
        closed=closed,
        money_at_stake_minor=_at_stake(breaks),
    )


def _at_stake(breaks: pl.DataFrame) -> int:
    gap = (breaks["expected_minor"] - breaks["actual_minor"]).abs().sum()
    return int(gap or 0)


def _log_changes(lake: Lake, day: date, breaks: pl.DataFrame) -> tuple[int, int]:
    latest = {
        str(found): (int(generation), str(state))
        for found, generation, state in lake.rows(
            "SELECT break_id, generation, state FROM recon_break_log WHERE business_date = $day"
            " QUALIFY row_number() OVER (PARTITION BY break_id"
            " ORDER BY generation DESC, state ASC) = 1",
            day=day,
        )
    }
    now = set(breaks["break_id"])
    opened = [key for key in sorted(now) if latest.get(key, (0, "closed"))[1] == "closed"]
    closed = [
        key for key, (_, state) in sorted(latest.items()) if state == "open" and key not in now
    ]
    generations = {key: latest.get(key, (0, ""))[0] + 1 for key in opened}
    if opened:
        rows = breaks.filter(pl.col("break_id").is_in(opened)).drop("row_type")
        generation = pl.col("break_id").replace_strict(generations, return_dtype=pl.Int32)
        state = pl.lit("open").alias("state")
        lake.append("recon_break_log", rows.with_columns(generation.alias("generation"), state))
    for key in closed:
        lake.execute(
            f"INSERT INTO recon_break_log (break_id, generation, state, {_BREAK_COLUMNS})"
            f" SELECT break_id, generation, 'closed', {_BREAK_COLUMNS} FROM recon_break_log"
            " WHERE break_id = $key AND generation = $generation AND state = 'open'",
            key=key,
            generation=latest[key][0],
        )
    return len(opened), len(closed)
