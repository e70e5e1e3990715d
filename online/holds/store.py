"""Holds in PostgreSQL. Writes go through the writer, by `HOLDS`."""

from typing import Final
from uuid import UUID

import msgspec

from online.holds.domain import Hold, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.holds")

HOLDS: Final = Aggregate(
    Snapshot(
        "holds",
        "id uuid, payment_id uuid, merchant_id uuid, customer_id uuid, status text,"
        "amount_minor int8, currency text, method text, purpose text, description text,"
        "captured_minor int8, released_minor int8, expires_at timestamptz, error_code text,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by; None leaves a field open."""

    status: str | None = None
    customer_id: UUID | None = None


async def get(connection: Connection, hold_id: UUID, merchant_id: UUID) -> Hold | None:
    """As its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(connection, "get", Hold, id=hold_id, merchant_id=merchant_id)


async def of_payment(connection: Connection, payment_id: UUID, merchant_id: UUID) -> Hold | None:
    return await QUERIES.one_or_none(
        connection, "of_payment", Hold, payment_id=payment_id, merchant_id=merchant_id
    )


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Hold]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Hold,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )
