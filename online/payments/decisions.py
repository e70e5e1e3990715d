"""What may be asked of a payment: each function answers with the event that asks it, or refuses.

Pure. Caps count what is still open, so that no two requests together can pass them.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar

import msgspec

from online.kernel import events as ev
from online.kernel.errors import (
    IllegalMove,
    InvalidRequest,
    OverCapture,
    OverRefund,
    OverRelease,
)
from online.kernel.events import Event
from online.payments.authorizations import ExtensionRule, extended_to
from online.payments.domain import TRANSITIONS, Payment, Status


class AlreadySettled(IllegalMove):
    """The day of the capture is in a settlement batch: the money can only be refunded."""

    code: ClassVar[str] = "already_settled"


class NotExtendable(IllegalMove):
    """The network keeps the payer's money no longer."""

    code: ClassVar[str] = "not_extendable"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An operation to send to the rail, and the event that reserves what it needs."""

    event: Event
    operation: str
    amount_minor: int


# From the payment and the TypeID of the attempt that would do it.
Decide = Callable[[Payment, str], Awaitable[Asked]]


def request_capture(
    payment: Payment, attempt_id: str, amount: int | None
) -> ev.PaymentCaptureRequested:
    """Refuses more than is authorized and still free; no amount means all of that."""
    if (payment.status, ev.PaymentCaptureRequested) not in TRANSITIONS:
        raise IllegalMove(f"a payment that is {payment.status} cannot be captured")
    left = payment.capturable_minor
    wanted = left if amount is None else amount
    if wanted <= 0 or wanted > left:
        raise OverCapture(f"{wanted} asked for, {left} can be captured", "amount")
    return ev.PaymentCaptureRequested(attempt_id=attempt_id, amount=wanted)


def request_release(
    payment: Payment, attempt_id: str, amount: int | None
) -> ev.PaymentReleaseRequested:
    """Lets a part go; no amount means all that is left of the authorization."""
    if (payment.status, ev.PaymentReleaseRequested) not in TRANSITIONS:
        raise IllegalMove(f"a payment that is {payment.status} keeps nothing")
    left = payment.capturable_minor
    wanted = left if amount is None else amount
    if wanted <= 0 or wanted > left:
        raise OverRelease(f"{wanted} asked for, {left} can be released", "amount")
    return ev.PaymentReleaseRequested(attempt_id=attempt_id, amount=wanted)


def request_extension(payment: Payment, rule: ExtensionRule | None, now: datetime) -> datetime:
    """Until when the payer's money would be kept; refuses what brings nothing."""
    if (payment.status, ev.PaymentExtensionRequested) not in TRANSITIONS:
        raise IllegalMove(f"a payment that is {payment.status} keeps nothing")
    due = payment.authorization_expires_at
    if payment.capturable_minor == 0 or due is None or due <= now:
        raise IllegalMove("nothing is kept that could be kept for longer")
    if rule is None:
        raise NotExtendable("its network does not keep money for longer, of this kind of merchant")
    until = extended_to(rule, payment, asked_at=now)
    if until <= due:
        raise NotExtendable(f"it is kept as long as its network allows: {rule.at_most_days} days")
    return until


def request_void(payment: Payment, attempt_id: str) -> ev.PaymentVoidRequested:
    if payment.captured_minor or payment.capture_open_minor:
        raise IllegalMove("money was captured or is being captured: refund it instead")
    if (payment.status, ev.PaymentVoidRequested) not in TRANSITIONS:
        raise IllegalMove(f"a payment that is {payment.status} cannot be canceled")
    return ev.PaymentVoidRequested(attempt_id=attempt_id)


def request_reversal(
    payment: Payment, attempt_id: str, *, settled: bool
) -> ev.PaymentReversalRequested:
    """Undoes all that was captured, as if it had never been; only while nothing else moves it."""
    if (payment.status, ev.PaymentReversalRequested) not in TRANSITIONS:
        advice = ": cancel it instead" if payment.status is Status.AUTHORIZED else ""
        raise IllegalMove(f"a payment that is {payment.status} cannot be reversed{advice}")
    if settled:
        raise AlreadySettled("the day of this payment is settled: refund it instead")
    if payment.refund_open_minor or payment.refunded_minor:
        raise IllegalMove("money was given back or is being given back: refund the rest")
    if payment.capture_open_minor:
        raise IllegalMove("a capture is under way: reverse when it is done")
    return ev.PaymentReversalRequested(attempt_id=attempt_id, amount=payment.captured_minor)


def request_refund(
    payment: Payment, refund_id: str, amount: int | None
) -> ev.PaymentRefundRequested:
    """Refuses more than was captured and is still there; no amount means all of that."""
    left = payment.refundable_minor
    if amount is not None and amount <= 0:
        raise InvalidRequest("must be positive", "amount")
    if (payment.status, ev.PaymentRefundRequested) not in TRANSITIONS:
        if payment.status is Status.REFUNDED:
            raise OverRefund("nothing is left to refund", "amount")
        raise IllegalMove(f"a payment that is {payment.status} cannot be refunded")
    wanted = left if amount is None else amount
    if wanted > left or left == 0:
        raise OverRefund(f"{wanted} asked for, {left} can be refunded", "amount")
    return ev.PaymentRefundRequested(refund_id=refund_id, amount=wanted)


def refund_done(payment: Payment, refund_id: str, amount: int) -> Event:
    """`refunded` once everything captured has gone back and no more can be captured."""
    whole = (
        payment.refunded_minor + amount == payment.captured_minor
        and payment.authorized_minor == payment.captured_minor
    )
    event = ev.PaymentRefunded if whole else ev.PaymentPartiallyRefunded
    return event(refund_id=refund_id, amount=amount)


def expiry(payment: Payment, now: datetime) -> list[Event]:
    """What the end of an authorization's time does: ends the payment, or frees the rest of it."""
    due = payment.authorization_expires_at
    if due is None or now < due or payment.capture_open_minor or payment.refund_open_minor:
        return []  # what is under way ends first
    if payment.status is Status.AUTHORIZED:
        return [ev.PaymentExpired()]
    left = payment.capturable_minor
    if not left or (payment.status, ev.PaymentAuthorizationReleased) not in TRANSITIONS:
        return []
    released = ev.PaymentAuthorizationReleased(amount=left)
    gone = payment.refunded_minor == payment.captured_minor
    return [released, ev.PaymentRefunded()] if gone else [released]
