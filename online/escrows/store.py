"""Escrows in PostgreSQL. Writes go through the writer, by `ESCROWS`."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.escrows.domain import Escrow, apply
from online.kernel import ids
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.escrows")

ESCROWS: Final = Aggregate(
    Snapshot(
        "escrows",
        "id uuid, merchant_id uuid, payment_id uuid, status text, amount_minor int8, currency text,"
        "description text, parties jsonb, conditions jsonb, met jsonb, release text,"
        "on_expiry text, expires_at timestamptz, held_minor int8, buyer_due_minor int8,"
        "released_minor int8, returned_minor int8, refund_open_minor int8, refunded_minor int8,"
        "disputed_minor int8, charged_back_minor int8, refunds jsonb, chargebacks jsonb,"
        "frozen_by text, frozen_reason text, proposals jsonb, due_at timestamptz, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which escrows are asked for; `merchant_id` None is one of ours, who may see them all."""

    merchant_id: UUID | None
    livemode: bool
    status: str | None = None
    payment_id: UUID | None = None


async def get(
    connection: Connection, escrow_id: UUID, merchant_id: UUID | None, *, livemode: bool
) -> Escrow | None:
    """As its owner or a party may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection,
        "get",
        Escrow,
        id=escrow_id,
        merchant_id=merchant_id,
        party=_party(merchant_id),
        livemode=livemode,
    )


async def by_id(connection: Connection, escrow_id: UUID) -> Escrow | None:
    """Any escrow; for what holds its id from our own records."""
    return await QUERIES.one_or_none(connection, "by_id", Escrow, id=escrow_id)


async def page(connection: Connection, wanted: Filter, asked: Window) -> list[Escrow]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Escrow,
        party=_party(wanted.merchant_id),
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(wanted),
    )


async def live_of_payment(connection: Connection, payment_id: UUID) -> list[Escrow]:
    """Those with money of the payment in them, oldest first."""
    return await QUERIES.all(connection, "live_of_payment", Escrow, payment_id=payment_id)


async def funded_of_payment(connection: Connection, payment_id: UUID) -> int:
    """How much of a payment ever went into escrow."""
    total = await QUERIES.scalar(connection, "funded_of_payment", payment_id=payment_id)
    return int(total)


async def due(connection: Connection, now: datetime, most: int) -> list[Escrow]:
    """Those with something to do, the longest due first."""
    return await QUERIES.all(connection, "due", Escrow, now=now, most=most)


def _party(merchant_id: UUID | None) -> str:
    """A part of `parties` that only a party of it has."""
    name = ids.encode("mrc", merchant_id) if merchant_id else ""
    return msgspec.json.encode([{"merchant_id": name}]).decode()
