"""What happens to a payment."""

from datetime import date, datetime
from typing import Any, ClassVar

from msgspec import Struct

from online.kernel.event import Event


class LimitTaken(Struct, frozen=True, omit_defaults=True):
    """What a payment took of a counter, and gives back if it comes to nothing. `source` names the
    dated rule behind the cap; `subject` is an id or a keyed hash."""

    rule: str
    subject: str
    window_start: date
    amount: int
    cap: int
    source: str = ""


class PaymentCreated(Event, frozen=True, kw_only=True):
    """`limits` is what it took of counters (not known of old payments), `limit_rules` every dated
    rule that let it pass; `authority` what it is paid under beside the payer's own yes."""

    TYPE: ClassVar[str] = "payment.created"
    merchant_id: str
    mcc: str
    amount: int
    currency: str
    method: str
    capture_method: str
    priority: str
    instrument: str
    instrument_mask: str
    intent_id: str | None = None
    customer_id: str | None = None
    device_id: str | None = None
    ip_hash: str | None = None
    funding: str | None = None
    card: dict[str, Any] | None = None
    limits: tuple[LimitTaken, ...] | None = None
    limit_rules: tuple[str, ...] = ()
    authority: dict[str, Any] | None = None
    purpose: str | None = None
    flow: str | None = None
    hold: dict[str, Any] | None = None


class _Decided(Event, frozen=True, kw_only=True):
    """What risk and routing decided, with their inputs, versions and reasons."""

    risk: dict[str, Any]
    route_decision: dict[str, Any] | None = None


class PaymentProcessing(_Decided, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.processing"
    attempt_id: str
    route: str
    rail: str


class PaymentBlocked(_Decided, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.blocked"


class PaymentInReview(_Decided, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.in_review"


class PaymentRequiresAction(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.requires_action"
    attempt_id: str
    next_action: dict[str, Any]


class PaymentUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.unknown"
    attempt_id: str
    code: str | None = None
    message: str = ""


class PaymentAuthorized(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.authorized"
    attempt_id: str
    rail: str
    rail_reference: str | None
    amount: int
    expires_at: datetime | None = None
    funding: str | None = None
    card_checks: dict[str, Any] | None = None


class PaymentCaptureRequested(Event, frozen=True, kw_only=True):
    """A capture was sent to the rail; its amount counts against the authorized one from here."""

    TYPE: ClassVar[str] = "payment.capture_requested"
    attempt_id: str
    amount: int


class PaymentCaptureFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.capture_failed"
    attempt_id: str
    amount: int
    code: str | None = None


class PaymentCaptured(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.captured"
    attempt_id: str
    rail: str
    rail_reference: str | None
    amount: int
    currency: str
    fee: int
    tax: int
    captured_total: int
    funding: str | None = None
    card_checks: dict[str, Any] | None = None
    deemed: bool = False


class PaymentFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.failed"
    code: str
    attempt_id: str | None = None
    decline_code: str | None = None
    message: str = ""


class _RefundMove(Event, frozen=True, kw_only=True):
    refund_id: str
    amount: int


class PaymentRefundRequested(_RefundMove, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.refund_requested"


class PaymentRefundFailed(_RefundMove, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.refund_failed"


class PaymentPartiallyRefunded(_RefundMove, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.partially_refunded"


class PaymentRefunded(Event, frozen=True, kw_only=True):
    """All that was captured has gone back; without a refund where the end of the rest did it."""

    TYPE: ClassVar[str] = "payment.refunded"
    refund_id: str | None = None
    amount: int = 0


class PaymentReversalRequested(Event, frozen=True, kw_only=True):
    """All that was captured is to be undone; nothing else may touch it from here."""

    TYPE: ClassVar[str] = "payment.reversal_requested"
    attempt_id: str
    amount: int


class PaymentReversalFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.reversal_failed"
    attempt_id: str
    amount: int
    code: str | None = None


class PaymentReversed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.reversed"
    attempt_id: str
    amount: int
    fee: int = 0
    tax: int = 0


class PaymentCreditConfirmed(Event, frozen=True, kw_only=True):
    """The payee's bank has the money of a deemed capture: a TCC of the switch."""

    TYPE: ClassVar[str] = "payment.credit_confirmed"
    attempt_id: str
    code: str | None = None


class PaymentReturned(Event, frozen=True, kw_only=True):
    """The bank sent a deemed capture back to the payer: a RET of the switch. `amount` was the
    merchant's still, `unplaced` was refunded before or is being refunded; `taken_over` was held
    by a reversal under way."""

    TYPE: ClassVar[str] = "payment.returned"
    attempt_id: str
    amount: int
    unplaced: int = 0
    taken_over: int = 0
    fee: int = 0
    tax: int = 0
    code: str | None = None


class PaymentVoidRequested(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.void_requested"
    attempt_id: str


class PaymentVoidFailed(Event, frozen=True, kw_only=True):
    """`capturing`: what captures under way still hold, where one began beside the void."""

    TYPE: ClassVar[str] = "payment.void_failed"
    attempt_id: str
    code: str | None = None
    capturing: int = 0


class PaymentCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.canceled"
    attempt_id: str | None = None
    reason: str | None = None


class PaymentReleaseRequested(Event, frozen=True, kw_only=True):
    """A part of an authorization is to be let go; nobody can capture it from here."""

    TYPE: ClassVar[str] = "payment.release_requested"
    attempt_id: str
    amount: int


class PaymentReleaseFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.release_failed"
    attempt_id: str
    amount: int
    code: str | None = None


class PaymentAuthorizationReleased(Event, frozen=True, kw_only=True):
    """What was not captured of an authorization went back to the payer: with its expiry, or by an
    attempt that let this part of it go."""

    TYPE: ClassVar[str] = "payment.authorization_released"
    amount: int
    attempt_id: str | None = None


class PaymentExtensionRequested(Event, frozen=True, kw_only=True):
    """The rail is asked to keep the payer's money for longer; it does not expire meanwhile."""

    TYPE: ClassVar[str] = "payment.extension_requested"
    attempt_id: str


class PaymentExtensionFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.extension_failed"
    attempt_id: str
    code: str | None = None


class PaymentAuthorizationExtended(Event, frozen=True, kw_only=True):
    """Without an attempt where the network's rule asks nobody."""

    TYPE: ClassVar[str] = "payment.authorization_extended"
    expires_at: datetime
    attempt_id: str | None = None


class PaymentEscrowed(Event, frozen=True, kw_only=True):
    """So much of what was captured went into escrow."""

    TYPE: ClassVar[str] = "payment.escrowed"
    escrow_id: str
    amount: int


class PaymentExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.expired"
    attempt_id: str | None = None


class PaymentLateMoney(Event, frozen=True, kw_only=True):
    """An attempt took (or, not `captured`, holds) the payer's money after all, when the payment was
    over or had gone on with another attempt: it is not the merchant's and goes back."""

    TYPE: ClassVar[str] = "payment.late_money"
    attempt_id: str
    rail: str
    rail_reference: str | None
    amount: int
    currency: str
    captured: bool
    route: str | None = None


class _LateReturn(Event, frozen=True, kw_only=True):
    """`attempt_id` gives back what `late_attempt_id` brought."""

    attempt_id: str
    late_attempt_id: str
    operation: str
    amount: int


class PaymentLateReturnRequested(_LateReturn, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.late_return_requested"


class PaymentLateReturnFailed(_LateReturn, frozen=True, kw_only=True):
    """The rail did not give it back; another attempt, by `next_operation`, begins at `again_at`."""

    TYPE: ClassVar[str] = "payment.late_return_failed"
    next_operation: str
    again_at: datetime
    code: str | None = None


class PaymentLateMoneyReturned(_LateReturn, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.late_money_returned"


class PaymentUnplacedMoney(Event, frozen=True, kw_only=True):
    """A rail did what we had given up, and the payment has no room for it any more: the amount
    waits in suspense, under the attempt's reference."""

    TYPE: ClassVar[str] = "payment.unplaced_money"
    attempt_id: str
    rail: str
    operation: str
    amount: int
    currency: str
