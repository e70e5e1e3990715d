"""What a rail's answer does to a payment: one row an operation and kind of answer."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from online.kernel import events as ev
from online.kernel import ids
from online.ledger import accounts as chart
from online.ledger.charged import Charged
from online.ledger.recipes import Tax
from online.payments.domain import TERMINAL, Status, apply
from online.payments.fees import Fee
from online.payments.outcomes import Books, effect
from online.rails.domain import NextAction, Outcome, OutcomeKind
from tests.builders import AT, MERCHANT, attempt, occurred, payment

TAX = Tax(igst_minor=3_24)
BOOKS = Books(
    pending=chart.merchant_pending(MERCHANT),
    fee=Fee(18_00, TAX),
    holds_until=AT + timedelta(days=7),
    extended_to=AT + timedelta(days=30),
    charged=Charged(amount_minor=1_000_00, fee_minor=18_00, tax=TAX),
    at=AT,
)
PENDING = chart.merchant_pending(MERCHANT).code
RECEIVABLE = "rail:card_a:receivable"
CAPTURED = {
    (RECEIVABLE, "posted", -1_000_00),
    (PENDING, "posted", 1_000_00),
    (PENDING, "posted", -21_24),
    ("fees:mdr", "posted", 18_00),
    ("tax:igst", "posted", 3_24),
}
UNDONE = {(code, layer, -amount) for code, layer, amount in CAPTURED}
HELD = {(RECEIVABLE, "pending", -1_000_00), (PENDING, "pending", 1_000_00)}
RELEASED = {(RECEIVABLE, "pending", 1_000_00), (PENDING, "pending", -1_000_00)}

APPROVED, DECLINED, PEND, FAILED, UNKNOWN, NOT_FOUND = (
    OutcomeKind.APPROVED, OutcomeKind.DECLINED, OutcomeKind.PENDING, OutcomeKind.FAILED,
    OutcomeKind.UNKNOWN, OutcomeKind.NOT_FOUND,
)  # fmt: skip
AUTOMATIC = {"status": Status.PROCESSING}
MANUAL = {"status": Status.PROCESSING, "capture_method": "manual"}
ASKED = {
    "status": Status.AUTHORIZED,
    "capture_method": "manual",
    "authorized_minor": 1_000_00,
    "capture_open_minor": 1_000_00,
}
WAITING = {"status": Status.REQUIRES_ACTION}
REVERSING = {
    "status": Status.CAPTURED,
    "authorized_minor": 1_000_00,
    "captured_minor": 1_000_00,
    "refund_open_minor": 1_000_00,
}
TWICE = ASKED | {"authorized_minor": 2_000_00}  # half of it is asked for
EXTENDABLE = {
    "status": Status.AUTHORIZED,
    "capture_method": "manual",
    "authorized_minor": 1_000_00,
    "authorization_expires_at": AT + timedelta(days=4),
}
HALF_TAKEN = REVERSING | {"authorized_minor": 2_000_00, "capture_open_minor": 1_000_00}

# operation, payment, answer → event, kind of posting, its legs, whether the payment has failed
TABLE = [
    ("authorize", AUTOMATIC, APPROVED, ev.PaymentCaptured, "capture", CAPTURED, False),
    ("authorize", AUTOMATIC, DECLINED, ev.PaymentFailed, None, None, True),
    ("authorize", AUTOMATIC, FAILED, ev.PaymentFailed, None, None, True),
    ("authorize", AUTOMATIC, PEND, ev.PaymentRequiresAction, None, None, False),
    ("authorize", AUTOMATIC, UNKNOWN, ev.PaymentUnknown, None, None, False),
    ("authorize", AUTOMATIC, NOT_FOUND, None, None, None, False),
    ("authorize", MANUAL, APPROVED, ev.PaymentAuthorized, "authorization", HELD, False),
    ("authorize", MANUAL, DECLINED, ev.PaymentFailed, None, None, True),
    ("authorize", MANUAL, FAILED, ev.PaymentFailed, None, None, True),
    ("authorize", MANUAL, PEND, ev.PaymentRequiresAction, None, None, False),
    ("authorize", MANUAL, UNKNOWN, ev.PaymentUnknown, None, None, False),
    ("capture", ASKED, APPROVED, ev.PaymentCaptured, "capture", CAPTURED | RELEASED, False),
    ("capture", ASKED, DECLINED, ev.PaymentCaptureFailed, None, None, False),
    ("capture", ASKED, FAILED, ev.PaymentCaptureFailed, None, None, False),
    ("capture", ASKED, PEND, None, None, None, False),
    ("capture", ASKED, UNKNOWN, None, None, None, False),
    ("capture", ASKED, NOT_FOUND, None, None, None, False),
    ("void", ASKED, APPROVED, ev.PaymentCanceled, "void", RELEASED, True),
    ("void", ASKED, DECLINED, ev.PaymentVoidFailed, None, None, False),
    ("void", ASKED, FAILED, ev.PaymentVoidFailed, None, None, False),
    ("void", ASKED, PEND, None, None, None, False),
    ("void", ASKED, UNKNOWN, None, None, None, False),
    ("void", ASKED, NOT_FOUND, None, None, None, False),
    ("void", WAITING, APPROVED, ev.PaymentCanceled, None, None, True),  # nothing was held
    ("release", TWICE, APPROVED, ev.PaymentAuthorizationReleased, "release", RELEASED, False),
    ("release", TWICE, DECLINED, ev.PaymentReleaseFailed, None, None, False),
    ("release", TWICE, FAILED, ev.PaymentReleaseFailed, None, None, False),
    ("release", TWICE, PEND, None, None, None, False),
    ("release", TWICE, UNKNOWN, None, None, None, False),
    ("release", TWICE, NOT_FOUND, None, None, None, False),
    ("release", TWICE, OutcomeKind.DEEMED, None, None, None, False),
    ("extend", EXTENDABLE, APPROVED, ev.PaymentAuthorizationExtended, None, None, False),
    ("extend", EXTENDABLE, DECLINED, ev.PaymentExtensionFailed, None, None, False),
    ("extend", EXTENDABLE, FAILED, ev.PaymentExtensionFailed, None, None, False),
    ("extend", EXTENDABLE, PEND, None, None, None, False),
    ("extend", EXTENDABLE, UNKNOWN, None, None, None, False),
    ("extend", EXTENDABLE, NOT_FOUND, None, None, None, False),
    ("extend", EXTENDABLE, OutcomeKind.DEEMED, None, None, None, False),
    ("reverse", REVERSING, APPROVED, ev.PaymentReversed, "reversal", UNDONE, False),
    ("reverse", HALF_TAKEN, APPROVED, ev.PaymentReversed, "reversal", UNDONE | RELEASED, False),
    ("reverse", REVERSING, DECLINED, ev.PaymentReversalFailed, None, None, False),
    ("reverse", REVERSING, FAILED, ev.PaymentReversalFailed, None, None, False),
    ("reverse", REVERSING, PEND, None, None, None, False),
    ("reverse", REVERSING, UNKNOWN, None, None, None, False),
    ("reverse", REVERSING, NOT_FOUND, None, None, None, False),
]


def row_name(value):
    return value.value if isinstance(value, OutcomeKind) else None


@pytest.mark.parametrize(
    ("operation", "state", "kind", "event", "posting", "legs", "failed"), TABLE, ids=row_name
)
def test_the_table(operation, state, kind, event, posting, legs, failed):
    sent = attempt(operation=operation)
    answer = Outcome(kind=kind, code="00", rail_reference="RRN")
    found = effect(payment(**state), sent, answer, BOOKS)
    assert [type(e) for e in found.events] == ([event] if event else [])
    assert [j.kind for j in found.journals] == ([posting] if posting else [])
    assert found.failed is failed
    for journal in found.journals:
        assert {(p.account.code, p.layer, p.amount_minor) for p in journal.postings} == legs
        assert len(journal.postings) == len(legs)
        assert (journal.cause, journal.reference) == (sent.id, ids.encode("att", sent.id))
        assert journal.metadata["payment_id"] == ids.encode("pay", payment().id)
        assert journal.metadata["rail"] == "card_a"
    for each in found.events:
        apply(payment(**state), occurred(each, version=2))  # the table of moves allows it


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        (ASKED, [ev.PaymentCanceled]),
        (TWICE | {"status": Status.CAPTURED, "captured_minor": 1_000_00}, []),
        (
            TWICE
            | {
                "status": Status.PARTIALLY_REFUNDED,
                "captured_minor": 1_000_00,
                "refunded_minor": 1_000_00,
            },
            [ev.PaymentRefunded],
        ),
    ],
)
def test_the_last_part_that_is_let_go_ends_what_is_left_of_a_payment(state, ends):
    answer = Outcome(kind=APPROVED, code="00")
    found = effect(payment(**state), attempt(operation="release"), answer, BOOKS)
    assert [type(e) for e in found.events] == [ev.PaymentAuthorizationReleased, *ends]
    assert found.failed is (ends == [ev.PaymentCanceled])


def test_the_table_has_every_operation_and_answer():
    rows = {(operation, kind) for operation, _, kind, *_ in TABLE}
    operations = ("authorize", "capture", "void", "release", "extend", "reverse")
    assert rows == {(operation, kind) for operation in operations for kind in OutcomeKind}


@pytest.mark.parametrize(
    ("kind", "decline_code", "code"),
    [
        (DECLINED, "insufficient_funds", "insufficient_funds"),
        (DECLINED, "wrong_pin", "payment_declined"),
        (DECLINED, None, "payment_declined"),
        (FAILED, None, "rail_failed"),
        (FAILED, "insufficient_funds", "rail_failed"),
    ],
)
def test_the_names_that_clients_know_a_failure_by(kind, decline_code, code):
    answer = Outcome(kind=kind, code="x", decline_code=decline_code, message="why")
    (event,) = effect(payment(**AUTOMATIC), attempt(), answer, BOOKS).events
    assert isinstance(event, ev.PaymentFailed)
    assert (event.code, event.decline_code, event.message) == (code, decline_code, "why")


def test_a_payer_who_waits_keeps_the_link():
    link = NextAction(type="upi_intent", link="upi://pay?pa=x")
    first = Outcome(kind=PEND, code="01", next_action=link)
    (event,) = effect(payment(**AUTOMATIC), attempt(), first, BOOKS).events
    waiting = apply(payment(**AUTOMATIC), occurred(event))
    assert waiting.next_action == {"type": "upi_intent", "link": "upi://pay?pa=x"}
    # An enquiry that says "still pending" brings no link of its own.
    again = Outcome(kind=PEND, code="01")
    (event,) = effect(waiting, attempt(), again, BOOKS).events
    assert apply(waiting, occurred(event)).next_action == waiting.next_action


def test_a_part_releases_only_what_it_takes():
    state = payment(**ASKED | {"capture_open_minor": 300_00})
    part = attempt(operation="capture", amount_minor=300_00)
    (journal,) = effect(state, part, Outcome(kind=APPROVED, code="00"), BOOKS).journals
    pending = {p.account.code: p.amount_minor for p in journal.postings if p.layer == "pending"}
    assert pending == {RECEIVABLE: 300_00, PENDING: -300_00}


@pytest.mark.parametrize("kind", [k for k in OutcomeKind if k is not APPROVED])
@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_what_a_rail_says_of_a_payment_that_is_over_moves_the_attempt_alone(status, kind):
    """A void and the payer's own no may cross: recovery must be able to write the second down."""
    state = payment(status=status)
    found = effect(state, attempt(), Outcome(kind=kind, code="x"), BOOKS)
    assert (found.events, found.journals, found.failed) == ((), (), False)


@pytest.mark.parametrize("kind", OutcomeKind)
@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED, Status.FAILED])
def test_a_second_void_finds_nothing_left_to_release(status, kind):
    found = effect(payment(status=status), attempt(operation="void"),
                   Outcome(kind=kind, code="x"), BOOKS)  # fmt: skip
    assert (found.events, found.journals, found.failed) == ((), (), False)


def test_a_void_that_the_payer_was_faster_than_fails_alone():
    paid = payment(status=Status.CAPTURED, authorized_minor=100, captured_minor=100)
    refused = Outcome(kind=DECLINED, code="12")
    assert effect(paid, attempt(operation="void"), refused, BOOKS).events == ()


def test_a_void_that_is_refused_leaves_what_a_capture_beside_it_holds():
    """The payer said yes while the void was under way, and the merchant captured."""
    state = payment(**ASKED | {"capture_open_minor": 300_00})
    books = replace(BOOKS, capturing_minor=300_00)
    refused = Outcome(kind=DECLINED, code="12")
    (event,) = effect(state, attempt(operation="void"), refused, books).events
    assert apply(state, occurred(event, version=2)).capture_open_minor == 300_00
