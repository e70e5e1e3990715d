"""What happens to a delegation, and to a request for the primary's approval under one."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event
from online.kernel.event_types.payments import LimitTaken


class DelegationCreated(Event, frozen=True, kw_only=True):
    """`kind` is `full` or `partial`; the caps are its own, in minor units of `currency` (None: the
    rule's alone). `instrument` is a keyed hash of the primary's VPA."""

    TYPE: ClassVar[str] = "delegation.created"
    merchant_id: str
    primary_id: str
    secondary_id: str
    kind: str
    currency: str
    instrument: str
    instrument_mask: str
    cooling_until: datetime
    per_payment: int | None = None
    per_month: int | None = None


class DelegationPaused(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "delegation.paused"
    reason: str | None = None


class DelegationResumed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "delegation.resumed"


class DelegationRevoked(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "delegation.revoked"
    reason: str | None = None


class DelegationRequestMade(Event, frozen=True, kw_only=True):
    """A secondary wants to pay; `held` is what it took of counters while it waits."""

    TYPE: ClassVar[str] = "delegation_request.made"
    merchant_id: str
    delegation_id: str
    primary_id: str
    secondary_id: str
    amount: int
    currency: str
    device_id: str
    expires_at: datetime
    held: tuple[LimitTaken, ...]
    note: str | None = None


class DelegationRequestApproved(Event, frozen=True, kw_only=True):
    """The primary's device signed; the payment is made in the same commit."""

    TYPE: ClassVar[str] = "delegation_request.approved"
    payment_id: str
    device_id: str
    signature: str


class DelegationRequestDeclined(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "delegation_request.declined"
    reason: str | None = None


class DelegationRequestExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "delegation_request.expired"
