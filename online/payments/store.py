"""Payments in PostgreSQL. Writes go through the writer, by `PAYMENTS`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.kernel.events import LimitTaken
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.payments.domain import Payment, apply
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.payments")

PAYMENTS: Final = Aggregate(
    Snapshot(
        "payments",
        "id uuid, intent_id uuid, merchant_id uuid, customer_id uuid, status text,"
        "amount_minor int8, currency text, method text, capture_method text, priority text,"
        "instrument text, instrument_mask text, device_id text, ip_hash text, flow text,"
        "funding text, card jsonb, card_checks jsonb, route text, rail text,"
        "rail_reference text, attempt_id uuid, authorized_minor int8, capture_open_minor int8,"
        "captured_minor int8, refund_open_minor int8, refunded_minor int8, reversed_minor int8,"
        "fee_minor int8, tax_minor int8, authorization_expires_at timestamptz, risk jsonb,"
        "next_action jsonb, last_error jsonb, late_minor int8, late_returning_minor int8,"
        "late_returned_minor int8, late jsonb, late_due_at timestamptz, deemed text,"
        "authority jsonb, hold jsonb,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, payment_id: UUID) -> Payment | None:
    """Any payment; for use cases that hold its id from our own records."""
    return await QUERIES.one_or_none(connection, "get", Payment, id=payment_id)


async def get_of_merchant(
    connection: Connection, payment_id: UUID, merchant_id: UUID
) -> Payment | None:
    """A payment as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get_of_merchant", Payment, id=payment_id, merchant_id=merchant_id
    )


class _Kept(msgspec.Struct, frozen=True):
    id: UUID
    limits: tuple[LimitTaken, ...] | None


async def taken(
    connection: Connection, payment_ids: Sequence[UUID]
) -> dict[UUID, tuple[LimitTaken, ...] | None]:
    """What payments took of limits, as their first events keep it; None: nothing was kept."""
    rows = await QUERIES.all(connection, "taken", _Kept, ids=list(payment_ids))
    return {row.id: row.limits for row in rows}


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed by; None leaves a field open. Times: [from, to)."""

    status: str | None = None
    method: str | None = None
    customer_id: UUID | None = None
    intent_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Payment]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Payment,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )


async def page_under(
    connection: Connection, merchant_id: UUID, authority: str, asked: Window
) -> list[Payment]:
    """Those made under a delegation, handle or mandate, newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page_under",
        Payment,
        merchant_id=merchant_id,
        authority=authority,
        after=asked.after,
        most=asked.most,
    )


async def expiring(connection: Connection, now: datetime, most: int) -> list[Payment]:
    """Payments whose authorization has come to its end, with nothing under way."""
    return await QUERIES.all(connection, "expiring", Payment, now=now, most=most)


async def late_due(connection: Connection, now: datetime, most: int) -> list[Payment]:
    """Payments with late money that has to be given back now, the longest due first."""
    return await QUERIES.all(connection, "late_due", Payment, now=now, most=most)


async def late_open(connection: Connection, livemode: bool, asked: Window) -> list[Payment]:
    """Payments with late money that is not given back, newest first."""
    return await QUERIES.all(
        connection,
        "late_open",
        Payment,
        livemode=livemode,
        after=asked.after,
        most=asked.most,
    )
