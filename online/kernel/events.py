"""The event schema: what happened, one Struct a type, each with a schema version.

This is one of the four contracts between online and offline; `docs/events/*.json` is exported
from it. Events carry tokens, keyed hashes and masks, never a PAN, VPA, name or phone, so that a
personal field can be erased while the books stay. Amounts are minor units (`amount`, as on the
wire). A field is only ever added, with a default; a change of meaning is a new version.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec

EVENTS: dict[str, "type[Event]"] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all events. `TYPE` is `<aggregate>.<what happened>`."""

    TYPE: ClassVar[str]
    SCHEMA_VERSION: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "TYPE" in cls.__dict__:
            EVENTS[cls.TYPE] = cls


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who caused an event, and in answer to what."""

    schema_version: int = 1
    actor: str = "system"
    request_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


class Occurred(msgspec.Struct, frozen=True, kw_only=True):
    """An event with where it stands in the log: what a state is folded from."""

    aggregate_id: UUID
    version: int
    at: datetime
    merchant_id: UUID
    livemode: bool
    event: Event


# ── intents ──────────────────────────────────────────────────────────────────────────────


class IntentCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.created"
    merchant_id: str
    amount: int
    currency: str
    payment_methods: list[str]
    capture_method: str
    priority: str
    expires_at: datetime
    customer_id: str | None = None
    description: str | None = None


class IntentPaymentMethodAttached(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.payment_method_attached"
    method: str


class _IntentFollows(Event, frozen=True, kw_only=True):
    payment_id: str


class IntentProcessing(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.processing"


class IntentRequiresAction(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.requires_action"
    payment_id: str
    next_action: dict[str, Any]


class IntentRequiresCapture(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.requires_capture"


class IntentSucceeded(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.succeeded"


class IntentPaymentFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.payment_failed"
    payment_id: str
    error: dict[str, Any]


class IntentCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.canceled"
    reason: str | None = None


class IntentExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.expired"


# ── payments ─────────────────────────────────────────────────────────────────────────────


class PaymentCreated(Event, frozen=True, kw_only=True):
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


class PaymentRefunded(_RefundMove, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.refunded"


class PaymentReversed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.reversed"
    attempt_id: str
    amount: int


class PaymentVoidRequested(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.void_requested"
    attempt_id: str


class PaymentVoidFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.void_failed"
    attempt_id: str
    code: str | None = None


class PaymentCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.canceled"
    attempt_id: str | None = None
    reason: str | None = None


class PaymentExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "payment.expired"
    attempt_id: str | None = None


# ── attempts: one call to a rail each ────────────────────────────────────────────────────


class AttemptSent(Event, frozen=True, kw_only=True):
    """Committed before the rail is called."""

    TYPE: ClassVar[str] = "attempt.sent"
    operation: str
    amount: int
    currency: str
    rail: str
    route: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    settlement_id: str | None = None
    original_id: str | None = None
    next_enquiry_at: datetime | None = None


class AttemptOutcome(Event, frozen=True, kw_only=True):
    """What the rail said, or that it did not; `enquiry` counts how often it was asked."""

    code: str | None = None
    rail_reference: str | None = None
    network_reference: str | None = None
    message: str = ""
    latency_ms: int | None = None
    enquiry: int = 0
    next_enquiry_at: datetime | None = None


class AttemptPending(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.pending"


class AttemptSucceeded(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.succeeded"


class AttemptDeclined(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.declined"


class AttemptFailed(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.failed"


class AttemptUnknown(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.unknown"


# ── refunds ──────────────────────────────────────────────────────────────────────────────


class RefundCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.created"
    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    attempt_id: str
    rail: str
    reason: str | None = None


class RefundSucceeded(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.succeeded"
    rail_reference: str | None = None


class RefundFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.failed"
    code: str


class RefundUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.unknown"
    code: str | None = None


# ── settlements, breaks, labels ──────────────────────────────────────────────────────────


class SettlementCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.created"
    merchant_id: str
    business_date: str
    currency: str
    gross: int
    refunds: int
    fees: int
    tax: int
    reserve: int
    net: int
    count: int
    warehouse_snapshot: int | None = None


class SettlementPayoutSent(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.payout_sent"
    attempt_id: str
    amount: int


class SettlementPayoutFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.payout_failed"
    attempt_id: str
    code: str | None = None


class SettlementPaid(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.paid"
    attempt_id: str
    utr: str | None = None


class BreakOpened(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.opened"
    kind: str
    side: str
    row_ids: list[str]
    business_date: str
    currency: str
    reason: str
    rail: str | None = None
    reference: str | None = None
    expected: int | None = None
    actual: int | None = None


class BreakClosed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.closed"
    reason: str


class LabelRecorded(Event, frozen=True, kw_only=True):
    """A payment turned out to be fraud, or not; the event's time is when that became known."""

    TYPE: ClassVar[str] = "label.recorded"
    payment_id: str
    merchant_id: str
    fraud: bool
    source: str
    known_at: datetime
