"""Which breaks stood open at the end of a business day, with what was known at an instant.

Two times: `as_of` is a business day, and rows that rails or banks date later do not count;
`known_at` is an instant of the lake's own clock, and files that were loaded later do not count.
The engine runs again over what is left, so that a past day is told as it was, not as a later run
saw it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from warehouse.breaks.hypothesis import aged, supposed
from warehouse.breaks.rules import load_break_rules, load_tat_rules
from warehouse.connection import LAKE, Lake, Warehouse, WarehouseError
from warehouse.reconciliation.days import read_inputs
from warehouse.reconciliation.engine import found_breaks, match
from warehouse.reconciliation.rules import load_rules

_DATED = ("in_ledger", "in_rail", "in_bank")
SHOWN = (
    *("break_id", "business_date", "side", "rail", "kind", "cause", "owner", "state", "age_days"),
    *("age_bucket", "reference", "expected_minor", "actual_minor", "at_stake_minor", "currency"),
    *("suspense_account", "suspense_minor", "tat_due_on", "tat_days", "tat_minor", "reason"),
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stood open. `position` says where the money of the business day itself was: matched,
    broken or not due yet, by side, input and currency."""

    as_of: date
    snapshot: int
    breaks: pl.DataFrame
    position: pl.DataFrame

    def totals(self) -> pl.DataFrame:
        """Breaks and money at stake by age, owner and kind."""
        by = ("age_bucket", "owner", "kind", "currency")
        summed = self.breaks.group_by(by).agg(
            breaks=pl.len(), at_stake_minor=pl.col("at_stake_minor").sum()
        )
        return summed.sort(by)


def standing(warehouse: Warehouse, as_of: date, *, known_at: datetime | None = None) -> Standing:
    """The work list of a day, as it is now known or was known at an instant."""
    snapshot = warehouse.snapshot_id() if known_at is None else snapshot_at(warehouse, known_at)
    with warehouse.at_version(snapshot) as lake:
        breaks, position = _at_the_end_of(lake, as_of)
    return Standing(as_of=as_of, snapshot=snapshot, breaks=breaks, position=position)


def snapshot_at(warehouse: Lake, known_at: datetime) -> int:
    """The last snapshot that was there at an instant; refuses one before the lake began."""
    (found,) = warehouse.rows(
        f"SELECT max(snapshot_id) FROM {LAKE}.snapshots() WHERE snapshot_time <= $known_at",
        known_at=known_at,
    )
    if found[0] is None:
        raise WarehouseError(f"the lake has no snapshot from before {known_at.isoformat()}")
    return int(found[0])


def _at_the_end_of(lake: Lake, as_of: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    rules = load_rules()
    # Twice as far back as a row can belong, so that those at the edge meet their other side.
    read_inputs(lake, as_of, 2 * rules.lookback_days)
    for name in _DATED:
        lake.execute(f"DELETE FROM {name} WHERE day > $as_of", as_of=as_of)
    lake.execute("UPDATE in_through SET through = least(through, $as_of)", as_of=as_of)
    # The day has ended: what its own files had to tell is told, as for the night that follows.
    match(lake, day=None, as_of=as_of + timedelta(days=1), rules=rules)
    oldest = as_of - timedelta(days=rules.lookback_days)
    found = found_breaks(lake).filter(pl.col("business_date") >= oldest)
    recent = supposed(lake, found, as_of=as_of, rules=load_break_rules(), tat=load_tat_rules())
    carried = aged(lake.query("breaks_carried", as_of=as_of, oldest=oldest), as_of)
    shared = [name for name in recent.columns if name in carried.columns]
    # A frame of no rows may know less of its types than the other.
    both = pl.concat([recent.select(shared), carried.select(shared)], how="vertical_relaxed")
    with _as_table(lake, "standing_breaks", both):
        breaks = lake.query("breaks_standing", as_of=as_of)
    return breaks.select(SHOWN), lake.query("recon_totals", day=as_of)


@contextmanager
def _as_table(lake: Lake, name: str, frame: pl.DataFrame) -> Iterator[None]:
    lake.connection.register(name, frame.to_arrow())
    try:
        yield
    finally:
        lake.connection.unregister(name)
