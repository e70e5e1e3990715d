"""Transfers in PostgreSQL. Writes go through the writer, by `TRANSFERS`."""

from typing import Final
from uuid import UUID

import msgspec

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries
from online.transfers.domain import Transfer, apply

QUERIES: Final = load_queries("online.transfers")

TRANSFERS: Final = Aggregate(
    Snapshot(
        "transfers",
        "id uuid, merchant_id uuid, customer_id uuid, status text, amount_minor int8,"
        "currency text, device_id text, payer text, payer_mask text, payee text,"
        "payee_mask text, payer_handle uuid, payee_handle uuid, payee_customer_id uuid,"
        "route text, rail text, rail_reference text, attempt_id uuid, risk jsonb,"
        "last_error jsonb, limits jsonb, due_at timestamptz, late bool, version int8,"
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


async def get(connection: Connection, transfer_id: UUID) -> Transfer | None:
    """Any transfer; for recovery, which holds its id from our own records."""
    return await QUERIES.one_or_none(connection, "get", Transfer, id=transfer_id)


async def get_of_merchant(
    connection: Connection, transfer_id: UUID, merchant_id: UUID
) -> Transfer | None:
    """A transfer as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get_of_merchant", Transfer, id=transfer_id, merchant_id=merchant_id
    )


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Transfer]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Transfer,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )
