"""A closed business day, merchant by merchant: what is owed, from the ledger's own entries.

Belongs here: rebuilding the day's lines and batches together. Does not: paying (online's), or
the arithmetic itself (`sql/settlement_*.sql`).
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from online.kernel import ids
from warehouse.connection import Lake, Warehouse, sql_text


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One merchant, currency and business day.

    net = gross - refunds - disputes - fees - tax - reserve; gross is captures less reversals.
    """

    merchant_id: UUID
    business_date: date
    currency: str
    gross_minor: int
    refunds_minor: int
    disputes_minor: int
    fees_minor: int
    tax_minor: int
    reserve_minor: int
    net_minor: int
    count: int
    settle_on: date

    def wire(self, snapshot: int) -> dict[str, object]:
        """One line of `/internal/v1/settlement-batches`; `snapshot`: the lake it was made from."""
        return {
            "merchant_id": ids.encode("mrc", self.merchant_id),
            "business_date": self.business_date.isoformat(),
            "currency": self.currency,
            "gross": self.gross_minor,
            "refunds": self.refunds_minor,
            "disputes": self.disputes_minor,
            "fees": self.fees_minor,
            "tax": self.tax_minor,
            "reserve": self.reserve_minor,
            "net": self.net_minor,
            "count": self.count,
            "snapshot": snapshot,
        }


def settle_day(warehouse: Warehouse, day: date) -> list[Batch]:
    """Rebuild settlement_lines and settlement_batches of a day, in one transaction."""

    def body(lake: Lake) -> list[Batch]:
        for table in ("settlement_lines", "settlement_batches"):
            lake.execute(f"DELETE FROM {table} WHERE business_date = $day", day=day)
            lake.execute(f"INSERT INTO {table} BY NAME {sql_text(table)}", day=day)
        return batches(lake, day)

    return warehouse.transaction(body)


def batches(warehouse: Lake, day: date) -> list[Batch]:
    """The day's batches as stored."""
    found = warehouse.frame(
        "SELECT * FROM settlement_batches WHERE business_date = $day"
        " ORDER BY merchant_id, currency",
        day=day,
    )
    return [
        Batch(**{**row, "merchant_id": UUID(str(row["merchant_id"]))})
        for row in found.iter_rows(named=True)
    ]
