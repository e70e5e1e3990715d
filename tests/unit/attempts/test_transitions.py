"""Which event may follow in which status of an attempt, and when its rail is asked."""

from datetime import timedelta

import pytest
from msgspec import structs

from online.attempts.domain import (
    OVER,
    TERMINAL,
    TRANSITIONS,
    Status,
    apply,
    contradicts,
    is_news,
    outcome_event,
    settle,
)
from online.attempts.schedule import Pace, Schedule
from online.kernel import events as ev
from online.kernel.errors import IllegalMove
from online.kernel.events import EVENTS
from online.rails.domain import Outcome, OutcomeKind
from tests.builders import AT, an, attempt, occurred, uid
from tests.unit.machines import as_rows, leads_to, reachable, without_exit

OUTCOMES = {
    name: name for name in ("succeeded", "declined", "failed", "pending", "unknown", "deemed")
}
LAST = {name: name for name in ("succeeded", "declined", "failed", "deemed")}
TABLE = {
    "nothing": {"sent": "sent"},
    "sent": OUTCOMES,
    "pending": OUTCOMES,
    "unknown": OUTCOMES,
    # Told as a success: it is never unknown again.
    "deemed": LAST,
    # What had counted as not done turns out done; the other way round reconciliation tells.
    "failed": {"succeeded": "succeeded"},
    "declined": {"succeeded": "succeeded"},
}
OPEN_KINDS = (OutcomeKind.PENDING, OutcomeKind.UNKNOWN, OutcomeKind.DEEMED)
PACE = Pace(max_enquiries=3, min_interval=timedelta(seconds=90))
SCHEDULE = Schedule(
    unknown=PACE,
    pending=PACE,
    deemed=PACE,
    not_found_final_after=timedelta(seconds=300),
    answer_within=timedelta(seconds=30),
)


def test_the_table_is_the_specified_one():
    assert as_rows(TRANSITIONS) == TABLE


@pytest.mark.parametrize("event_type", EVENTS.values(), ids=lambda event: event.TYPE)
@pytest.mark.parametrize("status", [None, *Status], ids=lambda status: status or "nothing")
def test_every_status_and_event(status, event_type):
    aggregate, _, what = event_type.TYPE.partition(".")
    to = TABLE.get(status or "nothing", {}).get(what) if aggregate == "attempt" else None
    state = attempt(status=status) if status else None
    move = occurred(an(event_type), id_=uid("attempt"), version=2)
    if to is None:
        with pytest.raises(IllegalMove, match=status or "nothing"):
            apply(state, move)
    else:
        after = apply(state, move)
        assert (after.status, after.version) == (to, 2)


def test_every_status_is_reached_and_every_open_one_can_end():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL
    assert all(leads_to(TRANSITIONS, status, set(OVER)) for status in Status)


def test_an_attempt_remembers_what_its_rail_said_first():
    first = apply(attempt(), occurred(an(ev.AttemptUnknown, code="U68", rail_reference="42")))
    then = apply(first, occurred(ev.AttemptSucceeded(enquiry=1), version=2))
    assert (then.code, then.rail_reference, then.enquiries) == ("U68", "42", 1)
    assert then.next_enquiry_at is None


@pytest.mark.parametrize(
    ("enquiries", "intervals"),
    [(0, 1), (1, 1), (2, 1), (3, 2), (4, 4), (5, 8), (10, 256), (50, 256)],
)
def test_enquiries_come_later_and_later_and_never_stop(enquiries, intervals):
    assert SCHEDULE.next(OutcomeKind.UNKNOWN, enquiries, AT) == AT + intervals * PACE.min_interval


def test_nobody_asks_while_the_first_call_may_still_be_answered():
    assert SCHEDULE.first(AT) == AT + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("age_s", "kind"),
    [(0, OutcomeKind.UNKNOWN), (299, OutcomeKind.UNKNOWN), (300, OutcomeKind.FAILED)],
)
def test_not_found_is_final_only_after_the_rails_window(age_s, kind):
    missing = Outcome(kind=OutcomeKind.NOT_FOUND, code="not_found")
    now = AT + timedelta(seconds=age_s)
    assert settle(attempt(), missing, SCHEDULE, now).kind is kind


@pytest.mark.parametrize("kind", [k for k in OutcomeKind if k is not OutcomeKind.NOT_FOUND])
def test_other_answers_are_taken_as_they_are(kind):
    outcome = Outcome(kind=kind, code="x")
    assert settle(attempt(), outcome, SCHEDULE, AT + timedelta(days=9)) is outcome


@pytest.mark.parametrize(
    ("kind", "event", "asked_again"),
    [
        (OutcomeKind.APPROVED, ev.AttemptSucceeded, False),
        (OutcomeKind.DECLINED, ev.AttemptDeclined, False),
        (OutcomeKind.FAILED, ev.AttemptFailed, False),
        (OutcomeKind.PENDING, ev.AttemptPending, True),
        (OutcomeKind.UNKNOWN, ev.AttemptUnknown, True),
        (OutcomeKind.NOT_FOUND, ev.AttemptUnknown, True),
    ],
)
def test_what_is_written_down_of_an_answer(kind, event, asked_again):
    outcome = Outcome(kind=kind, code="c", rail_reference="r", network_reference="n", message="m")
    written = outcome_event(attempt(enquiries=1), outcome, SCHEDULE, AT, enquired=True)
    assert type(written) is event
    assert (written.code, written.rail_reference, written.network_reference) == ("c", "r", "n")
    assert written.enquiry == 2
    assert written.next_enquiry_at == (SCHEDULE.next(outcome.kind, 2, AT) if asked_again else None)
    sent = outcome_event(attempt(), outcome, SCHEDULE, AT, enquired=False, latency_ms=12)
    assert (sent.enquiry, sent.latency_ms) == (0, 12)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", OutcomeKind)
def test_what_is_news_about_an_attempt(status, kind):
    """All of it while the attempt is open; after that a yes alone, unless it is known."""
    state, outcome = attempt(status=status), Outcome(kind=kind, code="c")
    refused = status in {Status.FAILED, Status.DECLINED}
    approved = kind is OutcomeKind.APPROVED
    assert is_news(state, outcome) is (state.is_open or (refused and approved))
    no = kind in {OutcomeKind.DECLINED, OutcomeKind.FAILED}
    assert contradicts(state, outcome) is (status is Status.SUCCEEDED and no)


@pytest.mark.parametrize(
    ("status", "late"), [("sent", False), ("failed", True), ("declined", True)]
)
def test_a_yes_after_a_no_says_that_it_is_late(status, late):
    outcome = Outcome(kind=OutcomeKind.APPROVED, code="00")
    state = attempt(status=Status(status))
    written = outcome_event(state, outcome, SCHEDULE, AT, enquired=False)
    assert (type(written), written.late) == (ev.AttemptSucceeded, late)
    assert apply(state, occurred(written, version=2)).status is Status.SUCCEEDED


@pytest.mark.parametrize(
    ("fields", "slice_"),
    [
        ({}, "payment"),
        ({"operation": "refund"}, "payment"),  # late money goes back
        ({"operation": "refund", "refund_id": uid("refund")}, "refund"),
        ({"operation": "payout", "settlement_id": uid("settlement")}, "settlement"),
    ],
)
def test_who_records_what_became_of_an_attempt(fields, slice_):
    assert attempt(**fields).ordered_by == slice_


@pytest.mark.parametrize("kind", [*OPEN_KINDS, OutcomeKind.NOT_FOUND])
def test_what_is_deemed_stays_so_until_the_last_word(kind):
    """Not even a rail that knows nothing of it any more makes it fail."""
    deemed = attempt(status=Status.DEEMED)
    said = settle(deemed, Outcome(kind=kind, code="x"), SCHEDULE, AT + timedelta(days=9))
    assert said.kind is OutcomeKind.DEEMED


@pytest.mark.parametrize("operation", ["capture", "void", "reverse", "refund", "payout"])
def test_only_a_payment_is_deemed(operation):
    told = settle(
        attempt(operation=operation), Outcome(kind=OutcomeKind.DEEMED, code="RB"), SCHEDULE, AT
    )
    assert told.kind is OutcomeKind.UNKNOWN


def test_a_bank_is_asked_to_confirm_at_a_pace_of_its_own():
    slow = structs.replace(SCHEDULE, deemed=Pace(max_enquiries=3, min_interval=timedelta(hours=6)))
    assert slow.next(OutcomeKind.DEEMED, 0, AT) == AT + timedelta(hours=6)
    assert slow.next(OutcomeKind.UNKNOWN, 0, AT) == AT + timedelta(seconds=90)
