"""What a payout, or the penny that verifies an account, means for the books. Pure."""

from datetime import datetime
from typing import Any

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.ledger import recipes
from online.ledger.journal import Journal
from online.payouts.beneficiary import Beneficiary
from online.payouts.domain import Payout, Status
from online.rails.domain import Outcome, OutcomeKind


class Effect(msgspec.Struct, frozen=True):
    """No event means that the payout stays as it is, whatever is posted. `is_over`: it came to
    nothing, and what it holds of limits goes back."""

    event: Event | None = None
    journal: Journal | None = None
    is_over: bool = False


def payout_sent(payout: Payout, attempt: Attempt, at: datetime) -> Journal:
    """The merchant's money is on its way; refused where there is not enough of it."""
    legs = recipes.payout_sent(payout.merchant_id, attempt.rail, attempt.amount_minor)
    return _journal("payout_sent", attempt, legs, at, about=_about(payout))


def payout_returned(payout: Payout, attempt: Attempt, at: datetime) -> Journal:
    """It never left: the money is the merchant's again."""
    legs = recipes.payout_returned(payout.merchant_id, attempt.rail, attempt.amount_minor)
    return _journal("payout_returned", attempt, legs, at, about=_about(payout))


def payout_sent_back(payout: Payout, attempt: Attempt, at: datetime) -> Journal:
    """It left, and the bank's statement has it again."""
    legs = recipes.payout_returned(payout.merchant_id, attempt.rail, attempt.amount_minor)
    return _journal("payout_sent_back", attempt, legs, at, about=_about(payout))


def effect(payout: Payout, attempt: Attempt, outcome: Outcome, at: datetime) -> Effect:
    """What the bank's answer to a payout does."""
    about: dict[str, Any] = {"attempt_id": attempt.reference}
    match outcome.kind:
        case OutcomeKind.APPROVED:
            paid = ev.PayoutPaid(**about, utr=outcome.rail_reference)
            return Effect(paid, None if attempt.is_open else _found(payout, attempt, at))
        case OutcomeKind.DECLINED:
            declined = ev.PayoutDeclined(**about, code=outcome.decline_code or outcome.code)
            return Effect(declined, payout_returned(payout, attempt, at), is_over=True)
        case OutcomeKind.FAILED:
            failed = ev.PayoutFailed(**about, code=outcome.decline_code or outcome.code)
            return Effect(failed, payout_returned(payout, attempt, at), is_over=True)
        case OutcomeKind.PENDING:
            return Effect()
        case _ if payout.status is Status.PROCESSING:
            return Effect(ev.PayoutUnknown(**about, code=outcome.code))
        case _:
            return Effect()


def _found(payout: Payout, attempt: Attempt, at: datetime) -> Journal:
    """Paid by the bank after it had counted as failed: as it was meant, whatever the merchant has
    done with the money meanwhile."""
    legs = recipes.payout_sent(payout.merchant_id, attempt.rail, attempt.amount_minor)
    return _journal("payout_found", attempt, legs, at, about=_about(payout), forced=True)


def penny_sent(beneficiary: Beneficiary, attempt: Attempt, at: datetime) -> Journal:
    """Out of our own pocket."""
    legs = recipes.own_payout_sent(attempt.rail, attempt.amount_minor)
    return _journal("payout_sent", attempt, legs, at, about=_verifying(beneficiary))


def penny_returned(beneficiary: Beneficiary, attempt: Attempt, at: datetime) -> Journal:
    legs = recipes.own_payout_returned(attempt.rail, attempt.amount_minor)
    return _journal("payout_returned", attempt, legs, at, about=_verifying(beneficiary))


def penny_sent_back(beneficiary: Beneficiary, attempt: Attempt, at: datetime) -> Journal:
    legs = recipes.own_payout_returned(attempt.rail, attempt.amount_minor)
    return _journal("payout_sent_back", attempt, legs, at, about=_verifying(beneficiary))


def penny_found(beneficiary: Beneficiary, attempt: Attempt, at: datetime) -> Journal:
    legs = recipes.own_payout_sent(attempt.rail, attempt.amount_minor)
    return _journal("payout_found", attempt, legs, at, about=_verifying(beneficiary))


def _about(payout: Payout) -> dict[str, str]:
    """Which payout, and where to, as far as a statement may show it."""
    about = {"payout_id": payout.payout_id, "beneficiary_mask": payout.mask}
    if payout.reference is not None:
        about["payout_reference"] = payout.reference
    if payout.ifsc is not None:
        about |= {"beneficiary_ifsc": payout.ifsc, "beneficiary_last4": payout.mask[-4:]}
    return about


def _verifying(beneficiary: Beneficiary) -> dict[str, str]:
    return {"beneficiary_id": beneficiary.reference, "beneficiary_mask": beneficiary.mask}


def _journal(
    kind: str,
    attempt: Attempt,
    legs: recipes.Legs,
    at: datetime,
    *,
    about: dict[str, str],
    forced: bool = False,
) -> Journal:
    return Journal(
        cause=attempt.id,
        kind=kind,
        currency=attempt.currency,
        postings=legs,
        business_date=business_date(at),
        effective_at=at,
        livemode=attempt.livemode,
        reference=attempt.reference,
        merchant_id=attempt.merchant_id,
        metadata=about,
        forced=forced,
    )
