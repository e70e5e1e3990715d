"""How a deemed payment ends: what the bank's last word does to it and to the books. Pure."""

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.ledger import recipes
from online.ledger.recipes import Tax
from online.payments import deemed, late_outcomes
from online.payments.domain import Payment
from online.payments.effects import Books, Effect, Posted, journal
from online.rails.domain import Outcome, OutcomeKind


def is_told(payment: Payment, attempt: Attempt) -> bool:
    """Whether this attempt brought what was told as a success."""
    return payment.deemed is not None and payment.attempt_id == attempt.id


def effect(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """A TCC confirms, any definite no is a RET; the first of them counts. Of a RET that is taken
    back afterwards nobody knows whose the money is."""
    match outcome.kind:
        case OutcomeKind.APPROVED if payment.deemed == deemed.RETURNED:
            return late_outcomes.unplaced(payment, attempt, outcome, books, operation="capture")
        case OutcomeKind.APPROVED if payment.deemed == deemed.DEEMED:
            confirmed = ev.PaymentCreditConfirmed(attempt_id=attempt.reference, code=outcome.code)
            return Effect((confirmed,))
        case OutcomeKind.DECLINED | OutcomeKind.FAILED if payment.deemed == deemed.DEEMED:
            return _returned(payment, attempt, outcome, books)
        case _:
            return Effect()


def _returned(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """The capture's entries with their signs turned, whether its day is settled or not: the bank
    has done it, and the merchant's money may fall below zero by it.

    What was refunded meanwhile, or is being refunded, the merchant has not got any more. The bank
    took it all the same: that part waits in suspense.
    """
    whole, taken = attempt.amount_minor, books.charged
    assert taken is not None  # read for every return
    amount = payment.refundable_minor + books.reversing_minor
    fee, tax = (taken.fee_minor, taken.tax) if amount == whole else (0, Tax())
    event = ev.PaymentReturned(
        attempt_id=attempt.reference,
        amount=amount,
        unplaced=whole - amount,
        taken_over=books.reversing_minor,
        fee=fee,
        tax=tax.total_minor,
        code=outcome.code,
    )
    legs = (
        *recipes.reversal(attempt.rail, books.pending, amount, fee, tax),
        *recipes.unplaced_return(attempt.rail, whole - amount),
    )
    kind = "reversal" if amount else "unplaced_reversal"
    posted = Posted(kind, legs, outcome.rail_reference, forced=True)
    return Effect((event,), (journal(payment, attempt, books, posted),))
