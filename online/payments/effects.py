"""What a rail's outcome does to a payment, as a value; and how its journals name themselves."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.charged import Charged
from online.ledger.journal import Journal
from online.payments.domain import Payment
from online.payments.fees import Fee
from online.payments.late import EVENTS as LATE_EVENTS
from online.payments.late import Patience
from online.upi.service import PayLinks

_ASIDE: Final = (*LATE_EVENTS, ev.PaymentUnplacedMoney)


class Effect(msgspec.Struct, frozen=True):
    """`failed`: the payment came to nothing, what it took from limits goes back."""

    events: tuple[Event, ...] = ()
    journals: tuple[Journal, ...] = ()
    failed: bool = False

    @property
    def aside(self) -> bool:
        """Whether it leaves the payment where it is: nothing that belongs to it moves along."""
        return all(isinstance(event, _ASIDE) for event in self.events)


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What postings need to know about the merchant and the moment."""

    pending: Account
    fee: Fee
    holds_until: datetime  # were it authorized now
    charged: Charged | None = None  # by the captures so far; for a reversal
    capturing_minor: int = 0  # by captures under way; for a void that was refused
    extended_to: datetime | None = None  # what a rail that agreed holds it until
    reversing_minor: int = 0  # by a reversal under way; for what the bank returned
    links: PayLinks | None = None  # of a payment whose payer has to act in a UPI app
    patience: Patience = Patience()  # with a rail that does not give late money back
    source: Account | None = None  # that holds the payer's money, where no rail does
    at: datetime

    def owed_by(self, rail: str) -> Account:
        """What a capture is taken from, and a reversal given back to."""
        return self.source or chart.rail_receivable(rail)


class Posted(msgspec.Struct, frozen=True):
    """What is posted, and the rail's own reference where it gave one."""

    kind: str
    legs: recipes.Legs
    rail_reference: str | None = None
    forced: bool = False


def journal(
    payment: Payment,
    attempt: Attempt,
    books: Books,
    posted: Posted,
    late_attempt_id: UUID | None = None,
) -> Journal:
    """Under the attempt's reference, by which the rail's file names it."""
    late = {"late_attempt_id": ids.encode("att", late_attempt_id)} if late_attempt_id else {}
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
            **late,
        },
        forced=posted.forced,
    )
