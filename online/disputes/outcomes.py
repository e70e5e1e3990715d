"""What each step of a dispute is written down as: event, postings, and what risk learns. Pure.

Every journal here is forced: a bank has taken the money already, and books that refused it for
want of a balance would only be wrong.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from online.disputes.domain import Dispute, News, Status
from online.disputes.terms import FRAUDULENT, About, Terms
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event, Metadata
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal
from online.payments.domain import Payment
from online.payments.fees import Fee, FeeTable, taxed
from online.risk.labels import Subject, Told, Word, told


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What deciding and posting need to know beside the dispute itself."""

    rail: str
    payment: Payment
    pending: Account
    state_code: str  # of the merchant: decides between IGST and CGST + SGST
    terms: Terms
    fees: FeeTable
    at: datetime
    subject: Subject | None = None  # the payment as risk's labels know it
    others_stand: bool = False  # another dispute of the payment says fraud and is not won
    late: bool = False  # it is about money that came too late to be the merchant's

    @property
    def about(self) -> About:
        network = (self.payment.card or {}).get("network")
        return About(rail=self.rail, method=self.payment.method, network=network)

    @property
    def fee(self) -> Fee:
        """Of losing on that day, with its GST."""
        day = business_date(self.at)
        fee_minor = self.terms.fee_minor(self.about, day)
        return taxed(self.fees, fee_minor, day=day, state_code=self.state_code)


def event(step: type[Event], news: News, facts: Facts) -> Event:
    """The event of one step that `news` brings."""
    if step is ev.DisputeOpened:
        return ev.DisputeOpened(
            payment_id=ids.encode("pay", facts.payment.id),
            merchant_id=ids.encode("mrc", facts.payment.merchant_id),
            attempt_id=news.original_reference,
            rail=news.rail,
            rail_reference=news.reference,
            reason_code=news.reason_code,
            reason=facts.terms.reason(news.reason_code),
            amount=news.amount_minor,
            currency=news.currency,
            respond_by=news.respond_by or facts.terms.respond_by(facts.about, facts.at),
        )
    if step is ev.DisputeLost and facts.late:
        return ev.DisputeLost(fee=0, tax=0)
    if step is ev.DisputeLost:
        fee = facts.fee
        return ev.DisputeLost(fee=fee.fee_minor, tax=fee.tax.total_minor)
    return ev.DisputeWon()


def journals(step: type[Event], dispute: Dispute, facts: Facts) -> tuple[Journal, ...]:
    """What a step posts; `dispute` is as the step leaves it."""
    entry = _Entry(dispute, facts)
    merchant, amount = dispute.merchant_id, dispute.amount_minor
    if facts.late:
        # No merchant's money is at stake; what the rail takes back beyond its return is unplaced.
        legs = recipes.unplaced_return(dispute.rail, amount)
        lost = entry.journal("unplaced_chargeback", legs, reference=dispute.rail_reference)
        return (lost,) if step is ev.DisputeLost else ()
    if step is ev.DisputeOpened:
        legs = recipes.dispute_opened(merchant, facts.pending, amount)
        return (entry.journal("dispute_opened", legs),)
    if step is ev.DisputeWon:
        legs = recipes.dispute_won(merchant, facts.pending, amount)
        return (entry.journal("dispute_won", legs),)
    # The rail's file names it by the rail's own reference: that is how the two are matched.
    legs = recipes.dispute_lost(merchant, dispute.rail, amount)
    lost = entry.journal("dispute_lost", legs, reference=dispute.rail_reference)
    fee = facts.fee
    charged = recipes.dispute_fee(facts.pending, fee.fee_minor, fee.tax)
    return (lost, entry.journal("dispute_fee", charged)) if charged else (lost,)


class _Entry(msgspec.Struct, frozen=True):
    """What every journal of a dispute says about itself."""

    dispute: Dispute
    facts: Facts

    def journal(self, kind: str, legs: recipes.Legs, reference: str | None = None) -> Journal:
        dispute, at = self.dispute, self.facts.at
        return Journal(
            cause=dispute.id,
            kind=kind,
            currency=dispute.currency,
            postings=legs,
            business_date=business_date(at),
            effective_at=at,
            livemode=dispute.livemode,
            reference=reference or dispute.reference,
            merchant_id=dispute.merchant_id,
            metadata={
                "payment_id": ids.encode("pay", dispute.payment_id),
                "dispute_id": dispute.reference,
                "attempt_id": ids.encode("att", dispute.attempt_id),
                "rail": dispute.rail,
                "rail_reference": dispute.rail_reference,
                "method": self.facts.payment.method,
            },
            forced=True,
        )


def says_fraud(dispute: Dispute) -> bool:
    return dispute.reason == FRAUDULENT and dispute.status is not Status.WON


def labels(
    steps: Sequence[type[Event]], dispute: Dispute, facts: Facts, metadata: Metadata
) -> Told | None:
    """What risk learns: fraud by a dispute about fraud that is opened or lost; none after all by
    one that is won, unless another one says so still."""
    if dispute.reason != FRAUDULENT or facts.subject is None:
        return None
    word = Word(
        fraud=ev.DisputeWon not in steps or facts.others_stand,
        source="dispute",
        at=facts.at,
        metadata=msgspec.structs.replace(metadata, causation_id=dispute.reference),
    )
    return told(facts.subject, word)
