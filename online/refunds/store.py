"""Refunds in PostgreSQL. Writes go through the writer, by `REFUNDS`."""

from typing import Final
from uuid import UUID

import msgspec

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries
from online.refunds.domain import Refund, apply

QUERIES: Final = load_queries("online.refunds")

REFUNDS: Final = Aggregate(
    Snapshot(
        "refunds",
        "id uuid, payment_id uuid, merchant_id uuid, attempt_id uuid, status text,"
        "amount_minor int8, currency text, reason text, rail text, rail_reference text,"
        "failure_code text, mdr_on_refund text, fee_returned_minor int8,"
        "tax_returned_minor int8, escrow_id uuid, method text, version int8, livemode bool,"
        "created_at timestamptz, updated_at timestamptz",
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


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by; None leaves a field open."""

    payment_id: UUID | None = None
    status: str | None = None


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Refund]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Refund,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )


async def of_payment(connection: Connection, payment_id: UUID) -> list[Refund]:
    """Oldest first."""
    return await QUERIES.all(connection, "of_payment", Refund, payment_id=payment_id)


async def refunded_with_fee(connection: Connection, payment_id: UUID) -> int:
    """How much went back in refunds that returned their part of the fee."""
    total = await QUERIES.scalar(connection, "refunded_with_fee", payment_id=payment_id)
    return int(total)
