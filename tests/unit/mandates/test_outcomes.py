"""What a rail's answer, and what the payer does in their app, mean for a mandate; and what a try
that failed means for an execution."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import IST
from online.kernel.errors import IllegalMove, InvalidRequest
from online.mandates import domain, executions, outcomes
from online.mandates.domain import Mandate, MandateNotActive, Status
from online.mandates.executions import Execution, Failure
from online.mandates.rulebook import load_mandate_rules
from online.platform.settings import ROOT
from online.rails.domain import Outcome, OutcomeKind
from online.rails.mandates import RailMandate
from tests.builders import AT, MERCHANT, attempt, uid

RULES = load_mandate_rules(ROOT / "config" / "mandates.yaml")
K, S = OutcomeKind, Status
AGAIN = timedelta(minutes=5)
DAY = date(2026, 3, 10)


def mandate(status: Status = S.ACTIVE, **fields: Any) -> Mandate:
    """Of up to Rs 500 a month, by the merchant's own hand."""
    known: dict[str, Any] = {
        "id": uid("mandate"), "merchant_id": MERCHANT, "customer_id": uid("customer"),
        "status": status, "mcc": "5814", "max_amount_minor": 500_00, "currency": "INR",
        "amount_rule": "max", "frequency": "monthly", "start_on": DAY,
        "end_on": date(2026, 12, 31), "debit_rule": None, "debit_day": None, "amount_minor": None,
        "purpose": "Magazine", "instrument": "hash", "instrument_mask": "as***@khata",
        "attempt_id": uid("attempt"), "rail": "upi_hdfc", "version": 3, "livemode": False,
        "created_at": AT, "updated_at": AT,
    }  # fmt: skip
    return Mandate(**known | fields)


def said(kind: OutcomeKind, operation: str, of: Mandate) -> type | None:
    outcome = Outcome(kind=kind, code="00", rail_reference="umn@khata")
    event = outcomes.event(of, attempt(operation=operation), outcome, AT, AGAIN)
    return None if event is None else type(event)


ANSWERS = [
    # operation, what the mandate is, what the rail says, what follows
    ("mandate", S.CREATED, K.APPROVED, ev.MandateActivated),
    ("mandate", S.CREATED, K.PENDING, ev.MandatePending),
    ("mandate", S.CREATED, K.DECLINED, ev.MandateFailed),
    ("mandate", S.CREATED, K.FAILED, ev.MandateFailed),
    ("mandate", S.CREATED, K.UNKNOWN, None),
    ("mandate", S.CREATED, K.DEEMED, None),
    ("mandate", S.PENDING, K.APPROVED, ev.MandateActivated),
    ("mandate", S.PENDING, K.PENDING, None),
    ("mandate", S.PENDING, K.DECLINED, ev.MandateFailed),
    ("mandate", S.FAILED, K.APPROVED, ev.MandateRevoked),
    ("mandate", S.FAILED, K.DECLINED, None),
    ("mandate", S.REVOKED, K.APPROVED, ev.MandateRevocationDelayed),
    ("mandate", S.REVOKED, K.DECLINED, None),
    ("mandate_revoke", S.REVOKED, K.APPROVED, ev.MandateRevocationTold),
    ("mandate_revoke", S.REVOKED, K.DECLINED, ev.MandateRevocationTold),
    ("mandate_revoke", S.REVOKED, K.FAILED, ev.MandateRevocationDelayed),
    ("mandate_revoke", S.REVOKED, K.UNKNOWN, None),
]


@pytest.mark.parametrize(("operation", "status", "kind", "follows"), ANSWERS)
def test_what_the_rail_says(operation, status, kind, follows):
    assert said(kind, operation, mandate(status)) is follows


def test_a_rail_that_knows_of_the_revocation_needs_no_telling():
    assert said(K.FAILED, "mandate_revoke", mandate(S.REVOKED, told=True)) is None


BY_PAYER = [
    ("revoked", mandate(S.ACTIVE), ev.MandateRevoked),
    ("revoked", mandate(S.PAUSED, paused_by="merchant"), ev.MandateRevoked),
    ("revoked", mandate(S.PENDING), ev.MandateRevoked),
    ("revoked", mandate(S.REVOKED), None),
    ("revoked", mandate(S.EXPIRED), None),
    ("paused", mandate(S.ACTIVE), ev.MandatePaused),
    ("paused", mandate(S.PAUSED, paused_by="merchant"), None),
    ("active", mandate(S.PAUSED, paused_by="payer"), ev.MandateResumed),
    ("active", mandate(S.PAUSED, paused_by="merchant"), None),  # that is ours to undo
    ("active", mandate(S.ACTIVE), None),
    ("pending", mandate(S.ACTIVE), None),
    ("failed", mandate(S.ACTIVE), None),
]


@pytest.mark.parametrize(("status", "of", "follows"), BY_PAYER)
def test_what_the_payer_does_in_their_app(status, of, follows):
    event = outcomes.by_payer(of, RailMandate(reference="att_1", status=status), DAY)
    assert (None if event is None else type(event)) is follows


def test_only_whoever_paused_it_resumes_it():
    resting = mandate(S.PAUSED, paused_by="payer")
    with pytest.raises(IllegalMove, match="the payer paused it"):
        domain.resume(resting, "merchant", DAY)
    assert domain.resume(resting, "payer", DAY).by == "payer"
    with pytest.raises(MandateNotActive):
        domain.pause(resting, "merchant")


@pytest.mark.parametrize("status", [S.CREATED, S.FAILED, S.EXPIRED, S.COMPLETED])
def test_what_is_not_there_or_over_cannot_be_revoked(status):
    with pytest.raises(IllegalMove):
        domain.revoke(mandate(status), "merchant", None)


@pytest.mark.parametrize(
    ("rule", "amount", "fits"),
    [("max", 1, True), ("max", 500_00, True), ("max", 500_01, False),
     ("exact", 499_99, False), ("exact", 500_00, True), ("exact", 500_01, False)],
)  # fmt: skip
def test_amounts(rule, amount, fits):
    of = mandate(amount_rule=rule)
    if fits:
        domain.check_amount(of, amount)
    else:
        with pytest.raises(InvalidRequest):
            domain.check_amount(of, amount)


# ── executions ───────────────────────────────────────────────────────────────────────────


def at(hour: int, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=IST)


def execution(**fields: Any) -> Execution:
    """Of the 10th, told of, with a period until the end of March."""
    known: dict[str, Any] = {
        "id": uid("execution"), "mandate_id": uid("mandate"), "merchant_id": MERCHANT,
        "customer_id": uid("customer"), "status": executions.Status.NOTIFIED,
        "amount_minor": 499_00, "currency": "INR", "period": date(2026, 3, 1), "debit_on": DAY,
        "until_on": date(2026, 3, 31), "notice_at": AT, "scheduled_by": "merchant", "version": 2,
        "livemode": False, "created_at": AT, "updated_at": AT,
    }  # fmt: skip
    return Execution(**known | fields)


POOR = Failure(
    code="insufficient_funds",
    decline_code="insufficient_funds",
    payment_id=ids.encode("pay", uid("payment")),
)


def test_a_try_that_may_go_better_later_is_tried_again():
    event = executions.failed(execution(tried=1), POOR, at(8), RULES)
    assert isinstance(event, ev.ExecutionTryFailed)
    assert event.next_try_at == at(9)


@pytest.mark.parametrize(
    ("of", "failure", "hour"),
    [
        (execution(tried=4), POOR, 8),
        (execution(tried=1, until_on=DAY), POOR, 23),  # tomorrow is another period
        (execution(tried=1), replace(POOR, code="x", decline_code="account_blocked"), 8),
        (execution(tried=1), replace(POOR, code="fraud_blocked", decline_code=None), 8),
    ],
)
def test_the_last_one_or_one_without_hope_is_final(of, failure, hour):
    assert isinstance(executions.failed(of, failure, at(hour), RULES), ev.ExecutionFailed)


def test_a_refusal_without_a_payment_is_a_try():
    refused = Failure(code="limit_exceeded")
    event = executions.failed(execution(tried=2), refused, at(8), RULES)
    assert isinstance(event, ev.ExecutionTryFailed)
    assert isinstance(executions.failed(execution(tried=3), refused, at(8), RULES),
                      ev.ExecutionFailed)  # fmt: skip


def test_what_could_not_be_tried_comes_round_while_its_period_lasts():
    event = executions.put_off(execution(), "route_unavailable", at(8), RULES)
    assert isinstance(event, ev.ExecutionPutOff)
    assert event.next_try_at == at(8) + timedelta(minutes=5)
    over = executions.put_off(
        execution(until_on=DAY - timedelta(days=1)), "route_unavailable", at(8), RULES
    )
    assert isinstance(over, ev.ExecutionFailed)


@pytest.mark.parametrize(
    ("tried", "day", "is_missed"),
    [(0, DAY, False), (0, DAY + timedelta(days=1), True), (1, DAY + timedelta(days=1), False),
     (1, date(2026, 3, 31), False), (1, date(2026, 4, 1), True)],
)  # fmt: skip
def test_the_first_try_belongs_to_the_day_that_was_told(tried, day, is_missed):
    assert executions.missed(execution(tried=tried), at(8, day)) is is_missed
