"""What a refund asks of the books, and what the rail's outcome means for it. Pure.

While nobody knows the outcome, what was asked for stays held: in the payment's caps and in
`refunds:<rail>:payable`.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal
from online.payments.decisions import refund_done
from online.payments.domain import TRANSITIONS, Payment
from online.rails.domain import Outcome, OutcomeKind
from online.refunds.domain import Refund, Status


class Effect(msgspec.Struct, frozen=True):
    """What changes; no refund event means that only the attempt moves."""

    refund: Event | None = None
    payment: tuple[Event, ...] = ()
    journals: tuple[Journal, ...] = ()


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What postings need to know about the merchant and the moment.

    `fee_back` and `tax_back` go back to the merchant if the refund succeeds. `source` is what pays
    for it: the pending balance, or an escrow.
    """

    pending: Account
    source: Account
    wallet: Account | None = None  # of the payer, where it is not a rail that pays them back
    at: datetime
    fee_back: int = 0
    tax_back: recipes.Tax = recipes.Tax()


def requested(refund: Refund, payment: Payment, attempt: Attempt, books: Books) -> Journal:
    """What is promised to the payer leaves the merchant's money before the rail is asked."""
    legs = recipes.refund_requested(attempt.rail, books.source, refund.amount_minor)
    return _Entry(refund, payment, attempt, books.at).journal("refund_requested", refund.id, legs)


def effect(
    refund: Refund, payment: Payment, attempt: Attempt, outcome: Outcome, books: Books
) -> Effect:
    """What `outcome` of `attempt` does to `refund` and to the payment it belongs to."""
    reference, amount = ids.encode("rfd", refund.id), refund.amount_minor
    entry = _Entry(refund, payment, attempt, books.at)
    match outcome.kind:
        case OutcomeKind.APPROVED if attempt.is_open:
            return _succeeded(entry, outcome, books)
        case OutcomeKind.APPROVED:
            return _late(entry, outcome, books)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            legs = recipes.refund_failed(attempt.rail, books.source, amount)
            return Effect(
                ev.RefundFailed(code=outcome.decline_code or outcome.code or "rail_failed"),
                (ev.PaymentRefundFailed(refund_id=reference, amount=amount),),
                (entry.journal("refund_failed", attempt.id, legs),),
            )
        case OutcomeKind.UNKNOWN | OutcomeKind.DEEMED if refund.status is Status.PENDING:
            return Effect(ev.RefundUnknown(code=outcome.code))
        case _:
            return Effect()


def _succeeded(entry: "_Entry", outcome: Outcome, books: Books) -> Effect:
    refund = entry.refund
    done = refund_done(entry.payment, ids.encode("rfd", refund.id), refund.amount_minor)
    return Effect(
        ev.RefundSucceeded(
            rail_reference=outcome.rail_reference,
            fee_returned=books.fee_back,
            tax_returned=books.tax_back.total_minor,
        ),
        (done,),
        _confirmed(entry, entry.attempt, outcome, books),
    )


def _late(entry: "_Entry", outcome: Outcome, books: Books) -> Effect:
    """Done at the rail after it had counted as failed: the merchant's, if the payment still has it;
    else it waits in suspense, under the attempt's reference."""
    refund, payment, attempt = entry.refund, entry.payment, entry.attempt
    amount = refund.amount_minor
    allowed = (payment.status, ev.PaymentRefundRequested) in TRANSITIONS
    if not allowed or amount > payment.refundable_minor:
        unplaced = ev.PaymentUnplacedMoney(
            attempt_id=attempt.reference,
            rail=attempt.rail,
            operation=attempt.operation,
            amount=amount,
            currency=refund.currency,
        )
        legs = recipes.unplaced_return(attempt.rail, amount)
        rrn = outcome.rail_reference
        journal = entry.journal("unplaced_refund", attempt.id, legs, rail_reference=rrn)
        return Effect(payment=(unplaced,), journals=(journal,))
    asked = ev.PaymentRefundRequested(refund_id=ids.encode("rfd", refund.id), amount=amount)
    legs = recipes.refund_requested(attempt.rail, books.source, amount)
    # Under this cause: the request posted under the refund's own and was taken back. The money is
    # gone already, so that there is no refusing it for funds any more.
    again = entry.journal("refund_requested", attempt.id, legs)
    done = _succeeded(entry, outcome, books)
    return msgspec.structs.replace(
        done,
        payment=(asked, *done.payment),
        journals=(msgspec.structs.replace(again, forced=True), *done.journals),
    )


def _confirmed(
    entry: "_Entry", attempt: Attempt, outcome: Outcome, books: Books
) -> tuple[Journal, ...]:
    rrn, amount = outcome.rail_reference, entry.refund.amount_minor
    if books.wallet is None:
        legs = recipes.refund_confirmed(attempt.rail, amount)
        confirmed = entry.journal("refund_confirmed", attempt.id, legs, rail_reference=rrn)
    else:
        legs = recipes.refund_to_wallet(attempt.rail, books.wallet, amount)
        confirmed = entry.journal("refund_to_wallet", attempt.id, legs)
        confirmed = msgspec.structs.replace(confirmed, forced=True)
    back = recipes.fee_returned(books.pending, books.fee_back, books.tax_back)
    if not back:
        return (confirmed,)
    return confirmed, entry.journal("fee_returned", attempt.id, back, rail_reference=rrn)


class _Entry(msgspec.Struct, frozen=True):
    """What every journal of a refund says about itself."""

    refund: Refund
    payment: Payment
    attempt: Attempt
    at: datetime

    def journal(
        self, kind: str, cause: UUID, legs: recipes.Legs, rail_reference: str | None = None
    ) -> Journal:
        return Journal(
            cause=cause,
            kind=kind,
            currency=self.refund.currency,
            postings=legs,
            business_date=business_date(self.at),
            effective_at=self.at,
            livemode=self.refund.livemode,
            reference=self.attempt.reference,
            merchant_id=self.refund.merchant_id,
            metadata={
                "payment_id": ids.encode("pay", self.payment.id),
                "refund_id": ids.encode("rfd", self.refund.id),
                "attempt_id": self.attempt.reference,
                "rail": self.attempt.rail,
                "rail_reference": rail_reference,
                "method": self.payment.method,
            },
        )
