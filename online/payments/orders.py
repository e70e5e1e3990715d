"""What a payment is asked to be, and the protocols through which this slice asks others."""

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from online.kernel.events import Metadata
from online.ledger.change import Change, NewEvent, SnapshotRow
from online.ledger.journal import Journal
from online.limits.authority import Authority
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
    authority: Authority | None = None  # what it is paid under, beside the payer's own yes
    purpose: str | None = None  # of UPI: two digits or letters
    platform: str | None = None  # of UPI: where the payer's app runs
    amount_minor: int | None = None  # that the authority was asked for

    @property
    def customer_id(self) -> UUID | None:
        """Who pays, where the authority tells."""
        return self.authority.customer_id if self.authority else None


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
    id: UUID | None = None  # of the payment, where its caller has to know it before
    route: str | None = None  # the only one that can carry it, such as a mandate's
    hold: dict[str, Any] | None = None  # that it is made for: its id, and what it is opened with

    @property
    def authority(self) -> Authority | None:
        return self.instrument.authority

    @property
    def limited(self) -> UUID | None:
        """The customer whose limits count: who pays, or for whom somebody else does."""
        return self.authority.limited if self.authority else self.customer_id

    @property
    def payer(self) -> str:
        """Whom limits are counted for: that customer, or else what pays."""
        return f"customer:{self.limited}" if self.limited else self.instrument.key


class Followed(msgspec.Struct, frozen=True):
    """What else changes with a payment: an intent's row and events. `state` is for rendering."""

    state: object
    rows: tuple[SnapshotRow, ...]
    events: tuple[NewEvent, ...]
    journals: tuple[Journal, ...] = ()


class Follower(Protocol):
    """Moves along whatever a payment belongs to (`intents` fulfils it, wired in `app.py`)."""

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed: ...


NOTHING: Final = Followed(None, (), ())


class Followers:
    """Each payment's own: the hold, the mandate's execution or the intent that it was made for."""

    def __init__(self, *, intents: Follower, holds: Follower, mandates: Follower) -> None:
        self._intents = intents
        self._holds = holds
        self._mandates = mandates

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed:
        follower = self._intents if payment.hold is None else self._holds
        if is_debit(payment):
            follower = self._mandates
        return await follower.follow(connection, payment, metadata)


def is_debit(payment: Payment) -> bool:
    """Whether it is a try of an execution under a mandate."""
    return payment.authority is not None and payment.authority["kind"] == "mandate"


class ReviewQueue(Protocol):
    """Opens a review of a payment that risk had doubts about (`reviews` fulfils it)."""

    def opened(self, payment: Payment, metadata: Metadata) -> Followed: ...


class SettledDays(Protocol):
    """Which business days are in a settlement batch (`settlements` fulfils it)."""

    async def any_of(
        self, connection: Connection, payment: Payment, days: Collection[date]
    ) -> bool: ...


class Purses(Protocol):
    """What goes along with money that comes back into a user's wallet (`wallets` fulfils it)."""

    async def refunded(
        self, customer_id: UUID, merchant_id: UUID, metadata: Metadata
    ) -> Change: ...


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
