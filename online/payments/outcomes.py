"""What a rail's outcome means for a payment: events and postings, as one pure function.

One row a (operation, kind of outcome). An unknown outcome of a capture or a void changes nothing
on the payment: what was asked for stays reserved until it is known.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal
from online.payments import deemed_outcomes, held_outcomes, late_outcomes
from online.payments.domain import OPEN, TRANSITIONS, Payment, Status
from online.payments.effects import Books, Effect, Posted, journal
from online.payments.late import find
from online.rails.domain import Outcome, OutcomeKind


def effect(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """What `outcome` of `attempt` does to `payment`.

    Operations may cross (a void and the payer's yes, a capture that we had given up and a refund).
    What was refused and holds nothing any more is written down on its attempt alone; what the rail
    has done is always written down: as usual where there is room for it, else as late or unplaced.
    """
    item = find(payment.late, attempt.id)
    if item is not None:
        return late_outcomes.given_back(payment, attempt, item, outcome, books)
    if deemed_outcomes.is_told(payment, attempt):
        return deemed_outcomes.effect(payment, attempt, outcome, books)
    if _is_told_now(payment, attempt, outcome):
        return _captured(payment, attempt, outcome, books)
    if outcome.kind is not OutcomeKind.APPROVED:
        return _if_allowed(payment, _not_approved(payment, attempt, outcome, books))
    if attempt.operation == "authorize":
        if payment.attempt_id != attempt.id or payment.status not in OPEN:
            return late_outcomes.came(payment, attempt, outcome, books)
        return _authorization(payment, attempt, outcome, books)
    if not has_room(payment, attempt):
        return late_outcomes.unplaced(payment, attempt, outcome, books)
    done = _AFTERWARDS[attempt.operation](payment, attempt, outcome, books)
    if attempt.is_open:
        return done
    asked = _asked_again(attempt)
    return msgspec.structs.replace(done, events=(asked, *done.events))


def _is_told_now(payment: Payment, attempt: Attempt, outcome: Outcome) -> bool:
    """A deemed approval is told to the merchant as a success; one that would only hold the money
    waits for the bank's last word."""
    return (
        outcome.kind is OutcomeKind.DEEMED
        and attempt.operation == "authorize"
        and payment.capture_method == "automatic"
        and payment.attempt_id == attempt.id
        and payment.status in OPEN
    )


def has_room(payment: Payment, attempt: Attempt) -> bool:
    """Whether what the rail has done of `attempt` still fits the payment.

    What is open has its room reserved, unless the payment ended beside it; what had counted as
    failed gave it back, and must find it free.
    """
    amount = attempt.amount_minor
    idle = payment.capture_open_minor == 0
    match attempt.operation:
        case "capture":
            room = payment.capture_open_minor if attempt.is_open else payment.capturable_minor
            return (payment.status, ev.PaymentCaptured) in TRANSITIONS and amount <= room
        case "release":
            room = payment.capture_open_minor if attempt.is_open else payment.capturable_minor
            return (payment.status, ev.PaymentReleaseRequested) in TRANSITIONS and amount <= room
        case "extend":
            return (payment.status, ev.PaymentExtensionRequested) in TRANSITIONS
        case "void":
            waits = (payment.status, ev.PaymentVoidRequested) in TRANSITIONS
            return waits and (attempt.is_open or idle)
        case _:
            whole = amount == payment.captured_minor
            free = attempt.is_open or (idle and payment.refundable_minor == amount)
            return payment.status is Status.CAPTURED and whole and free


def _asked_again(attempt: Attempt) -> Event:
    """Takes the room again that counting as failed had given back."""
    reference, amount = attempt.reference, attempt.amount_minor
    match attempt.operation:
        case "capture":
            return ev.PaymentCaptureRequested(attempt_id=reference, amount=amount)
        case "void":
            return ev.PaymentVoidRequested(attempt_id=reference)
        case "release":
            return ev.PaymentReleaseRequested(attempt_id=reference, amount=amount)
        case "extend":
            return ev.PaymentExtensionRequested(attempt_id=reference)
        case _:
            return ev.PaymentReversalRequested(attempt_id=reference, amount=amount)


def _if_allowed(payment: Payment, found: Effect) -> Effect:
    allowed = all((payment.status, type(event)) in TRANSITIONS for event in found.events)
    return found if allowed else Effect()


def _not_approved(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    if attempt.operation == "authorize":
        # Of an attempt that another has carried on, or that had ended, there is nothing to say.
        return (
            _not_paid(payment, attempt, outcome, books)
            if payment.attempt_id == attempt.id
            else Effect()
        )
    if outcome.kind in {OutcomeKind.DECLINED, OutcomeKind.FAILED}:
        return Effect((_not_done(attempt, outcome, books),))
    return Effect()


def _authorization(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    manual = payment.capture_method == "manual"
    return (_authorized if manual else _captured)(payment, attempt, outcome, books)


def _not_paid(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    match outcome.kind:
        case OutcomeKind.PENDING:
            waiting = ev.PaymentRequiresAction(
                attempt_id=attempt.reference, next_action=_next_action(payment, outcome, books)
            )
            return Effect((waiting,))
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return Effect((_failed(attempt, outcome),), failed=True)
        case OutcomeKind.UNKNOWN | OutcomeKind.DEEMED:
            unknown = ev.PaymentUnknown(
                attempt_id=attempt.reference, code=outcome.code, message=outcome.message
            )
            return Effect((unknown,))
        case _:
            return Effect()


def _next_action(payment: Payment, outcome: Outcome, books: Books) -> dict[str, Any]:
    """What the payer has to do: what the rail says of it, else our own links, else to wait."""
    if outcome.next_action is not None:
        return dict(msgspec.to_builtins(outcome.next_action))
    if payment.next_action is not None:
        return payment.next_action
    if books.links is None:
        return {"type": "wait"}
    type_ = "upi_qr" if payment.flow == "qr" else "upi_intent"
    return {"type": type_, "link": books.links.intent, "qr": books.links.qr}


def _not_done(attempt: Attempt, outcome: Outcome, books: Books) -> Event:
    """What was asked of the rail was refused: what it held is free again."""
    reference, amount = attempt.reference, attempt.amount_minor
    match attempt.operation:
        case "capture":
            return ev.PaymentCaptureFailed(attempt_id=reference, amount=amount, code=outcome.code)
        case "void":
            return ev.PaymentVoidFailed(
                attempt_id=reference, code=outcome.code, capturing=books.capturing_minor
            )
        case "release":
            return ev.PaymentReleaseFailed(attempt_id=reference, amount=amount, code=outcome.code)
        case "extend":
            return ev.PaymentExtensionFailed(attempt_id=reference, code=outcome.code)
        case _:
            return ev.PaymentReversalFailed(attempt_id=reference, amount=amount, code=outcome.code)


def _authorized(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    event = ev.PaymentAuthorized(
        attempt_id=attempt.reference,
        rail=attempt.rail,
        rail_reference=outcome.rail_reference,
        amount=attempt.amount_minor,
        expires_at=books.holds_until,
        funding=outcome.funding,
        card_checks=_checks(outcome),
    )
    legs = recipes.authorization(attempt.rail, books.pending, attempt.amount_minor)
    posted = Posted("authorization", legs, outcome.rail_reference)
    return Effect((event,), (journal(payment, attempt, books, posted),))


def _captured(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    amount, fee = attempt.amount_minor, books.fee
    event = ev.PaymentCaptured(
        attempt_id=attempt.reference,
        rail=attempt.rail,
        rail_reference=outcome.rail_reference,
        amount=amount,
        currency=payment.currency,
        fee=fee.fee_minor,
        tax=fee.tax.total_minor,
        captured_total=payment.captured_minor + amount,
        funding=outcome.funding,
        card_checks=_checks(outcome),
        deemed=outcome.kind is OutcomeKind.DEEMED,
    )
    source = books.owed_by(attempt.rail)
    legs = recipes.taken(source, books.pending, amount, fee.fee_minor, fee.tax)
    if payment.authorized_minor:
        legs = (*recipes.release_authorization(attempt.rail, books.pending, amount), *legs)
    posted = Posted("capture", legs, outcome.rail_reference)
    return Effect((event,), (journal(payment, attempt, books, posted),))


def _voided(payment: Payment, attempt: Attempt, _: Outcome, books: Books) -> Effect:
    event = ev.PaymentCanceled(attempt_id=attempt.reference)
    held = payment.authorized_minor - payment.captured_minor
    if held == 0:
        return Effect((event,), failed=True)
    legs = recipes.release_authorization(attempt.rail, books.pending, held)
    posted = journal(payment, attempt, books, Posted("void", legs))
    return Effect((event,), (posted,), failed=True)


def _reversed(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """The captures' entries with their signs turned; what was not captured is let go with them."""
    taken = books.charged
    assert taken is not None  # read for every reversal
    event = ev.PaymentReversed(
        attempt_id=attempt.reference,
        amount=attempt.amount_minor,
        fee=taken.fee_minor,
        tax=taken.tax.total_minor,
    )
    amount, left = attempt.amount_minor, payment.authorized_minor - payment.captured_minor
    source = books.owed_by(attempt.rail)
    legs = recipes.given_back(source, books.pending, amount, taken.fee_minor, taken.tax)
    if left:
        legs = (*recipes.release_authorization(attempt.rail, books.pending, left), *legs)
    # What a rail has done cannot be refused for funds any more.
    done = books.source is None
    posted = Posted("reversal", legs, outcome.rail_reference, forced=done)
    return Effect((event,), (journal(payment, attempt, books, posted),))


def expired(payment: Payment, pending: Account, at: datetime) -> Journal:
    """What is not captured by the end of an authorization's time is promised no longer."""
    legs = recipes.release_authorization(
        payment.rail or "", pending, payment.authorized_minor - payment.captured_minor
    )
    return Journal(
        cause=payment.id,
        kind="authorization_expired",
        currency=payment.currency,
        postings=legs,
        business_date=business_date(at),
        effective_at=at,
        livemode=payment.livemode,
        reference=ids.encode("att", payment.attempt),
        merchant_id=payment.merchant_id,
        metadata={"payment_id": ids.encode("pay", payment.id), "rail": payment.rail},
    )


def _checks(outcome: Outcome) -> dict[str, Any] | None:
    return msgspec.to_builtins(outcome.checks) if outcome.checks else None


_AFTERWARDS: Final = {
    "capture": _captured,
    "void": _voided,
    "reverse": _reversed,
    "release": held_outcomes.released,
    "extend": held_outcomes.extended,
}


_NOT_SENT: Final = frozenset({"circuit_open", "rail_busy"})


def _failed(attempt: Attempt, outcome: Outcome) -> ev.PaymentFailed:
    if outcome.kind is OutcomeKind.FAILED:
        code = "route_unavailable" if outcome.code in _NOT_SENT else "rail_failed"
    elif outcome.decline_code == "insufficient_funds":
        code = "insufficient_funds"
    else:
        code = "payment_declined"
    return ev.PaymentFailed(
        code=code,
        attempt_id=attempt.reference,
        decline_code=outcome.decline_code,
        message=outcome.message,
    )
