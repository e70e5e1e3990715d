"""Questions that other slices ask the books. Reading only; the writer is the one that writes."""

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from online.ledger.days import DaySums, MerchantDay
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "reading.sql")

CauseKind = tuple[UUID, str]


class _SumRow(DaySums, frozen=True, kw_only=True):
    account_id: UUID
    business_date: date


class _PostedRow(msgspec.Struct, frozen=True):
    cause: UUID
    kind: str


async def posted(connection: Connection, wanted: Collection[CauseKind]) -> set[CauseKind]:
    """Those of `wanted` that the books have already."""
    causes, kinds = [cause for cause, _ in wanted], [kind for _, kind in wanted]
    rows = await QUERIES.all(connection, "posted", _PostedRow, causes=causes, kinds=kinds)
    return {(row.cause, row.kind) for row in rows}


async def day_sums(
    connection: Connection, days: Collection[MerchantDay]
) -> dict[MerchantDay, DaySums]:
    """Captures, refunds, disputes, fees and taxes of each day; zeros where nothing moved."""
    distinct = list(dict.fromkeys(days))
    rows = await QUERIES.all(
        connection,
        "pending_day_sums",
        _SumRow,
        accounts=[day.account_id for day in distinct],
        days=[day.business_date for day in distinct],
    )
    found = {(row.account_id, row.business_date): row for row in rows}
    nothing = DaySums()
    return {day: _bare(found.get((day.account_id, day.business_date), nothing)) for day in distinct}


def _bare(sums: DaySums) -> DaySums:
    return DaySums(
        gross_minor=sums.gross_minor,
        refunds_minor=sums.refunds_minor,
        disputes_minor=sums.disputes_minor,
        fees_minor=sums.fees_minor,
        tax_minor=sums.tax_minor,
    )
