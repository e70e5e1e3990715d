"""A rail's disputes of a day, as lines for online's `/internal/v1/disputes`.

Belongs here: the wire form. Does not: sending (`assets`), or what a dispute does to the books.
"""

from datetime import date, datetime

import msgspec

from warehouse.connection import Lake


class DisputeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `msgspec.json.encode(line)` is the wire form."""

    rail: str
    reference: str
    original_reference: str
    amount_minor: int = msgspec.field(name="amount")
    currency: str
    reason_code: str
    status: str
    respond_by: datetime


def lines(warehouse: Lake, day: date) -> list[DisputeLine]:
    """The day's disputes as staged."""
    found = warehouse.frame(
        "SELECT rail, reference, original_reference, amount_minor, currency, reason_code, status,"
        " respond_by FROM stg_disputes WHERE reported_on = $day ORDER BY rail, reference",
        day=day,
    )
    return [DisputeLine(**row) for row in found.iter_rows(named=True)]
