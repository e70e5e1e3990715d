"""A dispute's transition table, and what news adds to what is known."""

from datetime import timedelta
from itertools import product

import msgspec
import pytest

from online.disputes.domain import (
    TERMINAL,
    TRANSITIONS,
    Dispute,
    DisputeConflict,
    EvidenceLate,
    News,
    Status,
    apply,
    check_evidence,
    steps,
)
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import leads_to, reachable, without_exit

ATTEMPT = ids.encode("att", uid("attempt"))
OPENED = ev.DisputeOpened(
    payment_id=ids.encode("pay", uid("payment")),
    merchant_id=ids.encode("mrc", MERCHANT),
    attempt_id=ATTEMPT,
    rail="card_a",
    rail_reference="CB1",
    reason_code="10.4",
    reason="fraudulent",
    amount=600_00,
    currency="INR",
    respond_by=AT + timedelta(days=7),
)
SENT, LATE = ev.DisputeEvidenceSent(), ev.DisputeDeadlinePassed()
SUBMITTED, WON = ev.DisputeEvidenceSubmitted(sha256="ab" * 32), ev.DisputeWon()
LOST = ev.DisputeLost(fee=500_00, tax=90_00)
EVENTS = (OPENED, SUBMITTED, SENT, LATE, WON, LOST)


def dispute(status: Status = Status.NEEDS_RESPONSE, **changes: object) -> Dispute:
    return msgspec.structs.replace(apply(None, occurred(OPENED)), status=status, **changes)


def news(**changes: object) -> News:
    told = News(
        rail="card_a",
        reference="CB1",
        original_reference=ATTEMPT,
        amount_minor=600_00,
        currency="INR",
        reason_code="10.4",
        status="open",
    )
    return msgspec.structs.replace(told, **changes)


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_the_table_says_every_move_and_no_other(status, event):
    state = None if status is None else dispute(status)
    if (status, type(event)) in TRANSITIONS:
        moved = apply(state, occurred(event, version=2))
        assert moved.status is TRANSITIONS[status, type(event)]
        assert moved.version == 2
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, version=2))


def test_every_event_of_a_dispute_is_in_the_table():
    named = {event for event in ev.EVENTS.values() if event.TYPE.startswith("dispute.")}
    assert {event for _, event in TRANSITIONS} == named == {type(event) for event in EVENTS}


def test_every_status_is_reached_and_terminal_ones_have_no_exit():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL
    assert all(leads_to(TRANSITIONS, status, set(TERMINAL)) for status in Status)


def test_events_carry_what_the_row_shows():
    row = apply(None, occurred(OPENED))
    assert (row.amount_minor, row.respond_by, row.reason) == (
        600_00,
        OPENED.respond_by,
        "fraudulent",
    )
    assert (row.created_at, row.updated_at, row.closed_at) == (AT, AT, None)
    row = apply(row, occurred(SUBMITTED, version=2))
    assert (row.evidence_sha256, row.evidence_at, row.evidence_sent_at) == ("ab" * 32, AT, None)
    row = apply(row, occurred(SENT, version=3))
    assert row.evidence_sent_at == AT
    row = apply(row, occurred(LOST, version=4))
    assert (row.fee_minor, row.tax_minor, row.closed_at) == (500_00, 90_00, AT)


# what is known, what is told, what that adds
ADDS = [
    (None, "open", (ev.DisputeOpened,)),
    (None, "won", (ev.DisputeOpened, ev.DisputeWon)),
    (None, "lost", (ev.DisputeOpened, ev.DisputeLost)),
    (Status.NEEDS_RESPONSE, "open", ()),
    (Status.NEEDS_RESPONSE, "won", (ev.DisputeWon,)),
    (Status.NEEDS_RESPONSE, "lost", (ev.DisputeLost,)),
    (Status.UNDER_REVIEW, "open", ()),
    (Status.UNDER_REVIEW, "won", (ev.DisputeWon,)),
    (Status.UNDER_REVIEW, "lost", (ev.DisputeLost,)),
    (Status.WON, "open", ()),
    (Status.WON, "won", ()),
    (Status.WON, "lost", DisputeConflict),
    (Status.LOST, "open", ()),
    (Status.LOST, "won", DisputeConflict),
    (Status.LOST, "lost", ()),
]


@pytest.mark.parametrize(("known", "told", "adds"), ADDS)
def test_what_news_adds(known, told, adds):
    before = None if known is None else dispute(known)
    if adds is DisputeConflict:
        with pytest.raises(DisputeConflict):
            steps(before, news(status=told))
    else:
        assert steps(before, news(status=told)) == adds


def test_that_is_every_pair_of_known_and_told():
    assert {(known, told) for known, told, _ in ADDS} == set(
        product([None, *Status], ("open", "won", "lost"))
    )


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"amount_minor": 599_99}, "amount"),
        ({"currency": "USD"}, "amount"),
        ({"original_reference": ids.encode("att", uid("another"))}, "original_reference"),
    ],
)
@pytest.mark.parametrize("status", Status)
def test_the_same_reference_about_something_else_is_a_conflict(status, changes, param):
    with pytest.raises(DisputeConflict) as conflict:
        steps(dispute(status), news(**changes))
    assert conflict.value.param == param


@pytest.mark.parametrize(
    ("status", "after", "refusal"),
    [
        (Status.NEEDS_RESPONSE, timedelta(), None),
        (Status.NEEDS_RESPONSE, timedelta(days=7, microseconds=-1), None),
        (Status.NEEDS_RESPONSE, timedelta(days=7), EvidenceLate),
        (Status.UNDER_REVIEW, timedelta(), IllegalMove),
        (Status.UNDER_REVIEW, timedelta(days=8), EvidenceLate),
        (Status.WON, timedelta(), IllegalMove),
        (Status.LOST, timedelta(days=8), IllegalMove),
    ],
)
def test_when_evidence_is_taken(status, after, refusal):
    if refusal is None:
        check_evidence(dispute(status), AT + after)
    else:
        with pytest.raises(refusal):
            check_evidence(dispute(status), AT + after)
