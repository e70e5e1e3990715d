"""The tables of payouts and beneficiaries, and what each answer of the bank does."""

from datetime import timedelta

import msgspec
import pytest

from online.attempts.domain import Status as AttemptStatus
from online.kernel import events as ev
from online.payouts import beneficiary as whom  # online.payouts.beneficiary
from online.payouts import outcomes
from online.payouts.domain import OVER, TRANSITIONS, Payout, Status, apply  # online.payouts.domain
from online.rails.domain import Outcome, OutcomeKind
from tests.builders import AT, MERCHANT, an, attempt, occurred, uid
from tests.unit.machines import as_rows

PAYABLE_LEGS = {-600, 600}


def test_the_payout_table():
    """`online.payouts.domain`"""
    assert as_rows(TRANSITIONS) == {
        "nothing": {"created": "scheduled"},
        "scheduled": {"sent": "processing", "failed": "failed", "canceled": "canceled"},
        "processing": {
            "unknown": "unknown",
            "paid": "paid",
            "declined": "declined",
            "failed": "failed",
        },
        "unknown": {"paid": "paid", "declined": "declined", "failed": "failed"},
        "declined": {"paid": "paid"},
        "failed": {"paid": "paid"},
        "paid": {"returned": "returned"},
    }


def test_the_beneficiary_table():
    """`online.payouts.beneficiary`"""
    always = {"changed": "pending", "disabled": "disabled"}
    assert as_rows(whom.TRANSITIONS) == {
        "nothing": {"added": "pending"},
        "pending": {
            "check_sent": "pending",
            "verified": "verified",
            "rejected": "rejected",
            **always,
        },
        "verified": {"cooling_began": "cooling", **always},
        "cooling": {"activated": "usable", **always},
        "usable": always,
        "rejected": always,
    }


def test_a_change_is_another_edition_of_which_nothing_is_known():
    added = whom.apply(None, occurred(an(ev.BeneficiaryAdded, full=True)))
    verified = whom.apply(added, occurred(an(ev.BeneficiaryVerified), version=2))
    cooling = whom.apply(verified, occurred(an(ev.BeneficiaryCoolingBegan), version=3))
    assert (cooling.edition, cooling.name_score, cooling.usable_from) == (1, 7, AT)
    changed = whom.apply(cooling, occurred(an(ev.BeneficiaryChanged), version=4))
    assert (changed.edition, changed.name_score, changed.usable_from) == (2, None, None)
    assert changed.status is whom.Status.PENDING
    assert changed.subject != cooling.subject


def test_cooling_is_over_at_its_instant():
    added = whom.apply(None, occurred(an(ev.BeneficiaryAdded)))
    cooling = msgspec.structs.replace(added, status=whom.Status.COOLING, usable_from=AT)
    assert not cooling.is_usable(AT - timedelta(microseconds=1))
    assert cooling.is_usable(AT)
    for status in set(whom.Status) - {whom.Status.COOLING, whom.Status.USABLE}:
        assert not msgspec.structs.replace(cooling, status=status).is_usable(AT)


def payout(status: Status = Status.PROCESSING, **fields: object) -> Payout:
    created = apply(None, occurred(an(ev.PayoutCreated, amount=600, full=True)))
    return msgspec.structs.replace(created, status=status, attempt_id=uid("attempt"), **fields)


def sent(status: AttemptStatus = AttemptStatus.SENT):
    return attempt(
        payment_id=None,
        operation="payout",
        amount_minor=600,
        rail="bank_hdfc",
        order_id=payout().payout_id,
        status=status,
    )


def said(kind: OutcomeKind, code: str = "00") -> Outcome:
    return Outcome(kind=kind, code=code, rail_reference="123456789012")


@pytest.mark.parametrize(
    ("kind", "event", "journal", "is_over"),
    [
        (OutcomeKind.APPROVED, ev.PayoutPaid, None, False),
        (OutcomeKind.DECLINED, ev.PayoutDeclined, "payout_returned", True),
        (OutcomeKind.FAILED, ev.PayoutFailed, "payout_returned", True),
        (OutcomeKind.PENDING, None, None, False),
        (OutcomeKind.UNKNOWN, ev.PayoutUnknown, None, False),
        (OutcomeKind.NOT_FOUND, ev.PayoutUnknown, None, False),
    ],
)
def test_what_an_answer_does(kind, event, journal, is_over):
    effect = outcomes.effect(payout(), sent(), said(kind), AT)
    assert type(effect.event) is (event or type(None))
    assert (effect.journal.kind if effect.journal else None) == journal
    assert effect.is_over is is_over


@pytest.mark.parametrize("kind", [OutcomeKind.UNKNOWN, OutcomeKind.PENDING])
def test_not_knowing_twice_is_no_news(kind):
    effect = outcomes.effect(payout(Status.UNKNOWN), sent(), said(kind), AT)
    assert (effect.event, effect.journal) == (None, None)


@pytest.mark.parametrize("before", [Status.DECLINED, Status.FAILED])
def test_a_late_yes_takes_the_money_whatever_is_left_of_it(before):
    over = sent(AttemptStatus.DECLINED)
    effect = outcomes.effect(payout(before, code="05"), over, said(OutcomeKind.APPROVED), AT)
    assert isinstance(effect.event, ev.PayoutPaid)
    assert effect.journal is not None
    assert (effect.journal.kind, effect.journal.forced) == ("payout_found", True)
    legs = {posting.account.code: posting.amount_minor for posting in effect.journal.postings}
    assert set(legs.values()) == PAYABLE_LEGS
    assert legs["payouts:bank_hdfc:in_transit"] == 600


def test_journals_say_no_more_than_may_be_shown():
    one = payout(mask="XXXX0001", ifsc="UTIB0000123", reference="INV-7")
    about = outcomes.payout_sent(one, sent(), AT).metadata
    assert about == {
        "payout_id": one.payout_id,
        "payout_reference": "INV-7",
        "beneficiary_mask": "XXXX0001",
        "beneficiary_ifsc": "UTIB0000123",
        "beneficiary_last4": "0001",
    }


def test_every_end_is_over():
    assert {Status.SCHEDULED, Status.PROCESSING, Status.UNKNOWN} == set(Status) - OVER
    assert payout().merchant_id == MERCHANT
