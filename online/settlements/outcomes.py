"""What a settlement and its payout mean for the books. Pure."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.journal import Journal
from online.rails.domain import Beneficiary, Outcome, OutcomeKind
from online.settlements.domain import Settlement, Status


class Effect(msgspec.Struct, frozen=True):
    """No event means that the settlement stays as it is, whatever is posted."""

    event: Event | None = None
    journal: Journal | None = None


def settled(
    settlement: Settlement, pending: Account, at: datetime, *, tds_section: str | None = None
) -> Journal:
    """What the period owes leaves the merchant's pending balance."""
    legs = recipes.settlement(
        settlement.merchant_id,
        pending,
        payout=settlement.payout_minor,
        reserve=settlement.reserve_minor,
        tranche=settlement.reference,
        tds=settlement.tds_minor,
    )
    about = {"tds_section": tds_section} if settlement.tds_minor and tds_section else {}
    cause, reference = settlement.id, settlement.reference
    return _journal(settlement, "settlement", cause, reference, legs, at=at, about=about)


def reserve_released(settlement: Settlement, pending: Account, at: datetime) -> Journal:
    """What was held back of a settlement can be settled again."""
    legs = recipes.reserve_released(
        settlement.merchant_id, pending, settlement.reference, settlement.reserve_minor
    )
    kind, reference = "reserve_released", settlement.reference
    return _journal(settlement, kind, settlement.id, reference, legs, at=at)


def sent(attempt: Attempt) -> ev.SettlementPayoutSent:
    return ev.SettlementPayoutSent(attempt_id=attempt.reference, amount=attempt.amount_minor)


def payout_sent(settlement: Settlement, attempt: Attempt, at: datetime, to: Beneficiary) -> Journal:
    """Says which bank and account, as far as a statement may show it."""
    legs = recipes.payout_sent(settlement.merchant_id, attempt.rail, attempt.amount_minor)
    about = {"beneficiary_ifsc": to.ifsc, "beneficiary_last4": to.account[-4:]}
    cause, reference = attempt.id, attempt.reference
    return _journal(settlement, "payout_sent", cause, reference, legs, at=at, about=about)


def payout_returned(settlement: Settlement, attempt: Attempt, at: datetime) -> Journal:
    """It never left: the money is the merchant's again, to be paid out once more."""
    legs = recipes.payout_returned(settlement.merchant_id, attempt.rail, attempt.amount_minor)
    kind, reference = "payout_returned", attempt.reference
    return _journal(settlement, kind, attempt.id, reference, legs, at=at)


def payout_sent_back(settlement: Settlement, attempt: Attempt, at: datetime) -> Journal:
    """It left, and the bank's statement has it again."""
    legs = recipes.payout_returned(settlement.merchant_id, attempt.rail, attempt.amount_minor)
    kind, reference = "payout_sent_back", attempt.reference
    return _journal(settlement, kind, attempt.id, reference, legs, at=at)


def effect(settlement: Settlement, attempt: Attempt, outcome: Outcome, at: datetime) -> Effect:
    """What the bank's answer to a payout does."""
    match outcome.kind:
        case OutcomeKind.APPROVED if not attempt.is_open:
            return _late(settlement, attempt, outcome, at)
        case OutcomeKind.APPROVED:
            paid = ev.SettlementPaid(attempt_id=attempt.reference, utr=outcome.rail_reference)
            return Effect(paid)
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            failed = ev.SettlementPayoutFailed(attempt_id=attempt.reference, code=outcome.code)
            return Effect(failed, payout_returned(settlement, attempt, at))
        case _:
            return Effect()


def _late(settlement: Settlement, attempt: Attempt, outcome: Outcome, at: datetime) -> Effect:
    """Paid by the bank after it had counted as failed: as it was meant, unless it was sent again
    meanwhile; then it waits in suspense, under the attempt's reference."""
    own = settlement.payout_attempt_id == attempt.id
    if own and settlement.status is Status.PAYOUT_FAILED:
        legs = recipes.payout_sent(settlement.merchant_id, attempt.rail, attempt.amount_minor)
        paid = ev.SettlementPaid(attempt_id=attempt.reference, utr=outcome.rail_reference)
        found = _journal(
            settlement, "payout_found", attempt.id, attempt.reference, legs, at=at, forced=True
        )
        return Effect(paid, found)
    legs = recipes.unplaced_payout(attempt.rail, attempt.amount_minor)
    kind, reference = "unplaced_payout", attempt.reference
    return Effect(None, _journal(settlement, kind, attempt.id, reference, legs, at=at))


def _journal(
    settlement: Settlement,
    kind: str,
    cause: UUID,
    reference: str,
    legs: recipes.Legs,
    *,
    at: datetime,
    about: Mapping[str, str] = MappingProxyType({}),
    forced: bool = False,
) -> Journal:
    started = settlement.starts_at
    first = {"period_start": business_date(started).isoformat()} if started else {}
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
            "settlement_id": settlement.reference,
            "settled_date": settlement.business_date.isoformat(),
            **first,
            **about,
        },
        forced=forced,
    )
