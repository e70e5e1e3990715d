"""What a rail's yes to letting a part go, or to keeping it for longer, does to a payment. Pure."""

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel.events import Event
from online.ledger import recipes
from online.payments.domain import Payment
from online.payments.effects import Books, Effect, Posted, journal
from online.rails.domain import Outcome


def released(payment: Payment, attempt: Attempt, _: Outcome, books: Books) -> Effect:
    """With the last of it, a payment of which nothing was captured is over, and one of which all
    that was captured has gone back is refunded."""
    amount = attempt.amount_minor
    events: list[Event] = [
        ev.PaymentAuthorizationReleased(amount=amount, attempt_id=attempt.reference)
    ]
    left = payment.authorized_minor - amount
    if left == 0:
        events.append(ev.PaymentCanceled(attempt_id=attempt.reference))
    elif left == payment.refunded_minor:
        events.append(ev.PaymentRefunded())
    legs = recipes.release_authorization(attempt.rail, books.pending, amount)
    posted = journal(payment, attempt, books, Posted("release", legs))
    return Effect(tuple(events), (posted,), failed=left == 0)


def extended(_: Payment, attempt: Attempt, __: Outcome, books: Books) -> Effect:
    assert books.extended_to is not None  # told with every yes to an extension
    extended = ev.PaymentAuthorizationExtended(
        expires_at=books.extended_to, attempt_id=attempt.reference
    )
    return Effect((extended,))
