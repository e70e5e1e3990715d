"""What a rail's outcome, or a payer's own doing at the rail, means for a mandate. Pure."""

from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Event
from online.mandates import domain
from online.mandates.calendar import DebitRule, Frequency
from online.mandates.domain import ALIVE, ASKED, Mandate, Status
from online.merchants.domain import Merchant
from online.rails.domain import Outcome, OutcomeKind
from online.rails.mandates import RailMandate


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer is asked to permit; amounts in minor units, days of India."""

    max_amount_minor: int
    amount_rule: Literal["exact", "max"]
    frequency: Frequency
    start_on: date
    end_on: date
    purpose: str
    debit_rule: DebitRule | None = None
    debit_day: int | None = None
    amount_minor: int | None = None  # debited by itself on every debit day


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked: the customer, and what stands for their VPA everywhere but at the rail."""

    customer_id: UUID
    key: str
    mask: str
    handle_id: str | None = None


def created(terms: Terms, payer: Payer, merchant: Merchant) -> ev.MandateCreated:
    return ev.MandateCreated(
        merchant_id=ids.encode("mrc", merchant.id),
        customer_id=ids.encode("cus", payer.customer_id),
        mcc=merchant.mcc,
        max_amount=terms.max_amount_minor,
        currency="INR",
        amount_rule=terms.amount_rule,
        frequency=terms.frequency.value,
        start_on=terms.start_on,
        end_on=terms.end_on,
        purpose=terms.purpose,
        instrument=payer.key,
        instrument_mask=payer.mask,
        debit_rule=terms.debit_rule.value if terms.debit_rule else None,
        debit_day=terms.debit_day,
        amount=terms.amount_minor,
        handle_id=payer.handle_id,
    )


def event(
    mandate: Mandate, attempt: Attempt, outcome: Outcome, now: datetime, again: timedelta
) -> Event | None:
    """None where it changes nothing, or nothing is known yet."""
    if attempt.operation == "mandate_revoke":
        return _told(mandate, attempt, outcome, now, again)
    if mandate.status in ASKED:
        return _asked(mandate, attempt, outcome, business_date(now))
    if outcome.kind is not OutcomeKind.APPROVED:
        return None
    # The payer agreed to what is over here: the rail is told so.
    if mandate.status is Status.FAILED:
        return ev.MandateRevoked(by="khata")
    return ev.MandateRevocationDelayed(attempt_id=attempt.reference, again_at=now)


def _asked(mandate: Mandate, attempt: Attempt, outcome: Outcome, today: date) -> Event | None:
    match outcome.kind:
        case OutcomeKind.APPROVED:
            return ev.MandateActivated(
                attempt_id=attempt.reference,
                umn=outcome.rail_reference,
                next_debit_on=domain.first_debit(mandate, today),
            )
        case OutcomeKind.PENDING:
            action = msgspec.to_builtins(outcome.next_action) if outcome.next_action else {}
            if mandate.status is Status.PENDING and not action:
                return None
            return ev.MandatePending(
                attempt_id=attempt.reference, next_action=action or {"type": "wait"}
            )
        case OutcomeKind.DECLINED | OutcomeKind.FAILED:
            declined = outcome.kind is OutcomeKind.DECLINED
            return ev.MandateFailed(
                attempt_id=attempt.reference,
                code="mandate_declined" if declined else "rail_failed",
                decline_code=outcome.decline_code,
                message=outcome.message,
            )
        case _:
            return None


def _told(
    mandate: Mandate, attempt: Attempt, outcome: Outcome, now: datetime, again: timedelta
) -> Event | None:
    """A rail that knows no such mandate, or that it is over, needs no telling."""
    if mandate.status is not Status.REVOKED or mandate.told:
        return None
    match outcome.kind:
        case OutcomeKind.APPROVED | OutcomeKind.DECLINED:
            return ev.MandateRevocationTold(attempt_id=attempt.reference)
        case OutcomeKind.FAILED:
            return ev.MandateRevocationDelayed(
                attempt_id=attempt.reference, again_at=now + again, code=outcome.code
            )
        case _:
            return None


def by_payer(mandate: Mandate, told: RailMandate, today: date) -> Event | None:
    """What the payer did in their app, as the rail has it now."""
    match told.status:
        case "revoked" if mandate.status in (*ALIVE, Status.PENDING):
            return ev.MandateRevoked(by="payer")
        case "paused" if mandate.status is Status.ACTIVE:
            return domain.pause(mandate, "payer")
        case "active" if mandate.status is Status.PAUSED and mandate.paused_by == "payer":
            return domain.resume(mandate, "payer", today)
        case _:
            return None
