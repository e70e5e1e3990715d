"""Days of the lake through the engine: what a run stores, and what changed since the last one.

A group of rows belongs to the day of its ledger row, or of its announcement, or, for rows that
only the outside has, to the outside's day. Running a day again with later knowledge replaces
it: breaks that were explained vanish, and the log says so.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import polars as pl

from online.kernel import ids
from warehouse.breaks.hypothesis import supposed
from warehouse.breaks.rules import load_break_rules, load_tat_rules
from warehouse.connection import Lake, Warehouse, sql_text
from warehouse.reconciliation.engine import found_breaks, load_words, match
from warehouse.reconciliation.rules import Rules, load_rules

INPUTS = ("in_ledger", "in_rail", "in_bank", "in_through")
# What is not due yet becomes so within these days; older ones wait for a row that names them.
_RECENT_DAYS = 10


@dataclass(frozen=True, kw_only=True)
class Break:
    """One break. `state` is open or closed; `generation` counts how often it was opened.

    `suspense_cause` is the cause of its posting, `transit_account` where announced money of it
    waits, `bank_account` the number of our account whose line it is about, `posted_on` the day that
    it is posted for. Of breaks of an older lake these are None.
    """

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
    cause: str | None = None
    owner: str | None = None
    opened_on: date | None = None
    at_stake_minor: int | None = None
    suspense_cause: UUID | None = None
    transit_account: str | None = None
    bank_account: str | None = None
    posted_on: date | None = None
    tat_due_on: date | None = None
    tat_per_day_minor: int | None = None
    row_type: str | None = None


_COLUMNS = tuple(Break.__dataclass_fields__)


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
        f"SELECT {', '.join(_COLUMNS)} FROM recon_break_log"
        " WHERE business_date = $day ORDER BY generation, break_id, state DESC",
        day=day,
    )
    return [as_break(row) for row in found.iter_rows(named=True)]


def days_to_revisit(warehouse: Lake, *, upto: date, changed: Collection[date] = ()) -> list[date]:
    """Days that a run has to look at again, oldest first: recent ones with breaks or open rows,
    days of which rows came or went (`changed`), and older ones that those rows may explain.

    The work grows with what came and what it explains, not with how many breaks stand open.
    """
    found = warehouse.query(
        "days_to_revisit",
        upto=upto,
        recent_days=_RECENT_DAYS,
        lookback_days=load_rules().lookback_days,
        changed=sorted(changed),
    )
    return sorted(found["business_date"])


def changed_days(warehouse: Lake, *, since: datetime) -> list[date]:
    """Days of which files say something that were received since then, oldest first."""
    return sorted(warehouse.query("changed_days", since=since)["business_date"])


def conservation_gap(warehouse: Lake, day: date | None = None) -> int:
    """Rows and minor units neither matched, broken nor open on a day, or on all: 0 is right."""
    return int(warehouse.scalar("recon_conservation", day=day))


def read_inputs(lake: Lake, day: date, lookback_days: int) -> None:
    """The rows around a day, as the engine reads them."""
    load_words(lake, load_rules())
    for name in INPUTS:
        lake.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS {sql_text(f'recon_{name}')}",
            day=day,
            lookback_days=lookback_days,
        )


def as_break(row: Mapping[str, Any]) -> Break:
    """A row of the log; columns that a break does not have are left out."""
    fields = {name: row[name] for name in _COLUMNS}
    for name in ("break_id", "suspense_cause"):
        fields[name] = UUID(str(row[name])) if row[name] else None
    return Break(**fields)


def _replace(lake: Lake, day: date, as_of: date, rules: Rules) -> ReconResult:
    read_inputs(lake, day, rules.lookback_days)
    match(lake, day=day, as_of=as_of, rules=rules)
    found = supposed(
        lake, found_breaks(lake), as_of=as_of, rules=load_break_rules(), tat=load_tat_rules()
    )
    lake.execute(
        f"CREATE OR REPLACE TEMP TABLE last_told AS {sql_text('break_log_latest')}", day=day
    )
    breaks = _told(found, lake.frame("FROM last_told"), as_of)
    for table in ("recon_matches", "recon_breaks", "recon_totals"):
        lake.execute(f"DELETE FROM {table} WHERE business_date = $day", day=day)
    lake.execute("INSERT INTO recon_matches BY NAME FROM found_matches")
    lake.append("recon_breaks", breaks.drop("generation", "is_new"))
    lake.execute(f"INSERT INTO recon_totals BY NAME {sql_text('recon_totals')}", day=day)
    kinds = breaks.group_by("kind").len().sort("kind")
    return ReconResult(
        business_date=day,
        matches=int(lake.rows("SELECT count(*) FROM found_matches")[0][0]),
        breaks=dict(kinds.iter_rows()),
        opened=_log_opened(lake, breaks),
        closed=_log_closed(lake, breaks, as_of),
        money_at_stake_minor=int(breaks["at_stake_minor"].sum()),
    )


def _told(found: pl.DataFrame, last: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The breaks with what the log says of each: how often it was opened, and since when."""
    last = last.select(
        pl.col("break_id").cast(pl.String),
        told="generation",
        stands=pl.col("state") == "open",
        since="opened_on",
    )
    known = found.join(last, on="break_id", how="left", maintain_order="left").with_columns(
        told=pl.col("told").fill_null(0), is_new=~pl.col("stands").fill_null(value=False)
    )
    known = known.with_columns(
        generation=pl.when("is_new").then(pl.col("told") + 1).otherwise("told").cast(pl.Int32),
        opened_on=pl.when("is_new").then(pl.lit(as_of)).otherwise("since"),
    )
    # A break that comes back after it was closed is a new fact, and posts anew.
    again = known.filter(pl.col("generation") > 1).select("break_id", "generation")
    causes = {key: str(ids.derived(key, str(generation))) for key, generation in again.iter_rows()}
    cause = pl.col("break_id").replace(causes) if causes else pl.col("break_id")
    return known.drop("told", "stands", "since").with_columns(suspense_cause=cause)


def _log_opened(lake: Lake, breaks: pl.DataFrame) -> int:
    new = breaks.filter("is_new").drop("is_new", "age_days", "age_bucket")
    return lake.append("recon_break_log", new.with_columns(state=pl.lit("open")))


def _log_closed(lake: Lake, breaks: pl.DataFrame, as_of: date) -> int:
    """What the log says to be open and this run did not find; as it was opened."""
    lake.connection.register("still_broken", breaks.select("break_id").to_arrow())
    try:
        (count,) = lake.rows(
            "INSERT INTO recon_break_log BY NAME"
            " SELECT * REPLACE ('closed' AS state, $as_of::DATE AS as_of) FROM last_told AS told"
            " ANTI JOIN still_broken AS broken ON told.break_id::VARCHAR = broken.break_id"
            " WHERE told.state = 'open'",
            as_of=as_of,
        )
    finally:
        lake.connection.unregister("still_broken")
    return int(count[0])
