"""A payment's states and amounts. Pure: events in, rows out.

A move is named by the event that records it: `TRANSITIONS[(status, event type)]` is the only
place that says which status follows. Amount moves that keep the status stand there too.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.payments import deemed, held, late
from online.payments.late import Late


class Status(StrEnum):
    CREATED = "created"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    FAILED = "failed"
    BLOCKED = "blocked"
    IN_REVIEW = "in_review"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    REVERSED = "reversed"
    CANCELED = "canceled"
    EXPIRED = "expired"


S = Status
OPEN: Final = (S.PROCESSING, S.REQUIRES_ACTION, S.UNKNOWN)
_HAS_MONEY: Final = (S.CAPTURED, S.PARTIALLY_REFUNDED)
_SENT: Final = tuple(s for s in S if s not in {S.CREATED, S.BLOCKED, S.IN_REVIEW})

TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.PaymentCreated): S.CREATED,
    (S.CREATED, ev.PaymentProcessing): S.PROCESSING,
    (S.CREATED, ev.PaymentBlocked): S.BLOCKED,
    (S.CREATED, ev.PaymentInReview): S.IN_REVIEW,
    (S.IN_REVIEW, ev.PaymentProcessing): S.PROCESSING,
    (S.IN_REVIEW, ev.PaymentBlocked): S.BLOCKED,
    (S.IN_REVIEW, ev.PaymentCanceled): S.CANCELED,
    **{(s, ev.PaymentRequiresAction): S.REQUIRES_ACTION for s in OPEN},
    **{(s, ev.PaymentUnknown): S.UNKNOWN for s in OPEN},
    **{(s, ev.PaymentAuthorized): S.AUTHORIZED for s in OPEN},
    **{(s, ev.PaymentCaptured): S.CAPTURED for s in (*OPEN, S.AUTHORIZED, S.CAPTURED)},
    **{(s, ev.PaymentFailed): S.FAILED for s in OPEN},
    (S.PROCESSING, ev.PaymentProcessing): S.PROCESSING,  # cascade to another route
    (S.REQUIRES_ACTION, ev.PaymentVoidRequested): S.REQUIRES_ACTION,
    (S.REQUIRES_ACTION, ev.PaymentVoidFailed): S.REQUIRES_ACTION,
    (S.REQUIRES_ACTION, ev.PaymentCanceled): S.CANCELED,
    (S.REQUIRES_ACTION, ev.PaymentExpired): S.EXPIRED,
    **{
        (s, event): s
        for s in (S.AUTHORIZED, S.CAPTURED, S.PARTIALLY_REFUNDED)
        for event in (ev.PaymentCaptureRequested, ev.PaymentCaptureFailed)
    },
    (S.PARTIALLY_REFUNDED, ev.PaymentCaptured): S.PARTIALLY_REFUNDED,
    (S.AUTHORIZED, ev.PaymentVoidRequested): S.AUTHORIZED,
    (S.AUTHORIZED, ev.PaymentVoidFailed): S.AUTHORIZED,
    (S.AUTHORIZED, ev.PaymentCanceled): S.CANCELED,
    (S.AUTHORIZED, ev.PaymentExpired): S.EXPIRED,
    **{
        (s, event): s
        for s in _HAS_MONEY
        for event in (ev.PaymentRefundRequested, ev.PaymentRefundFailed)
    },
    **{(s, ev.PaymentPartiallyRefunded): S.PARTIALLY_REFUNDED for s in _HAS_MONEY},
    **{(s, ev.PaymentRefunded): S.REFUNDED for s in _HAS_MONEY},
    (S.CAPTURED, ev.PaymentReversalRequested): S.CAPTURED,
    (S.CAPTURED, ev.PaymentReversalFailed): S.CAPTURED,
    (S.CAPTURED, ev.PaymentReversed): S.REVERSED,
    **{(s, event): s for s in (S.AUTHORIZED, *_HAS_MONEY) for event in held.EVENTS},
    **{(s, ev.PaymentEscrowed): s for s in _HAS_MONEY},
    # The bank's last word on a deemed one, wherever the merchant has got with it meanwhile.
    **{(s, ev.PaymentCreditConfirmed): s for s in (*_HAS_MONEY, S.REFUNDED, S.REVERSED)},
    **{(s, ev.PaymentReturned): S.REVERSED for s in (*_HAS_MONEY, S.REVERSED)},
    (S.REFUNDED, ev.PaymentReturned): S.REFUNDED,
    **{
        (S.REVERSED, event): S.REVERSED  # a refund that was under way when the bank returned it
        for event in (ev.PaymentRefundFailed, ev.PaymentPartiallyRefunded, ev.PaymentRefunded)
    },
    # What comes late is put down beside the payment, wherever that has got to.
    **{(s, event): s for s in _SENT for event in (*late.EVENTS, ev.PaymentUnplacedMoney)},
}
TERMINAL: Final = frozenset(
    {S.FAILED, S.BLOCKED, S.REFUNDED, S.REVERSED, S.CANCELED, S.EXPIRED}
)  # fmt: skip


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `payments`; amounts in minor units of `currency`."""

    id: UUID
    intent_id: UUID | None
    merchant_id: UUID
    customer_id: UUID | None
    status: Status
    amount_minor: int
    currency: str
    method: str
    capture_method: str
    priority: str
    instrument: str | None
    instrument_mask: str | None
    device_id: str | None
    ip_hash: str | None = None  # keyed hash of the payer's internet address
    flow: str | None = None  # of UPI: intent, qr, collect
    funding: str | None = None  # credit, debit, prepaid; bank, ppi, rupay_credit, credit_line
    card: dict[str, Any] | None = None  # what its BIN says
    card_checks: dict[str, Any] | None = None  # what the issuer said: AVS, CVC, ECI
    route: str | None = None
    rail: str | None = None
    rail_reference: str | None = None
    attempt_id: UUID | None = None
    authorized_minor: int = 0
    capture_open_minor: int = 0
    captured_minor: int = 0
    refund_open_minor: int = 0  # a reversal under way holds all of it
    refunded_minor: int = 0
    reversed_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    authorization_expires_at: datetime | None = None
    risk: dict[str, Any] | None = None
    next_action: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    late_minor: int = 0  # came when the payment was over, or had gone on without it
    late_returning_minor: int = 0
    late_returned_minor: int = 0
    late: tuple[Late, ...] | None = None
    late_due_at: datetime | None = None  # when something of it has to be given back again
    deemed: str | None = None  # told as a success before its credit was confirmed: how far that is
    authority: dict[str, Any] | None = None  # what it is paid under: kind, id, whose, facts
    hold: dict[str, Any] | None = None  # whose money it keeps: id, and what that was opened with
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def capturable_minor(self) -> int:
        """Authorized and neither captured nor asked for."""
        return self.authorized_minor - self.captured_minor - self.capture_open_minor

    @property
    def refundable_minor(self) -> int:
        """Captured and neither given back nor promised."""
        taken = self.refunded_minor + self.refund_open_minor + self.reversed_minor
        return self.captured_minor - taken

    @property
    def attempt(self) -> UUID:
        """The attempt at the rail that holds or took the money."""
        if self.attempt_id is None:
            raise Conflict("this payment was never sent to a rail")
        return self.attempt_id


def apply(state: Payment | None, occurred: Occurred) -> Payment:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.PaymentCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(state, event, occurred.at),
    )


def _created(event: ev.PaymentCreated, occurred: Occurred) -> Payment:
    return Payment(
        id=occurred.aggregate_id,
        intent_id=ids.decode("pi", event.intent_id) if event.intent_id else None,
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id) if event.customer_id else None,
        status=Status.CREATED,
        amount_minor=event.amount,
        currency=event.currency,
        method=event.method,
        capture_method=event.capture_method,
        priority=event.priority,
        instrument=event.instrument,
        instrument_mask=event.instrument_mask,
        device_id=event.device_id,
        ip_hash=event.ip_hash,
        flow=event.flow,
        funding=event.funding,
        card=event.card,
        authority=event.authority,
        hold=event.hold,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(state: Payment, event: Event, at: datetime) -> Mapping[str, Any]:
    """The fields that an event changes beside status, version and time."""
    if isinstance(event, late.EVENTS):
        return late.fold(state.late, event, at)
    if isinstance(event, deemed.EVENTS):
        return deemed.fold(
            event,
            reversed_minor=state.reversed_minor,
            refund_open_minor=state.refund_open_minor,
        )
    if isinstance(event, held.EVENTS):
        return held.fold(
            event,
            authorized_minor=state.authorized_minor,
            capture_open_minor=state.capture_open_minor,
            expires_at=state.authorization_expires_at,
        )
    if isinstance(event, _DECISIONS):
        return _decided(event)
    if isinstance(event, _MONEY_BACK):
        return _money_back(state, event)
    return _progress(state, event)


def _decided(event: Event) -> dict[str, Any]:
    match event:
        case ev.PaymentProcessing():
            return {
                "risk": event.risk,
                "route": event.route,
                "rail": event.rail,
                "attempt_id": ids.decode("att", event.attempt_id),
            }
        case ev.PaymentBlocked():
            return {"risk": event.risk, "last_error": {"code": "fraud_blocked"}}
        case ev.PaymentInReview():
            return {"risk": event.risk}
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


def _progress(state: Payment, event: Event) -> dict[str, Any]:
    match event:
        case ev.PaymentRequiresAction():
            return {"next_action": event.next_action}
        case ev.PaymentUnknown():
            return {"last_error": {"code": "payment_timeout", "message": event.message}}
        case ev.PaymentAuthorized():
            return {
                "authorized_minor": event.amount,
                "rail_reference": event.rail_reference,
                "authorization_expires_at": event.expires_at,
                **_learned(state, event),
                **_CLEAN,
            }
        case ev.PaymentCaptured():
            return _captured(state, event)
        case ev.PaymentFailed():
            error = {
                "code": event.code,
                "decline_code": event.decline_code,
                "message": event.message,
            }
            return {"last_error": error, "next_action": None}
        case ev.PaymentCanceled() | ev.PaymentExpired():
            return {
                "authorized_minor": state.captured_minor,
                "capture_open_minor": 0,
                "next_action": None,
            }
        case ev.PaymentAuthorizationReleased():
            return {"authorized_minor": state.authorized_minor - event.amount}
        case _:
            return _asked(state, event)


def _asked(state: Payment, event: Event) -> dict[str, Any]:
    match event:
        case ev.PaymentCaptureRequested():
            return {"capture_open_minor": state.capture_open_minor + event.amount}
        case ev.PaymentCaptureFailed():
            return {"capture_open_minor": state.capture_open_minor - event.amount}
        case ev.PaymentVoidRequested():
            # Nothing can be captured while the void is under way.
            return {"capture_open_minor": state.authorized_minor - state.captured_minor}
        case ev.PaymentVoidFailed():
            return {"capture_open_minor": event.capturing}
        case ev.PaymentUnplacedMoney() | ev.PaymentEscrowed():
            return {}
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


_DECISIONS: Final = (ev.PaymentProcessing, ev.PaymentBlocked, ev.PaymentInReview)
_MONEY_BACK: Final = (
    ev.PaymentRefundRequested,
    ev.PaymentRefundFailed,
    ev.PaymentPartiallyRefunded,
    ev.PaymentRefunded,
    ev.PaymentReversalRequested,
    ev.PaymentReversalFailed,
    ev.PaymentReversed,
)
_CLEAN: Final[dict[str, Any]] = {"next_action": None, "last_error": None}


def _captured(state: Payment, event: ev.PaymentCaptured) -> dict[str, Any]:
    """A capture of its own uses up what was asked for; one with the authorization brings both."""
    asked = state.authorized_minor > 0
    return {
        "authorized_minor": state.authorized_minor if asked else event.amount,
        "capture_open_minor": state.capture_open_minor - event.amount if asked else 0,
        "captured_minor": state.captured_minor + event.amount,
        "fee_minor": state.fee_minor + event.fee,
        "tax_minor": state.tax_minor + event.tax,
        "rail_reference": event.rail_reference or state.rail_reference,
        "deemed": deemed.DEEMED if event.deemed else state.deemed,
        **_learned(state, event),
        **_CLEAN,
    }


def _learned(state: Payment, event: ev.PaymentAuthorized | ev.PaymentCaptured) -> dict[str, Any]:
    """What the rail told about the money's source and the card, kept from the first telling."""
    return {
        "funding": event.funding or state.funding,
        "card_checks": event.card_checks or state.card_checks,
    }


def _money_back(state: Payment, event: Event) -> dict[str, Any]:
    match event:
        case ev.PaymentRefundRequested():
            return {"refund_open_minor": state.refund_open_minor + event.amount}
        case ev.PaymentRefundFailed():
            return {"refund_open_minor": state.refund_open_minor - event.amount}
        case ev.PaymentPartiallyRefunded() | ev.PaymentRefunded():
            return {
                "refund_open_minor": state.refund_open_minor - event.amount,
                "refunded_minor": state.refunded_minor + event.amount,
            }
        case ev.PaymentReversalRequested():
            # Nothing can be refunded or captured while the reversal is under way.
            return {
                "refund_open_minor": state.refund_open_minor + event.amount,
                "capture_open_minor": state.authorized_minor - state.captured_minor,
            }
        case ev.PaymentReversalFailed():
            return {
                "refund_open_minor": state.refund_open_minor - event.amount,
                "capture_open_minor": 0,
            }
        case ev.PaymentReversed():
            return {
                "refund_open_minor": state.refund_open_minor - event.amount,
                "reversed_minor": state.reversed_minor + event.amount,
                "authorized_minor": state.captured_minor,
                "capture_open_minor": 0,
            }
        case _:
            raise TypeError(f"no fold for {event.TYPE}")
