"""What each merchant is owed for the periods that end on a business day, from the ledger's entries.

Belongs here: rebuilding a day's lines and batches together. Does not: paying (online's), or the
arithmetic itself (`sql/settlement_*.sql`).

A period begins where the last settled one ended, so a day that was missed is in the next one.
What online has accepted stays as it was accepted; the rest is computed anew each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import yaml

from online.kernel import ids
from warehouse.bank_days import load_bank_days
from warehouse.connection import Lake, Warehouse, sql_text

_RULES: Final = Path(__file__).parent.parent / "config" / "settlement.yaml"
_MOST_DAYS: Final = 30  # of T+n
_MOST_CYCLES: Final = 10
_STEPS: Final = ("settlement_positions", "settlement_due", "settlement_carried")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One merchant, currency and period, by its last business day. Amounts in minor units.

    net = gross - refunds - disputes - fees - tax + released is what the period moved; owed =
    carried + net - reserve - tds. What the balance still holds of it is paid when it is enough, or
    all stays in pending (`carried_out_minor`).
    """

    merchant_id: UUID
    business_date: date
    currency: str
    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    released_minor: int
    net_minor: int
    carried_minor: int
    reserve_minor: int
    tds_minor: int
    owed_minor: int
    payout_minor: int
    carried_out_minor: int
    count: int
    starts_at: datetime | None
    ends_at: datetime
    settle_on: date
    is_accepted: bool

    def wire(self, snapshot: int) -> dict[str, object]:
        """One line of `/internal/v1/settlement-batches`; `snapshot`: the lake it was made from."""
        return {
            "merchant_id": ids.encode("mrc", self.merchant_id),
            "business_date": self.business_date.isoformat(),
            "currency": self.currency,
            "starts_at": self.starts_at.isoformat() if self.starts_at else None,
            "ends_at": self.ends_at.isoformat(),
            "gross": self.gross_minor,
            "refunds": self.refunds_minor,
            "disputes": self.disputes_minor,
            "fees": self.fees_minor,
            "tax": self.tax_minor,
            "reserve_released": self.released_minor,
            "net": self.net_minor,
            "carried": self.carried_minor,
            "reserve": self.reserve_minor,
            "tds": self.tds_minor,
            "payout": self.owed_minor,
            "count": self.count,
            "snapshot": snapshot,
        }


def settle_day(warehouse: Warehouse, day: date) -> list[Batch]:
    """Rebuild the day's lines, and the batches of the periods that end on it, in one transaction.

    Periods that were not over when the lake was filled are left for later.
    """
    terms = _terms(day)

    def body(lake: Lake) -> list[Batch]:
        _rebuild_lines(lake, day)
        lake.execute("DELETE FROM settlement_batches WHERE business_date = $day", day=day)
        _add(lake, "settlement_accepted", day=day)
        # A cycle begins with what the one before it left.
        for _ in range(_MOST_CYCLES):
            for step in _STEPS:
                lake.execute(f"CREATE OR REPLACE TEMP TABLE {step} AS {sql_text(step)}", day=day)
            for (stale,) in lake.rows(sql_text("settlement_stale_days"), day=day):
                _rebuild_lines(lake, stale)
            if not _add(lake, "settlement_batches", day=day, **terms):
                break
        return batches(lake, day)

    return warehouse.transaction(body)


def batches(warehouse: Lake, day: date) -> list[Batch]:
    """The day's batches as stored, in the order of their periods."""
    found = warehouse.frame(
        "SELECT * FROM settlement_batches WHERE business_date = $day"
        " ORDER BY merchant_id, currency, ends_at",
        day=day,
    )
    return [
        Batch(**{**row, "merchant_id": UUID(str(row["merchant_id"]))})
        for row in found.iter_rows(named=True)
    ]


def _rebuild_lines(lake: Lake, day: date) -> None:
    lake.execute("DELETE FROM settlement_lines WHERE business_date = $day", day=day)
    lake.execute(f"INSERT INTO settlement_lines BY NAME {sql_text('settlement_lines')}", day=day)


def _add(lake: Lake, made_by: str, **params: object) -> int:
    (added,) = lake.rows(f"INSERT INTO settlement_batches BY NAME {sql_text(made_by)}", **params)
    return int(added[0])


def _terms(day: date) -> Mapping[str, object]:
    """Pay dates by n of T+n, and the rates of tax that hold on the day."""
    bank_days, tds = load_bank_days(), _tds(day)
    return {
        "pay_days": [bank_days.add(day, n) for n in range(_MOST_DAYS + 1)],
        "after": bank_days.on_or_after(day + timedelta(days=1)),
        "sections": list(tds),
        "rates": list(tds.values()),
    }


def _tds(day: date) -> Mapping[str, int]:
    """Basis points by section."""
    rates = {}
    for row in reversed(_rates()):
        if row["valid_from"] <= day <= row.get("valid_to", date.max):
            rates[row["section"]] = row["bps"]
    return rates


@cache
def _rates() -> tuple[Mapping[str, Any], ...]:
    return tuple(yaml.safe_load(_RULES.read_text(encoding="utf-8"))["tds"])
