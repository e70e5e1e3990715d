"""Attempts in PostgreSQL. Writes go through the writer, by `ATTEMPTS`."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs

from online.attempts.domain import Attempt, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.attempts")

ATTEMPTS: Final = Aggregate(
    Snapshot(
        "attempts",
        "id uuid, payment_id uuid, refund_id uuid, settlement_id uuid, merchant_id uuid,"
        "operation text, status text, amount_minor int8, currency text, route text, rail text,"
        "rail_reference text, original_id uuid, code text, enquiries int2,"
        "next_enquiry_at timestamptz, sent_at timestamptz, version int8, livemode bool,"
        "order_id text",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


# Of each rail: how many enquiries it allows while unknown, and while the payer is waited for.
EnquiryLimits = Mapping[str, tuple[int, int]]


class Filter(Struct, frozen=True, kw_only=True):
    """Which open attempts a list shows."""

    livemode: bool
    status: str | None = None
    rail: str | None = None
    operation: str | None = None
    sent_before: datetime | None = None
    overdue: bool | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """Open attempts of one mode, rail and status."""

    livemode: bool
    rail: str
    status: str
    attempts: int
    overdue: int
    oldest_sent_at: datetime


class _Open(Struct, frozen=True):
    id: UUID


class _Mode(Struct, frozen=True):
    id: UUID
    livemode: bool


async def get(connection: Connection, attempt_id: UUID) -> Attempt | None:
    return await QUERIES.one_or_none(connection, "get", Attempt, id=attempt_id)


async def of_payment(connection: Connection, payment_id: UUID) -> list[Attempt]:
    return await QUERIES.all(connection, "of_payment", Attempt, payment_id=payment_id)


async def of_order(connection: Connection, order_id: str) -> list[Attempt]:
    """Every attempt that an order has made, oldest first."""
    return await QUERIES.all(connection, "of_order", Attempt, order_id=order_id)


async def modes(connection: Connection, attempts: Collection[UUID]) -> dict[UUID, bool]:
    rows = await QUERIES.all(connection, "modes", _Mode, ids=list(attempts))
    return {row.id: row.livemode for row in rows}


async def open_of(connection: Connection, resources: Collection[UUID]) -> set[UUID]:
    """Of these payments and refunds, those with an open attempt of their own."""
    rows = await QUERIES.all(connection, "open_of", _Open, resources=list(resources))
    return {row.id for row in rows}


async def under_way(
    connection: Connection, payments: Collection[UUID], operation: str
) -> set[UUID]:
    rows = await QUERIES.all(
        connection, "under_way", _Open, payments=list(payments), operation=operation
    )
    return {row.id for row in rows}


async def open_before(connection: Connection, instant: datetime) -> int:
    return int(await QUERIES.scalar(connection, "open_before", instant=instant))


async def due(
    connection: Connection,
    now: datetime,
    claim_until: datetime,
    *,
    places: Mapping[str, int],
    waiting: Collection[UUID],
) -> list[Attempt]:
    """Claims open attempts that are due for an enquiry: so many of each rail, none of `waiting`."""
    return await QUERIES.all(
        connection,
        "due",
        Attempt,
        rails=list(places),
        places=[max(0, most) for most in places.values()],
        waiting=list(waiting),
        now=now,
        claim_until=claim_until,
    )


async def take(
    connection: Connection, attempt_id: UUID, claim: datetime, claim_until: datetime
) -> Attempt | None:
    """One open attempt whose claim is still `claim`."""
    return await QUERIES.one_or_none(
        connection, "take", Attempt, id=attempt_id, claim=claim, claim_until=claim_until
    )


async def claim(
    connection: Connection, attempt_id: UUID, now: datetime, claim_until: datetime
) -> Attempt | None:
    """One open attempt, unless somebody else has it now."""
    return await QUERIES.one_or_none(
        connection, "claim", Attempt, id=attempt_id, now=now, claim_until=claim_until
    )


async def page(
    connection: Connection, wanted: Filter, asked: Window, limits: EnquiryLimits
) -> list[Attempt]:
    return await QUERIES.all(
        connection,
        "page",
        Attempt,
        **structs.asdict(wanted),
        **_columns(limits),
        after=asked.after,
        most=asked.most,
    )


async def standing(connection: Connection, limits: EnquiryLimits) -> list[Standing]:
    return await QUERIES.all(connection, "standing", Standing, **_columns(limits))


def _columns(limits: EnquiryLimits) -> dict[str, list[Any]]:
    return {
        "rails": list(limits),
        "of_unknown": [unknown for unknown, _ in limits.values()],
        "of_pending": [pending for _, pending in limits.values()],
    }
