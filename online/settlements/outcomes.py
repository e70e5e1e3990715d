"""What a settlement and its payout mean for the books. Pure."""

from datetime import datetime
from typing import Final
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
from online.merchants.domain import Merchant
from online.rails.domain import Beneficiary, Outcome, OutcomeKind
from online.settlements.domain import Settlement

# Merchants have no bank account on file yet: the sandbox pays into one made from their id.
_SANDBOX_IFSC: Final = "HDFC0000001"


class Effect(msgspec.Struct, frozen=True):
    """No event means that only the attempt moves: the payout stays out."""

    event: Event | None = None
    journal: Journal | None = None


def settled(settlement: Settlement, pending: Account, at: datetime) -> Journal:
    """What the day owes leaves the merchant's pending balance."""
    legs = recipes.settlement(settlement.merchant_id, pending, settlement.net_minor)
    reference = ids.encode("stl", settlement.id)
    return _journal(settlement, "settlement", settlement.id, reference, legs, at=at)


def payout_sent(settlement: Settlement, attempt: Attempt, at: datetime) -> Journal:
    legs = recipes.payout_sent(settlement.merchant_id, attempt.rail, attempt.amount_minor)
    return _journal(settlement, "payout_sent", attempt.id, attempt.reference, legs, at=at)


def effect(settlement: Settlement, attempt: Attempt, outcome: Outcome, at: datetime) -> Effect:
    """What the bank's answer to a payout does."""
    match outcome.kind:
        case OutcomeKind.APPROVED:
            paid = ev.SettlementPaid(attempt_id=attempt.reference, utr=outcome.rail_reference)
            return Effect(paid)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            legs = recipes.payout_returned(
                settlement.merchant_id, attempt.rail, attempt.amount_minor
            )
            reference = attempt.reference
            return Effect(
                ev.SettlementPayoutFailed(attempt_id=reference, code=outcome.code),
                _journal(settlement, "payout_returned", attempt.id, reference, legs, at=at),
            )
        case _:
            return Effect()


def beneficiary(merchant: Merchant) -> Beneficiary:
    digits = f"{merchant.id.int % 10**14:014d}"
    name = "".join(filter(str.isprintable, merchant.name))[:100]
    return Beneficiary(account=digits, ifsc=_SANDBOX_IFSC, name=name or digits)


def _journal(
    settlement: Settlement,
    kind: str,
    cause: UUID,
    reference: str,
    legs: recipes.Legs,
    *,
    at: datetime,
) -> Journal:
    return Journal(
        cause=cause,
        kind=kind,
        currency=settlement.currency,
        postings=legs,
        business_date=business_date(at),
        effective_at=at,
        livemode=settlement.livemode,
        reference=reference,
        merchant_id=settlement.merchant_id,
        metadata={
            "settlement_id": ids.encode("stl", settlement.id),
            "settled_date": settlement.business_date.isoformat(),
        },
    )
