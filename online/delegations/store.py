"""Delegations in PostgreSQL. Writes go through the writer, by `DELEGATIONS`."""

from typing import Final
from uuid import UUID

import msgspec

from online.delegations.domain import Delegation, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.delegations")

DELEGATIONS: Final = Aggregate(
    Snapshot(
        "delegations",
        "id uuid, merchant_id uuid, primary_id uuid, secondary_id uuid, status text, kind text,"
        "currency text, per_payment_minor int8, per_month_minor int8, instrument text,"
        "instrument_mask text, cooling_until timestamptz, reason text, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by; None leaves a field open."""

    customer_id: UUID | None = None
    status: str | None = None


async def get(connection: Connection, delegation_id: UUID, merchant_id: UUID) -> Delegation | None:
    """A delegation as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get", Delegation, id=delegation_id, merchant_id=merchant_id
    )


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Delegation]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Delegation,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )
