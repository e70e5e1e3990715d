"""What happened to some aggregates, and what they moved in the books: for following money.

Reading only, by id: what the ids belong to is the caller's to know.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel.events import Event
from online.ledger.aggregate import decode_event
from online.ledger.cut import account_id
from online.ledger.journal import Layer
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "trail.sql")


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An event where it stands in the log."""

    id: UUID
    aggregate_id: UUID
    event_type: str
    version: int
    at: datetime
    data: dict[str, Any]

    @property
    def event(self) -> Event:
        return decode_event(self.event_type, self.data)


class BookedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a transaction: signed, debit negative."""

    id: UUID
    code: str
    account_id: UUID  # of the whole account, where it is striped
    amount_minor: int
    currency: str
    layer: Layer


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction with its entries."""

    id: UUID
    cause: UUID
    kind: str
    reference: str | None
    business_date: date
    effective_at: datetime
    created_at: datetime
    legs: list[BookedLeg]

    @property
    def is_posted(self) -> bool:
        """Whether it moved money, and did not only promise some."""
        return any(leg.layer == "posted" for leg in self.legs)


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    transaction_id: UUID
    cause: UUID
    kind: str
    reference: str | None
    business_date: date
    effective_at: datetime
    created_at: datetime
    id: UUID
    amount_minor: int
    currency: str
    layer: Layer
    code: str


async def events(connection: Connection, aggregates: Collection[UUID]) -> list[Logged]:
    """All events of these aggregates, oldest first."""
    return await QUERIES.all(connection, "events", Logged, aggregates=list(aggregates))


async def transactions(
    connection: Connection, causes: Collection[UUID], *, livemode: bool
) -> list[Booked]:
    """What these attempts, refunds or disputes posted, oldest first."""
    rows = await QUERIES.all(connection, "legs", _Row, causes=list(causes))
    booked: dict[UUID, Booked] = {}
    for row in rows:
        of = booked.setdefault(
            row.transaction_id,
            Booked(
                id=row.transaction_id,
                cause=row.cause,
                kind=row.kind,
                reference=row.reference,
                business_date=row.business_date,
                effective_at=row.effective_at,
                created_at=row.created_at,
                legs=[],
            ),
        )
        leg = BookedLeg(
            id=row.id,
            code=row.code,
            account_id=account_id(row.code, row.currency, livemode=livemode),
            amount_minor=row.amount_minor,
            currency=row.currency,
            layer=row.layer,
        )
        of.legs.append(leg)
    return list(booked.values())
