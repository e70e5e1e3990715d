"""A review's transition table, who holds it, and who may decide when."""

from datetime import timedelta
from itertools import product

import msgspec
import pytest

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from online.reviews.domain import (
    TRANSITIONS,
    AlreadyDecided,
    ClaimedByAnother,
    NotClaimed,
    Review,
    Reviewer,
    Status,
    apply,
    claim,
    decide,
    release,
)
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import leads_to, reachable, without_exit

LEASE = timedelta(minutes=30)
ASHA, RAVI, LEAD = Reviewer(actor="asha"), Reviewer(actor="ravi"), Reviewer("meera", leads=True)
OPENED = ev.ReviewOpened(
    payment_id=ids.encode("pay", uid("payment")),
    merchant_id=ids.encode("mrc", MERCHANT),
    amount=600_00,
    currency="INR",
    score=62,
    level="high",
    due_at=AT + timedelta(hours=24),
)
CLAIMED = ev.ReviewClaimed(by="asha", until=AT + LEASE)
RELEASED, NOTED = ev.ReviewReleased(by="asha"), ev.ReviewNoted(text="called the payer", by="ravi")
DECIDED = ev.ReviewDecided(outcome="fraud", reason="stolen card", by="asha")
EVENTS = (OPENED, CLAIMED, RELEASED, NOTED, DECIDED)


def review(*events: ev.Event) -> Review:
    state = None
    for version, event in enumerate((OPENED, *events), start=1):
        state = apply(state, occurred(event, version=version))
    assert state is not None
    return state


IN = {Status.OPEN: review(), Status.CLAIMED: review(CLAIMED), Status.DECIDED: review(DECIDED)}


def test_the_table_is_sound():
    assert reachable(TRANSITIONS) == set(Status)
    ends = without_exit(TRANSITIONS, Status)
    assert all(leads_to(TRANSITIONS, status, ends | {Status.DECIDED}) for status in Status)


@pytest.mark.parametrize(("status", "event"), list(product((None, *Status), EVENTS)))
def test_every_status_with_every_event(status, event):
    state = IN[status] if status else None
    if (status, type(event)) in TRANSITIONS:
        moved = apply(state, occurred(event, version=9))
        assert moved.status is TRANSITIONS[status, type(event)]
        assert moved.version == 9
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, version=9))


def test_the_opening_is_what_risk_said():
    opened = review()
    assert (opened.score, opened.level, opened.amount_minor) == (62, "high", 600_00)
    assert (opened.payment_id, opened.merchant_id) == (uid("payment"), MERCHANT)
    assert (opened.assignee, opened.outcome, opened.standing(AT)) == (None, None, "open")


def test_a_claim_is_held_until_its_last_microsecond():
    held = review(CLAIMED)
    last = AT + LEASE - timedelta(microseconds=1)
    assert (held.holder(last), held.standing(last)) == ("asha", "claimed")
    assert (held.holder(AT + LEASE), held.standing(AT + LEASE)) == (None, "open")


def test_the_claimer_gets_more_time_and_another_waits_for_its_end():
    held = review(CLAIMED)
    later = AT + timedelta(minutes=10)
    assert claim(held, ASHA, later, LEASE).until == later + LEASE
    for other in (RAVI, LEAD):
        with pytest.raises(ClaimedByAnother):
            claim(held, other, later, LEASE)
    assert claim(held, RAVI, AT + LEASE, LEASE).by == "ravi"


def test_what_is_released_is_anybody_s():
    free = review(CLAIMED, RELEASED)
    assert (free.assignee, free.claimed_until) == (None, None)
    assert claim(free, RAVI, AT, LEASE).by == "ravi"


@pytest.mark.parametrize(
    ("who", "at", "refusal"),
    [
        (ASHA, AT, None),
        (LEAD, AT, None),
        (RAVI, AT, ClaimedByAnother),
        (ASHA, AT + LEASE, NotClaimed),
        (LEAD, AT + LEASE, NotClaimed),
    ],
)
def test_who_may_release_what_asha_holds(who, at, refusal):
    if refusal is None:
        assert release(review(CLAIMED), who, at).by == who.actor
    else:
        with pytest.raises(refusal):
            release(review(CLAIMED), who, at)


@pytest.mark.parametrize(
    ("events", "who", "at", "refusal"),
    [
        ((CLAIMED,), ASHA, AT, None),
        ((CLAIMED,), RAVI, AT, ClaimedByAnother),
        ((CLAIMED,), ASHA, AT + LEASE, NotClaimed),
        ((CLAIMED, RELEASED), ASHA, AT, NotClaimed),
        ((), ASHA, AT, NotClaimed),
        ((), LEAD, AT, None),
        ((CLAIMED,), LEAD, AT, None),
    ],
)
def test_who_may_decide(events, who, at, refusal):
    if refusal is None:
        decided = decide(review(*events), who, at, "fraud", "stolen card")
        assert decided == msgspec.structs.replace(DECIDED, by=who.actor)
    else:
        with pytest.raises(refusal):
            decide(review(*events), who, at, "fraud", "stolen card")


@pytest.mark.parametrize("who", [ASHA, RAVI, LEAD])
def test_a_decision_stands(who):
    done = review(CLAIMED, DECIDED)
    assert (done.assignee, done.claimed_until, done.decided_at) == ("asha", None, AT)
    assert decide(done, who, AT, "fraud", "as I said") is None
    with pytest.raises(AlreadyDecided):
        decide(done, who, AT, "good", "on second thoughts")
    with pytest.raises(AlreadyDecided):
        claim(done, who, AT, LEASE)
    with pytest.raises(AlreadyDecided):
        release(done, who, AT)


def test_a_note_changes_nothing_else():
    for before in IN.values():
        noted = apply(before, occurred(NOTED, version=before.version + 1))
        assert noted == msgspec.structs.replace(before, version=before.version + 1, updated_at=AT)
