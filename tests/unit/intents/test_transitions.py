"""Which event may follow in which status of an intent, and how it follows its payment."""

from datetime import timedelta

import pytest

from online.intents.domain import (
    TERMINAL,
    TRANSITIONS,
    Progress,
    Status,
    apply,
    check_confirm,
    follow,
    update,
)
from online.kernel import ids
from online.kernel.errors import Conflict, IllegalMove, InvalidRequest, VersionConflict
from online.kernel.events import EVENTS
from online.payments.domain import Status as PaymentStatus
from tests.builders import AT, an, intent, occurred, uid
from tests.unit.machines import as_rows, leads_to, reachable, without_exit

ENDS = {"canceled": "canceled", "expired": "expired"}
UNDER_WAY = {
    "requires_action": "requires_action",
    "requires_capture": "requires_capture",
    "succeeded": "succeeded",
    "payment_failed": "requires_payment_method",
}
TABLE = {
    "nothing": {"created": "requires_payment_method"},
    "requires_payment_method": {
        **ENDS,
        "updated": "requires_payment_method",
        "payment_method_attached": "requires_confirmation",
    },
    "requires_confirmation": {
        **ENDS,
        "updated": "requires_confirmation",
        "payment_method_attached": "requires_confirmation",
        "processing": "processing",
        "payment_failed": "requires_payment_method",
    },
    "processing": UNDER_WAY,
    "requires_action": {**UNDER_WAY, **ENDS},
    "requires_capture": {"succeeded": "succeeded", **ENDS},
}


def test_the_table_is_the_specified_one():
    assert as_rows(TRANSITIONS) == TABLE


@pytest.mark.parametrize("event_type", EVENTS.values(), ids=lambda event: event.TYPE)
@pytest.mark.parametrize("status", [None, *Status], ids=lambda status: status or "nothing")
def test_every_status_and_event(status, event_type):
    aggregate, _, what = event_type.TYPE.partition(".")
    to = TABLE.get(status or "nothing", {}).get(what) if aggregate == "intent" else None
    state = intent(status=status) if status else None
    move = occurred(an(event_type), id_=uid("intent"), version=2)
    if to is None:
        with pytest.raises(IllegalMove, match=status or "nothing"):
            apply(state, move)
    else:
        after = apply(state, move)
        assert (after.status, after.version) == (to, 2)


def test_every_status_is_reached_and_every_open_one_can_end():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL
    assert all(leads_to(TRANSITIONS, status, set(TERMINAL)) for status in Status)


def test_every_event_of_an_intent_has_a_place():
    used = {event.TYPE for _, event in TRANSITIONS}
    assert used == {name for name in EVENTS if name.startswith("intent.")}


PAYMENT = uid("payment")


def progress(status: str) -> Progress:
    return Progress(
        payment_id=ids.encode("pay", PAYMENT),
        status=status,
        method="upi",
        amount_minor=intent().amount_minor,
        capture_method=intent().capture_method,
        at=AT,
        next_action={"type": "upi_intent"},
        last_error={"code": "payment_declined"},
    )


@pytest.mark.parametrize(
    ("intent_is", "payment_is", "then"),
    [
        ("requires_payment_method", "processing", "processing"),
        ("requires_confirmation", "processing", "processing"),
        ("requires_payment_method", "blocked", "requires_payment_method"),
        ("processing", "processing", None),
        ("processing", "unknown", None),
        ("processing", "requires_action", "requires_action"),
        ("processing", "authorized", "requires_capture"),
        ("processing", "captured", "succeeded"),
        ("processing", "failed", "requires_payment_method"),
        ("requires_action", "unknown", None),
        ("requires_action", "captured", "succeeded"),
        ("requires_action", "authorized", "requires_capture"),
        ("requires_action", "failed", "requires_payment_method"),
        ("requires_action", "canceled", "canceled"),
        ("requires_action", "expired", "expired"),
        ("requires_capture", "authorized", None),  # a capture was asked for, or failed
        ("requires_capture", "captured", "succeeded"),
        ("requires_capture", "canceled", "canceled"),
        ("requires_capture", "expired", "expired"),
        ("succeeded", "captured", None),  # one more partial capture
        ("succeeded", "partially_refunded", None),
        ("succeeded", "refunded", None),
        ("succeeded", "reversed", None),
    ],
)
def test_an_intent_follows_its_payment(intent_is, payment_is, then):
    assert payment_is in set(PaymentStatus)
    state = intent(status=Status(intent_is), payment_id=PAYMENT)
    events = follow(state, progress(payment_is))
    for version, event in enumerate(events, start=2):
        state = apply(state, occurred(event, version=version))
    assert state.status == (then or intent_is)
    assert bool(events) is (then is not None)


WAITING = {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION}


@pytest.mark.parametrize("other", [None, uid("another payment")])
@pytest.mark.parametrize("status", sorted(set(Status) - WAITING))
@pytest.mark.parametrize("payment_is", ["processing", "blocked"])
def test_no_payment_begins_under_an_intent_that_does_not_wait_for_one(status, other, payment_is):
    """Two confirmations may meet, or one and a cancellation: the second must not be paid too."""
    with pytest.raises(IllegalMove):
        follow(intent(status=status, payment_id=other), progress(payment_is))


@pytest.mark.parametrize("payment_is", ["failed", "captured", "canceled", "unknown"])
@pytest.mark.parametrize("status", Status)
def test_an_intent_leaves_an_earlier_payment_alone_whose_end_it_has_seen(status, payment_is):
    """Its rail may answer late, when another payment is under way."""
    state = intent(status=status, payment_id=uid("another payment"))
    assert follow(state, progress(payment_is)) == []


@pytest.mark.parametrize(
    ("intent_is", "payment_is"),
    [
        ("canceled", "canceled"),
        ("expired", "canceled"),
        ("expired", "expired"),
        ("requires_payment_method", "failed"),
    ],
)
def test_an_intent_ends_once(intent_is, payment_is):
    """A void and the payer's own no, one after the other."""
    state = intent(status=Status(intent_is), payment_id=PAYMENT)
    assert follow(state, progress(payment_is)) == []


def test_what_an_intent_says_about_its_payment():
    waiting = intent(status=Status.REQUIRES_PAYMENT_METHOD)
    for version, event in enumerate(follow(waiting, progress("processing")), start=2):
        waiting = apply(waiting, occurred(event, version=version))
    assert waiting.payment_id is not None
    (asks,) = follow(waiting, progress("requires_action"))
    asked = apply(waiting, occurred(asks))
    assert asked.next_action == {"type": "upi_intent"}
    (fails,) = follow(asked, progress("failed"))
    failed = apply(asked, occurred(fails))
    assert failed.last_payment_error == {"code": "payment_declined"}
    assert failed.next_action is None


@pytest.mark.parametrize("status", Status)
def test_only_what_waits_is_confirmed(status):
    if status in {Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION}:
        check_confirm(intent(status=status), "upi", AT)
    else:
        with pytest.raises(IllegalMove):
            check_confirm(intent(status=status), "upi", AT)


@pytest.mark.parametrize(
    ("method", "after_s", "refusal"),
    [
        ("card", 0, None),
        ("card", 59, None),
        ("card", 60, Conflict),  # at the very instant
        ("card", 61, Conflict),
        ("upi", 0, InvalidRequest),
        ("upi", 60, Conflict),  # too late comes first
    ],
)
def test_why_a_confirmation_is_refused(method, after_s, refusal):
    state = intent(payment_methods=["card"], expires_at=AT + timedelta(seconds=60))
    now = AT + timedelta(seconds=after_s)
    if refusal is None:
        check_confirm(state, method, now)
    else:
        with pytest.raises(refusal):
            check_confirm(state, method, now)


@pytest.mark.parametrize("status", Status)
def test_only_what_waits_is_updated(status):
    state = intent(status=status)
    if status not in WAITING:
        with pytest.raises(IllegalMove):
            update(state, {"amount": 5})
        return
    event = update(state, {"amount": 5, "customer_id": None, "priority": "cost"})
    after = apply(state, occurred(event, version=2))
    assert (after.amount_minor, after.customer_id, after.priority) == (5, None, "cost")
    assert (after.status, after.expires_at) == (state.status, state.expires_at)


@pytest.mark.parametrize("change", [{"amount_minor": 1}, {"capture_method": "manual"}])
def test_a_payment_on_old_terms_does_not_begin(change):
    """An update came between the reading of the intent and the first commit of its payment."""
    with pytest.raises(VersionConflict):
        follow(intent(status=Status.REQUIRES_PAYMENT_METHOD, **change), progress("processing"))


def test_a_void_after_the_end_of_its_time_expires_an_intent():
    waiting = intent(status=Status.REQUIRES_ACTION, payment_id=PAYMENT, expires_at=AT)
    (event,) = follow(waiting, progress("canceled"))
    assert event.TYPE == "intent.expired"
