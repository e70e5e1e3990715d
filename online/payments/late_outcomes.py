"""What a rail's outcome means for money that came late: events and postings. Pure."""

from typing import Final

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event
from online.ledger import recipes
from online.payments.domain import Payment
from online.payments.effects import Books, Effect, Posted, journal
from online.payments.late import Late
from online.platform import metrics
from online.rails.domain import Outcome, OutcomeKind

_RETURNED: Final = {"reverse": "late_money_reversed", "refund": "late_money_refunded"}
_UNPLACED: Final = {
    "capture": ("unplaced_capture", recipes.unplaced_capture),
    "reverse": ("unplaced_reversal", recipes.unplaced_return),
    "refund": ("unplaced_refund", recipes.unplaced_return),
}
_COUNTED: Final[dict[type[Event], metrics.LateMoney]] = {
    ev.PaymentLateMoney: "came",
    ev.PaymentLateMoneyReturned: "returned",
    ev.PaymentLateReturnFailed: "refused",
    ev.PaymentUnplacedMoney: "unplaced",
}


def counted(effect: Effect) -> list[metrics.LateMoney]:
    """What metrics are told of it."""
    return [_COUNTED[type(event)] for event in effect.events if type(event) in _COUNTED]


def came(payment: Payment, attempt: Attempt, outcome: Outcome, books: Books) -> Effect:
    """An authorization that the payment has no use for any more. One that only holds money posts
    nothing."""
    captured = payment.capture_method == "automatic"
    event = ev.PaymentLateMoney(
        attempt_id=attempt.reference,
        rail=attempt.rail,
        route=attempt.route,
        rail_reference=outcome.rail_reference,
        amount=attempt.amount_minor,
        currency=payment.currency,
        captured=captured,
    )
    if not captured:
        return Effect((event,))
    legs = recipes.late_money(attempt.rail, attempt.amount_minor)
    posted = Posted("late_money", legs, outcome.rail_reference)
    return Effect((event,), (journal(payment, attempt, books, posted, attempt.id),))


def given_back(
    payment: Payment, attempt: Attempt, item: Late, outcome: Outcome, books: Books
) -> Effect:
    """What the rail says of an attempt to give `item` back."""
    match outcome.kind:
        case OutcomeKind.APPROVED if item.returned_by is not None:
            return unplaced(payment, attempt, outcome, books)
        case OutcomeKind.APPROVED:
            return _returned(payment, attempt, item, outcome, books)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED if _is_the_last(item, attempt):
            return Effect((_refused(attempt, item, outcome, books),))
        case _:
            return Effect()


def unplaced(
    payment: Payment,
    attempt: Attempt,
    outcome: Outcome,
    books: Books,
    operation: str | None = None,
) -> Effect:
    """Done at the rail, and no room for it here: into suspense, under the attempt's reference.

    A void moves no money: it is written down on its attempt alone. `operation`: what it came to,
    where that is not what the attempt was for.
    """
    operation = operation or attempt.operation
    if operation not in _UNPLACED:
        return Effect()
    event = ev.PaymentUnplacedMoney(
        attempt_id=attempt.reference,
        rail=attempt.rail,
        operation=operation,
        amount=attempt.amount_minor,
        currency=payment.currency,
    )
    kind, recipe = _UNPLACED[operation]
    posted = Posted(kind, recipe(attempt.rail, attempt.amount_minor), outcome.rail_reference)
    return Effect((event,), (journal(payment, attempt, books, posted, attempt.original_id),))


def _returned(
    payment: Payment, attempt: Attempt, item: Late, outcome: Outcome, books: Books
) -> Effect:
    event = ev.PaymentLateMoneyReturned(
        attempt_id=attempt.reference,
        late_attempt_id=ids.encode("att", item.attempt_id),
        operation=attempt.operation,
        amount=item.amount_minor,
    )
    if not item.captured:
        return Effect((event,))
    legs = recipes.late_money_returned(item.rail, item.amount_minor)
    posted = Posted(_RETURNED[attempt.operation], legs, outcome.rail_reference)
    return Effect((event,), (journal(payment, attempt, books, posted, item.attempt_id),))


def _refused(
    attempt: Attempt, item: Late, outcome: Outcome, books: Books
) -> ev.PaymentLateReturnFailed:
    """A reversal that the rail refuses for good is followed by a refund; all else by the same."""
    for_good = attempt.operation == "reverse" and outcome.kind is OutcomeKind.DECLINED
    return ev.PaymentLateReturnFailed(
        attempt_id=attempt.reference,
        late_attempt_id=ids.encode("att", item.attempt_id),
        operation=attempt.operation,
        amount=item.amount_minor,
        next_operation="refund" if for_good else attempt.operation,
        again_at=books.patience.again_at(len(item.sent), books.at),
        code=outcome.decline_code or outcome.code,
    )


def _is_the_last(item: Late, attempt: Attempt) -> bool:
    return item.returning and item.sent[-1] == attempt.id
