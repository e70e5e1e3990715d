"""A refund's transition table, and what each outcome means."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import msgspec
import pytest

from online.attempts.domain import Attempt
from online.attempts.domain import Status as AttemptStatus
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from online.kernel.events import Occurred
from online.ledger.accounts import customer_lite, merchant_pending
from online.ledger.recipes import Tax
from online.payments.domain import Payment
from online.payments.domain import Status as PaymentStatus
from online.rails.domain import Outcome, OutcomeKind
from online.refunds import outcomes
from online.refunds.domain import TERMINAL, TRANSITIONS, Refund, Status, apply

AT = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)
PAYMENT, REFUND, ATTEMPT, MERCHANT = (UUID(int=n) for n in (1, 2, 3, 4))
CREATED = ev.RefundCreated(
    payment_id=ids.encode("pay", PAYMENT),
    merchant_id=ids.encode("mrc", MERCHANT),
    amount=600,
    currency="INR",
    attempt_id=ids.encode("att", ATTEMPT),
    rail="upi_hdfc",
    reason="wrong size",
)
EVENTS = (
    CREATED,
    ev.RefundSucceeded(rail_reference="123456789012", fee_returned=5, tax_returned=1),
    ev.RefundFailed(code="05"),
    ev.RefundUnknown(code="no_answer"),
)


def occurred(event: ev.Event, version: int = 1) -> Occurred:
    return Occurred(
        aggregate_id=REFUND,
        version=version,
        at=AT,
        merchant_id=MERCHANT,
        livemode=False,
        event=event,
    )


def refund(status: Status = Status.PENDING) -> Refund:
    return msgspec.structs.replace(apply(None, occurred(CREATED)), status=status)


def payment(refunded: int = 0, asked: int = 600) -> Payment:
    return Payment(
        id=PAYMENT,
        intent_id=None,
        merchant_id=MERCHANT,
        customer_id=None,
        status=PaymentStatus.CAPTURED,
        amount_minor=1_000,
        currency="INR",
        method="upi",
        capture_method="automatic",
        priority="balanced",
        instrument=None,
        instrument_mask=None,
        device_id=None,
        authorized_minor=1_000,
        captured_minor=1_000,
        refunded_minor=refunded,
        refund_open_minor=asked,
        version=5,
        livemode=False,
        created_at=AT,
        updated_at=AT,
    )


def attempt(status: AttemptStatus = AttemptStatus.SENT) -> Attempt:
    return Attempt(
        id=ATTEMPT,
        payment_id=PAYMENT,
        refund_id=REFUND,
        settlement_id=None,
        merchant_id=MERCHANT,
        operation="refund",
        status=status,
        amount_minor=600,
        currency="INR",
        route="upi_hdfc",
        rail="upi_hdfc",
        rail_reference=None,
        original_id=None,
        code=None,
        enquiries=0,
        next_enquiry_at=None,
        sent_at=AT,
        version=1,
        livemode=False,
    )


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_the_table_says_every_move_and_no_other(status, event):
    state = None if status is None else refund(status)
    if (status, type(event)) in TRANSITIONS:
        moved = apply(state, occurred(event, 2))
        assert moved.status is TRANSITIONS[status, type(event)]
        assert moved.version == 2
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, 2))


def test_every_status_is_reached_and_terminal_ones_have_no_exit():
    assert set(TRANSITIONS.values()) == set(Status)
    assert {status for status, _ in TRANSITIONS} - {None} == set(Status) - TERMINAL


@pytest.mark.parametrize("event", EVENTS[1:])
def test_events_carry_what_the_row_shows(event):
    row = apply(refund(), occurred(event, 2))
    assert row.rail_reference == getattr(event, "rail_reference", None)
    assert row.failure_code == (event.code if isinstance(event, ev.RefundFailed) else None)
    back = (row.fee_returned_minor, row.tax_returned_minor)
    assert back == ((5, 1) if isinstance(event, ev.RefundSucceeded) else (0, 0))


OWN = merchant_pending(MERCHANT, 0)
BOOKS = outcomes.Books(pending=OWN, source=OWN, at=AT)
PENDING = OWN.code


@pytest.mark.parametrize(
    ("kind", "status", "of_refund", "of_payment", "posted"),
    [
        (
            OutcomeKind.APPROVED,
            Status.PENDING,
            ev.RefundSucceeded,
            ev.PaymentPartiallyRefunded,
            {"refunds:upi_hdfc:payable": -600, "rail:upi_hdfc:receivable": 600},
        ),
        (
            OutcomeKind.DECLINED,
            Status.UNKNOWN,
            ev.RefundFailed,
            ev.PaymentRefundFailed,
            {"refunds:upi_hdfc:payable": -600, PENDING: 600},
        ),
        (
            OutcomeKind.FAILED,
            Status.PENDING,
            ev.RefundFailed,
            ev.PaymentRefundFailed,
            {"refunds:upi_hdfc:payable": -600, PENDING: 600},
        ),
        (OutcomeKind.UNKNOWN, Status.PENDING, ev.RefundUnknown, None, None),
        (OutcomeKind.UNKNOWN, Status.UNKNOWN, None, None, None),
        (OutcomeKind.PENDING, Status.PENDING, None, None, None),
    ],
)
def test_what_an_outcome_means(kind, status, of_refund, of_payment, posted):
    outcome = Outcome(kind=kind, code="00", rail_reference="123456789012")
    effect = outcomes.effect(refund(status), payment(), attempt(), outcome, BOOKS)
    assert (type(effect.refund) if effect.refund else None) is of_refund
    assert [type(e) for e in effect.payment] == ([of_payment] if of_payment else [])
    if posted is None:
        assert effect.journals == ()
    else:
        (journal,) = effect.journals
        assert {p.account.code: p.amount_minor for p in journal.postings} == posted
        assert (journal.cause, journal.reference) == (ATTEMPT, attempt().reference)


def test_into_a_wallet_it_goes_above_the_ceiling_too():
    books = msgspec.structs.replace(BOOKS, wallet=customer_lite(PAYMENT, 500))
    done = Outcome(kind=OutcomeKind.APPROVED, code="00")
    (journal,) = outcomes.effect(refund(), payment(), attempt(), done, books).journals
    assert {p.account.code: p.amount_minor for p in journal.postings} == {
        "refunds:upi_hdfc:payable": -600, customer_lite(PAYMENT).code: 600,
    }  # fmt: skip
    assert (journal.kind, journal.forced) == ("refund_to_wallet", True)


def test_a_fee_that_goes_back_is_a_journal_of_its_own_at_confirmation_alone():
    books = msgspec.structs.replace(BOOKS, fee_back=100, tax_back=Tax(cgst_minor=9, sgst_minor=9))
    approved = Outcome(kind=OutcomeKind.APPROVED, code="00")
    effect = outcomes.effect(refund(), payment(), attempt(), approved, books)
    assert effect.refund == ev.RefundSucceeded(fee_returned=100, tax_returned=18)
    confirmed, back = effect.journals
    assert (confirmed.kind, back.kind) == ("refund_confirmed", "fee_returned")
    assert (back.cause, back.reference) == (ATTEMPT, attempt().reference)
    assert {p.account.code: p.amount_minor for p in back.postings} == {
        "fees:mdr": -100, "tax:cgst": -9, "tax:sgst": -9, PENDING: 118,
    }  # fmt: skip
    declined = Outcome(kind=OutcomeKind.DECLINED, code="05")
    (failed,) = outcomes.effect(refund(), payment(), attempt(), declined, books).journals
    assert failed.kind == "refund_failed"


def test_the_last_refund_ends_the_payment():
    outcome = Outcome(kind=OutcomeKind.APPROVED, code="00")
    effect = outcomes.effect(refund(), payment(refunded=400), attempt(), outcome, BOOKS)
    assert [type(event) for event in effect.payment] == [ev.PaymentRefunded]


def test_a_request_posts_under_the_refund_itself():
    journal = outcomes.requested(refund(), payment(), attempt(), BOOKS)
    assert (journal.cause, journal.kind) == (REFUND, "refund_requested")
    assert journal.metadata["payment_id"] == ids.encode("pay", PAYMENT)


APPROVED = Outcome(kind=OutcomeKind.APPROVED, code="00", rail_reference="123456789012")


def test_a_refund_that_we_had_given_up_is_the_merchant_s_where_the_payment_still_has_it():
    given_up, late = refund(Status.FAILED), attempt(AttemptStatus.FAILED)
    found = outcomes.effect(given_up, payment(asked=0), late, APPROVED, BOOKS)
    assert isinstance(found.refund, ev.RefundSucceeded)
    assert [type(event) for event in found.payment] == [
        ev.PaymentRefundRequested, ev.PaymentPartiallyRefunded,
    ]  # fmt: skip
    asked, confirmed = found.journals
    assert (asked.kind, asked.cause, asked.forced) == ("refund_requested", ATTEMPT, True)
    assert {p.account.code: p.amount_minor for p in asked.postings} == {
        PENDING: -600, "refunds:upi_hdfc:payable": 600,
    }  # fmt: skip
    assert (confirmed.kind, confirmed.cause) == ("refund_confirmed", ATTEMPT)
    assert apply(given_up, occurred(found.refund, 2)).status is Status.SUCCEEDED


@pytest.mark.parametrize("state", [payment(refunded=600, asked=0), payment(asked=500)])
def test_a_refund_that_we_had_given_up_waits_in_suspense_where_it_would_be_too_much(state):
    late = attempt(AttemptStatus.FAILED)
    found = outcomes.effect(refund(Status.FAILED), state, late, APPROVED, BOOKS)
    assert found.refund is None
    (event,) = found.payment
    assert isinstance(event, ev.PaymentUnplacedMoney)
    assert (event.attempt_id, event.operation, event.amount) == (late.reference, "refund", 600)
    (journal,) = found.journals
    assert (journal.kind, journal.reference) == ("unplaced_refund", late.reference)
    assert {p.account.code: p.amount_minor for p in journal.postings} == {
        "suspense:upi_hdfc": -600, "rail:upi_hdfc:receivable": 600,
    }  # fmt: skip
