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
from online.ledger.charged import Charged
from online.ledger.journal import Journal
from online.payments.domain import TRANSITIONS, Payment
from online.payments.fees import Fee
from online.rails.domain import Outcome, OutcomeKind


class Effect(msgspec.Struct, frozen=True):
    """`failed`: the payment came to nothing, what it took from limits goes back."""

    events: tuple[Event, ...] = ()
    journals: tuple[Journal, ...] = ()
    failed: bool = False


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What postings need to know about the merchant and the moment."""

    pending: Account
    fee: Fee
    holds_until: datetime  # were it authorized now
    charged: Charged | None = None  # by the captures so far; for a reversal
    at: datetime


def effect(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """What `outcome` of `attempt` does to `payment`.

    Two operations may cross: a void and the payer's own no, or their yes and the void. What comes
    second and takes no money is then written down on its attempt alone.
    """
    found = _effect(payment, attempt, outcome, books)
    allowed = all((payment.status, type(event)) in TRANSITIONS for event in found.events)
    if allowed or (outcome.kind is OutcomeKind.APPROVED and attempt.operation != "void"):
        return found
    if found.journals:  # money is held that this void would release: never silently
        return found
    return Effect()


def _effect(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    if attempt.operation == "authorize":
        return _of_authorization(payment, attempt, outcome, books)
    match outcome.kind:
        case OutcomeKind.APPROVED:
            return _AFTERWARDS[attempt.operation](payment, attempt, outcome, books)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return Effect((_not_done(attempt, outcome),))
        case _:
            return Effect()


def _of_authorization(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    match outcome.kind:
        case OutcomeKind.APPROVED if payment.capture_method == "manual":
            return _authorized(payment, attempt, outcome, books)
        case OutcomeKind.APPROVED:
            return _captured(payment, attempt, outcome, books)
        case OutcomeKind.PENDING:
            action = msgspec.to_builtins(outcome.next_action) if outcome.next_action else {}
            waiting = ev.PaymentRequiresAction(
                attempt_id=attempt.reference,
                next_action=action or payment.next_action or {"type": "wait"},
            )
            return Effect((waiting,))
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            return Effect((_failed(attempt, outcome),), failed=True)
        case OutcomeKind.UNKNOWN:
            unknown = ev.PaymentUnknown(
                attempt_id=attempt.reference, code=outcome.code, message=outcome.message
            )
            return Effect((unknown,))
        case _:
            return Effect()


def _not_done(attempt: Attempt, outcome: Outcome) -> Event:
    """What was asked of the rail was refused: what it held is free again."""
    reference, amount = attempt.reference, attempt.amount_minor
    match attempt.operation:
        case "capture":
            return ev.PaymentCaptureFailed(attempt_id=reference, amount=amount, code=outcome.code)
        case "void":
            return ev.PaymentVoidFailed(attempt_id=reference, code=outcome.code)
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
    posted = _Posted("authorization", legs, outcome.rail_reference)
    return Effect((event,), (_journal(payment, attempt, books, posted),))


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
    )
    legs = recipes.capture(attempt.rail, books.pending, amount, fee.fee_minor, fee.tax)
    if payment.authorized_minor:
        legs = (*recipes.release_authorization(attempt.rail, books.pending, amount), *legs)
    posted = _Posted("capture", legs, outcome.rail_reference)
    return Effect((event,), (_journal(payment, attempt, books, posted),))


def _voided(payment: Payment, attempt: Attempt, _: Outcome, books: Books) -> Effect:
    event = ev.PaymentCanceled(attempt_id=attempt.reference)
    held = payment.authorized_minor - payment.captured_minor
    if held == 0:
        return Effect((event,), failed=True)
    legs = recipes.release_authorization(attempt.rail, books.pending, held)
    journal = _journal(payment, attempt, books, _Posted("void", legs))
    return Effect((event,), (journal,), failed=True)


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
    legs = recipes.reversal(attempt.rail, books.pending, amount, taken.fee_minor, taken.tax)
    if left:
        legs = (*recipes.release_authorization(attempt.rail, books.pending, left), *legs)
    # The rail has done it: there is no refusing it for funds any more.
    posted = _Posted("reversal", legs, outcome.rail_reference, forced=True)
    return Effect((event,), (_journal(payment, attempt, books, posted),))


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


_AFTERWARDS: Final = {"capture": _captured, "void": _voided, "reverse": _reversed}


def _failed(attempt: Attempt, outcome: Outcome) -> ev.PaymentFailed:
    if outcome.kind is OutcomeKind.FAILED:
        code = "rail_failed"
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


class _Posted(msgspec.Struct, frozen=True):
    """What is posted, and the rail's own reference where it gave one."""

    kind: str
    legs: recipes.Legs
    rail_reference: str | None = None
    forced: bool = False


def _journal(payment: Payment, attempt: Attempt, books: Books, posted: _Posted) -> Journal:
    return Journal(
        cause=attempt.id,
        kind=posted.kind,
        currency=payment.currency,
        postings=posted.legs,
        business_date=business_date(books.at),
        effective_at=books.at,
        livemode=payment.livemode,
        reference=attempt.reference,
        merchant_id=payment.merchant_id,
        metadata={
            "payment_id": ids.encode("pay", payment.id),
            "attempt_id": attempt.reference,
            "rail": attempt.rail,
            "rail_reference": posted.rail_reference,
            "method": payment.method,
        },
        forced=posted.forced,
    )
