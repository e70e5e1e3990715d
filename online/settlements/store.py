"""Settlements in PostgreSQL. Writes go through the writer, by `SETTLEMENTS`."""

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.sql import Connection, load_queries
from online.settlements.domain import Settlement, apply

QUERIES: Final = load_queries("online.settlements")

SETTLEMENTS: Final = Aggregate(
    Snapshot(
        "settlements",
        "id uuid, merchant_id uuid, business_date date, currency text, status text,"
        "gross_minor int8, refunds_minor int8, disputes_minor int8, fees_minor int8,"
        "tax_minor int8, reserve_minor int8, net_minor int8, payout_attempt_id uuid, utr text,"
        "warehouse_snapshot int8, version int8, livemode bool, created_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, settlement_id: UUID) -> Settlement | None:
    return (await by_ids(connection, [settlement_id])).get(settlement_id)


async def by_ids(
    connection: Connection, settlement_ids: Collection[UUID]
) -> dict[UUID, Settlement]:
    rows = await QUERIES.all(connection, "by_ids", Settlement, ids=list(settlement_ids))
    return {row.id: row for row in rows}


async def since(connection: Connection, merchant_id: UUID, day: date) -> list[Settlement]:
    return await QUERIES.all(connection, "since", Settlement, merchant_id=merchant_id, day=day)


async def is_settled(
    connection: Connection,
    *,
    merchant_id: UUID,
    currency: str,
    livemode: bool,
    days: Collection[date],
) -> bool:
    """Whether any of these business days is in a batch."""
    return bool(
        await QUERIES.scalar(
            connection,
            "is_settled",
            merchant_id=merchant_id,
            currency=currency,
            livemode=livemode,
            days=list(days),
        )
    )
