"""Money that comes late: what brings it, how it goes back, what has no room any more."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from online.attempts.domain import Status as AttemptStatus
from online.kernel import events as ev
from online.kernel import ids
from online.ledger import accounts as chart
from online.ledger.charged import Charged
from online.ledger.recipes import Tax
from online.payments.domain import Status, apply
from online.payments.effects import Books
from online.payments.fees import Fee
from online.payments.late import Late, Patience, due
from online.payments.outcomes import effect
from online.rails.domain import Outcome, OutcomeKind
from tests.builders import AT, MERCHANT, attempt, occurred, payment, uid

TAX = Tax(igst_minor=3_24)
BOOKS = Books(
    pending=chart.merchant_pending(MERCHANT),
    fee=Fee(18_00, TAX),
    holds_until=AT + timedelta(days=7),
    charged=Charged(amount_minor=1_000_00, fee_minor=18_00, tax=TAX),
    at=AT,
)
RECEIVABLE, REFUNDS = "rail:card_a:receivable", "refunds:card_a:payable"
SUSPENSE = "suspense:card_a"
APPROVED = Outcome(kind=OutcomeKind.APPROVED, code="00", rail_reference="RRN")
DECLINED = Outcome(kind=OutcomeKind.DECLINED, code="12")
FAILED = Outcome(kind=OutcomeKind.FAILED, code="96")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer")
LATE, BACK = uid("late"), uid("back")


def legs(found):
    (journal,) = found.journals
    return journal.kind, {p.account.code: p.amount_minor for p in journal.postings}


def run(state, *events):
    for event in events:
        state = apply(state, occurred(event, id_=state.id, version=state.version + 1))
    return state


# ── it comes ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "state",
    [
        *({"status": status} for status in ("canceled", "expired", "failed", "reversed")),
        *({"status": s, "attempt_id": uid("next")} for s in ("processing", "captured", "failed")),
    ],
    ids=str,
)
def test_it_is_owed_to_the_payer_from_the_first_moment(state):
    """The payment is over, or another attempt has carried it on."""
    state = payment(**state | {"status": Status(state["status"])})
    found = effect(state, attempt(), APPROVED, BOOKS)
    assert legs(found) == ("late_money", {RECEIVABLE: -1_000_00, REFUNDS: 1_000_00})
    assert (found.failed, found.journals[0].reference) == (False, attempt().reference)
    after = run(state, *found.events)
    assert (after.status, after.captured_minor) == (state.status, state.captured_minor)
    assert (after.late_minor, after.late_returned_minor, after.late_due_at) == (1_000_00, 0, AT)
    (item,) = due(after.late, AT)
    assert (item.operation, item.rail, item.captured) == ("reverse", "card_a", True)


def test_what_is_only_held_posts_nothing_and_is_voided():
    state = payment(status=Status.CANCELED, capture_method="manual")
    found = effect(state, attempt(), APPROVED, BOOKS)
    assert found.journals == ()
    (item,) = due(run(state, *found.events).late, AT)
    assert (item.operation, item.captured) == ("void", False)


@pytest.mark.parametrize("kind", [k for k in OutcomeKind if k is not OutcomeKind.APPROVED])
@pytest.mark.parametrize("status", ["processing", "authorized", "captured"])
def test_an_attempt_that_was_carried_on_says_nothing_more_about_the_payment(status, kind):
    state = payment(status=Status(status), attempt_id=uid("next"))
    found = effect(state, attempt(), Outcome(kind=kind, code="x"), BOOKS)
    assert (found.events, found.journals, found.failed) == ((), (), False)


# ── it goes back ─────────────────────────────────────────────────────────────────────────


def returning(operation="reverse", **fields):
    item = Late(
        attempt_id=LATE, came_at=AT, rail="card_a", amount_minor=1_000_00,
        captured=operation != "void", operation=operation, sent=(BACK,), returning=True, **fields,
    )  # fmt: skip
    return payment(
        status=Status.CANCELED,
        late=(item,),
        late_minor=1_000_00,
        late_returning_minor=1_000_00,
    )


def back(operation="reverse", **fields):
    return attempt(id=BACK, operation=operation, original_id=LATE, **fields)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("reverse", "late_money_reversed"), ("refund", "late_money_refunded"), ("void", None)],
)
def test_it_is_given_back_once(operation, kind):
    state = returning(operation)
    found = effect(state, back(operation), APPROVED, BOOKS)
    assert [type(event) for event in found.events] == [ev.PaymentLateMoneyReturned]
    if kind is None:
        assert found.journals == ()
    else:
        assert legs(found) == (kind, {REFUNDS: -1_000_00, RECEIVABLE: 1_000_00})
    after = run(state, *found.events)
    assert (after.late_returned_minor, after.late_returning_minor) == (1_000_00, 0)
    assert (after.late_due_at, due(after.late, AT + timedelta(days=9))) == (None, [])
    assert after.status is Status.CANCELED


@pytest.mark.parametrize(
    ("operation", "outcome", "then"),
    [
        ("reverse", DECLINED, "refund"),  # refused for good: the day is settled at the rail
        ("reverse", FAILED, "reverse"),
        ("refund", DECLINED, "refund"),
        ("refund", FAILED, "refund"),
        ("void", DECLINED, "void"),
    ],
)
def test_one_that_is_refused_is_tried_again_later(operation, outcome, then):
    state = returning(operation)
    found = effect(state, back(operation), outcome, BOOKS)
    assert found.journals == ()
    after = run(state, *found.events)
    again = AT + timedelta(minutes=1)
    assert (after.late_returning_minor, after.late_due_at) == (0, again)
    assert due(after.late, again - timedelta(seconds=1)) == []
    assert [item.operation for item in due(after.late, again)] == [then]


def test_one_that_nobody_knows_about_is_not_sent_again():
    found = effect(returning(), back(), UNKNOWN, BOOKS)
    assert (found.events, found.journals) == ((), ())


def test_a_return_that_had_been_given_up_counts_and_the_next_is_then_too_much():
    """The first reversal was refused, said the rail; the second is under way; both happened."""
    second = uid("second")
    item = replace(returning().late[0], sent=(BACK, second))
    state = replace(returning(), late=(item,))
    first = effect(state, back(status=AttemptStatus.FAILED), APPROVED, BOOKS)
    after = run(state, *first.events)
    assert (after.late_returned_minor, after.late_returning_minor) == (1_000_00, 0)
    assert effect(after, attempt(id=second, operation="refund"), DECLINED, BOOKS).events == ()
    both = effect(after, attempt(id=second, operation="refund"), APPROVED, BOOKS)
    assert [type(event) for event in both.events] == [ev.PaymentUnplacedMoney]
    assert legs(both) == ("unplaced_refund", {SUSPENSE: -1_000_00, RECEIVABLE: 1_000_00})
    assert run(after, *both.events).late_returned_minor == 1_000_00


def test_each_late_attempt_of_a_payment_goes_back_by_itself():
    state = payment(status=Status.FAILED, attempt_id=uid("third"))
    for name in ("first", "second"):
        late = attempt(id=uid(name), status=AttemptStatus.FAILED)
        state = run(state, *effect(state, late, APPROVED, BOOKS).events)
    assert (state.late_minor, len(due(state.late, AT))) == (2_000_00, 2)
    begun = ev.PaymentLateReturnRequested(
        attempt_id=ids.encode("att", BACK),
        late_attempt_id=ids.encode("att", uid("second")),
        operation="reverse",
        amount=1_000_00,
    )
    state = run(state, begun)
    assert state.late_returning_minor == 1_000_00
    assert [item.attempt_id for item in due(state.late, AT)] == [uid("first")]


@pytest.mark.parametrize(
    ("tries", "minutes"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 360), (10_000, 360)]
)
def test_tries_come_later_and_later_and_never_stop(tries, minutes):
    assert Patience().again_at(tries, AT) == AT + timedelta(minutes=minutes)


# ── what we had given up is done ─────────────────────────────────────────────────────────

HELD = {"status": Status.AUTHORIZED, "capture_method": "manual", "authorized_minor": 1_000_00}
TAKEN = {"status": Status.CAPTURED, "authorized_minor": 1_000_00, "captured_minor": 1_000_00}
HALF = HELD | {"status": Status.CAPTURED, "captured_minor": 500_00}
OVER = {"status": Status.CANCELED, "capture_method": "manual"}
ROOM = [
    ("capture", HELD, ["payment.capture_requested", "payment.captured"]),
    ("capture", HALF, None),  # half is left, all was taken
    ("capture", HELD | {"capture_open_minor": 1}, None),
    ("capture", OVER, None),
    ("void", HELD, ["payment.void_requested", "payment.canceled"]),
    ("void", {"status": Status.REQUIRES_ACTION}, ["payment.void_requested", "payment.canceled"]),
    ("reverse", TAKEN, ["payment.reversal_requested", "payment.reversed"]),
    ("reverse", TAKEN | {"refund_open_minor": 1}, None),
    ("reverse", TAKEN | {"status": Status.PARTIALLY_REFUNDED, "refunded_minor": 1}, None),
    ("reverse", HALF, None),
]


@pytest.mark.parametrize(("operation", "state", "events"), ROOM)
def test_what_we_had_given_up_is_done_as_usual_where_there_is_room(operation, state, events):
    given_up = attempt(operation=operation, status=AttemptStatus.FAILED, original_id=LATE)
    state = payment(**state)
    found = effect(state, given_up, APPROVED, BOOKS)
    assert [event.TYPE for event in found.events] == (events or ["payment.unplaced_money"])
    after = run(state, *found.events)  # the table of moves allows it
    assert 0 <= after.capture_open_minor <= after.authorized_minor - after.captured_minor
    assert after.refundable_minor >= 0
    if events is None:
        sign = 1 if operation == "capture" else -1
        kind = "unplaced_capture" if operation == "capture" else "unplaced_reversal"
        moved = {RECEIVABLE: -sign * 1_000_00, SUSPENSE: sign * 1_000_00}
        assert legs(found) == (kind, moved)
        assert found.journals[0].reference == given_up.reference


@pytest.mark.parametrize("state", [OVER, TAKEN, HELD | {"capture_open_minor": 1}], ids=str)
def test_a_void_that_finds_nothing_to_free_is_written_down_on_its_attempt_alone(state):
    given_up = attempt(operation="void", status=AttemptStatus.FAILED)
    found = effect(payment(**state), given_up, APPROVED, BOOKS)
    assert (found.events, found.journals, found.failed) == ((), (), False)


def test_a_capture_whose_payment_was_voided_beside_it_waits_in_suspense():
    """Its room was reserved when it was sent; the payment ended all the same."""
    found = effect(payment(**OVER), attempt(operation="capture"), APPROVED, BOOKS)
    assert legs(found) == ("unplaced_capture", {RECEIVABLE: -1_000_00, SUSPENSE: 1_000_00})
