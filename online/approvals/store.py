"""Requests in PostgreSQL. Writes go through the writer, by `REQUESTS`."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.approvals.domain import Request, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.approvals")

REQUESTS: Final = Aggregate(
    Snapshot(
        "delegation_requests",
        "id uuid, merchant_id uuid, delegation_id uuid, primary_id uuid, secondary_id uuid,"
        "status text, amount_minor int8, currency text, device_id text, note text,"
        "expires_at timestamptz, held jsonb, payment_id uuid, approved_by text, reason text,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Of which delegation, in which state as of `now` (None: any)."""

    delegation_id: UUID
    now: datetime
    status: str | None = None


async def get(connection: Connection, request_id: UUID, merchant_id: UUID) -> Request | None:
    """A request as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get", Request, id=request_id, merchant_id=merchant_id
    )


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Request]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Request,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )


async def due(
    connection: Connection, now: datetime, most: int, delegation_id: UUID | None
) -> list[Request]:
    """Whose time to be decided is over, of one delegation or of all."""
    return await QUERIES.all(
        connection, "due", Request, now=now, most=most, delegation_id=delegation_id
    )
