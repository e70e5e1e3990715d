"""Refunds in PostgreSQL. Writes go through the writer, by `REFUNDS`."""

from typing import Final
from uuid import UUID

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.sql import Connection, load_queries
from online.refunds.domain import Refund, apply

QUERIES: Final = load_queries("online.refunds")

REFUNDS: Final = Aggregate(
    Snapshot(
        "refunds",
        "id uuid, payment_id uuid, merchant_id uuid, attempt_id uuid, status text,"
        "amount_minor int8, currency text, reason text, rail text, rail_reference text,"
        "failure_code text, version int8, livemode bool, created_at timestamptz,"
        "updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, refund_id: UUID) -> Refund | None:
    """Any refund; for recovery, which holds its id from our own records."""
    return await QUERIES.one_or_none(connection, "get", Refund, id=refund_id)


async def get_of_merchant(
    connection: Connection, refund_id: UUID, merchant_id: UUID
) -> Refund | None:
    """A refund as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get_of_merchant", Refund, id=refund_id, merchant_id=merchant_id
    )
