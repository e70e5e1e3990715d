"""What a payment is asked to be, and the protocols through which this slice asks others."""

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from online.kernel.events import Metadata
from online.ledger.change import NewEvent, SnapshotRow
from online.payments.domain import Payment
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.sql import Connection
from online.rails.domain import CardReference, Outcome, Upi

NOBODY: Final = Answer(204, b"")


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What pays: a keyed hash to recognise it by, a mask to show, and what the rail needs."""

    method: str  # upi | card
    key: str
    mask: str
    funding: str | None = None  # credit, debit, prepaid: from the BIN; UPI learns it on payment
    facts: dict[str, Any] | None = None  # of a card: network, issuer, country, kind
    upi: Upi | None = None
    card: CardReference | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A payment to make. Amount in minor units."""

    merchant_id: UUID
    amount_minor: int
    currency: str
    instrument: Instrument
    capture_method: str
    priority: str
    customer_id: UUID | None = None
    device_id: str | None = None
    ip_hash: str | None = None
    intent_id: UUID | None = None
    return_url: str | None = None  # where a challenge sends the payer back to

    @property
    def payer(self) -> str:
        """Whom limits are counted for: the customer, or else what pays."""
        return f"customer:{self.customer_id}" if self.customer_id else self.instrument.key


class Followed(msgspec.Struct, frozen=True):
    """What else changes with a payment: an intent's row and events. `state` is for rendering."""

    state: object
    rows: tuple[SnapshotRow, ...]
    events: tuple[NewEvent, ...]


class Follower(Protocol):
    """Moves along whatever a payment belongs to (`intents` fulfils it, wired in `app.py`)."""

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed: ...


NOTHING: Final = Followed(None, (), ())


class ReviewQueue(Protocol):
    """Opens a review of a payment that risk had doubts about (`reviews` fulfils it)."""

    def opened(self, payment: Payment, metadata: Metadata) -> Followed: ...


class SettledDays(Protocol):
    """Which business days are in a settlement batch (`settlements` fulfils it)."""

    async def any_of(
        self, connection: Connection, payment: Payment, days: Collection[date]
    ) -> bool: ...


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a use case: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    # From the payment, what follows it, and what the rail said; None where there is none of it.
    render: Callable[[Payment | None, object | None, Outcome | None], Answer]


class Done(msgspec.Struct, frozen=True):
    """A use case at its end: the payment, and the answer to its caller (recovery has none)."""

    payment: Payment
    answer: Answer = NOBODY


# How long a first call may take before its key no longer counts as in flight.
BUSY: timedelta = timedelta(seconds=45)
