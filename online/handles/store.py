"""Handles in PostgreSQL. Writes go through the writer, by `HANDLES`."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.handles.domain import Handle, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.handles")

HANDLES: Final = Aggregate(
    Snapshot(
        "handles",
        "id uuid, merchant_id uuid, customer_id uuid, status text, purpose text, currency text,"
        "max_amount_minor int8, max_total_minor int8, max_uses int8, expires_at timestamptz,"
        "alias_hash text, instrument text, instrument_mask text, reason text, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by, as of `now`; None leaves a field open."""

    now: datetime
    customer_id: UUID | None = None
    status: str | None = None


async def get(connection: Connection, handle_id: UUID, merchant_id: UUID) -> Handle | None:
    """A handle as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get", Handle, id=handle_id, merchant_id=merchant_id
    )


async def of_alias(connection: Connection, alias_hash: str, merchant_id: UUID) -> Handle | None:
    return await QUERIES.one_or_none(
        connection, "of_alias", Handle, alias_hash=alias_hash, merchant_id=merchant_id
    )


async def newest_live(
    connection: Connection, customer_id: UUID, merchant_id: UUID, now: datetime
) -> Handle | None:
    return await QUERIES.one_or_none(
        connection,
        "newest_live",
        Handle,
        customer_id=customer_id,
        merchant_id=merchant_id,
        now=now,
    )


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Handle]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Handle,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )


async def expiring(connection: Connection, now: datetime, most: int) -> list[Handle]:
    """Whose time is over, and nobody has said so yet."""
    return await QUERIES.all(connection, "expiring", Handle, now=now, most=most)
