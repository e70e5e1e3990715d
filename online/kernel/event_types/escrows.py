"""What happens to an escrow: money set aside between parties until what they agreed on is met.

Amounts are minor units. `parts` are who it concerns and with how much: `{merchant_id: amount}`.
"""

from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct

from online.kernel.event import Event


class EscrowParty(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`share` is what it gets in the end: its `amount`, or its `share_bps` of what is left."""

    merchant_id: str
    role: str
    share: int
    share_bps: int | None = None
    amount: int | None = None


class EscrowProposed(Event, frozen=True, kw_only=True):
    """`parties` and `conditions` as they were proposed, in their order."""

    TYPE: ClassVar[str] = "escrow.proposed"
    merchant_id: str
    amount: int
    currency: str
    parties: tuple[EscrowParty, ...]
    conditions: dict[str, Any]
    release: str
    on_expiry: str
    expires_at: datetime
    payment_id: str | None = None
    description: str | None = None


class EscrowAccepted(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "escrow.accepted"
    merchant_id: str


class EscrowAgreed(Event, frozen=True, kw_only=True):
    """All parties have accepted: it may be funded."""

    TYPE: ClassVar[str] = "escrow.agreed"


class EscrowCanceled(Event, frozen=True, kw_only=True):
    """Before any money was in it."""

    TYPE: ClassVar[str] = "escrow.canceled"
    by: str


class EscrowExpired(Event, frozen=True, kw_only=True):
    """Its time passed before any money was in it."""

    TYPE: ClassVar[str] = "escrow.expired"


class EscrowFunded(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "escrow.funded"
    amount: int


class EscrowConditionMet(Event, frozen=True, kw_only=True):
    """`kind`: approval or delivery; of a date there is nothing to say."""

    TYPE: ClassVar[str] = "escrow.condition_met"
    kind: str
    role: str
    by: str
    reference: str | None = None


class EscrowReleased(Event, frozen=True, kw_only=True):
    """`reason`: conditions, expiry or resolution."""

    TYPE: ClassVar[str] = "escrow.released"
    release_id: str
    amount: int
    parts: dict[str, int]
    reason: str


class EscrowReturned(Event, frozen=True, kw_only=True):
    """Back to the merchant that funded it, where no payment stands behind it."""

    TYPE: ClassVar[str] = "escrow.returned"
    return_id: str
    amount: int
    parts: dict[str, int]
    reason: str


class _RefundMove(Event, frozen=True, kw_only=True):
    refund_id: str
    amount: int
    parts: dict[str, int]


class EscrowRefundRequested(_RefundMove, frozen=True, kw_only=True):
    """On its way back to the buyer; `parts` is who gets so much less."""

    TYPE: ClassVar[str] = "escrow.refund_requested"


class EscrowRefunded(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "escrow.refunded"
    refund_id: str
    amount: int


class EscrowRefundFailed(_RefundMove, frozen=True, kw_only=True):
    """It is in escrow again."""

    TYPE: ClassVar[str] = "escrow.refund_failed"


class EscrowFrozen(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "escrow.frozen"
    by: str
    reason: str


class EscrowResolutionProposed(Event, frozen=True, kw_only=True):
    """`resolution` is what becomes of all that is in it; None: it goes on as agreed."""

    TYPE: ClassVar[str] = "escrow.resolution_proposed"
    merchant_id: str
    resolution: dict[str, Any]


class EscrowResolved(Event, frozen=True, kw_only=True):
    """What is in it belongs, from here, to whom `resolution` says."""

    TYPE: ClassVar[str] = "escrow.resolved"
    by: str
    resolution: dict[str, Any]


class EscrowChargedBack(Event, frozen=True, kw_only=True):
    """The payer's bank disputes the payment: so much of it stands in dispute, the rest waits."""

    TYPE: ClassVar[str] = "escrow.charged_back"
    dispute_id: str
    amount: int
    parts: dict[str, int]


class EscrowChargebackEnded(Event, frozen=True, kw_only=True):
    """`won`: what stood in dispute is in escrow again."""

    TYPE: ClassVar[str] = "escrow.chargeback_ended"
    dispute_id: str
    amount: int
    won: bool
    parts: dict[str, int]


class EscrowThawed(Event, frozen=True, kw_only=True):
    """Nothing keeps it frozen any more."""

    TYPE: ClassVar[str] = "escrow.thawed"


class EscrowClosed(Event, frozen=True, kw_only=True):
    """All that was in it has gone its way."""

    TYPE: ClassVar[str] = "escrow.closed"
