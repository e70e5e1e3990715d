"""What merchants were charged in a month, as the books have it."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import msgspec

from online.kernel.months import Month
from online.ledger.charges import Charged, ChargeSum
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "month_charges.sql")


class _Row(msgspec.Struct, frozen=True):
    account_id: UUID
    service: str
    taxed: bool
    returned: bool
    count: int
    fee_minor: int
    igst_minor: int
    cgst_minor: int
    sgst_minor: int


async def charges_of(
    connection: Connection, month: Month, whose: Collection[Charged]
) -> dict[Charged, list[ChargeSum]]:
    """Sums by service and treatment, in one order; an empty list where nothing was charged."""
    found: dict[UUID, list[ChargeSum]] = {each.account_id: [] for each in whose}
    rows = await QUERIES.all(
        connection,
        "charges_of_month",
        _Row,
        accounts=list(found),
        first=month.first,
        last=month.last,
    )
    for row in rows:
        fields = msgspec.structs.asdict(row)
        found[fields.pop("account_id")].append(ChargeSum(**fields))
    return {each: sorted(found[each.account_id]) for each in whose}
