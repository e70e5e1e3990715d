"""A break's transition table, and which news a finding is."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import msgspec
import pytest

from online.breaks.domain import HOUSE, TRANSITIONS, Break, Finding, State, apply, news
from online.kernel import events as ev
from online.kernel.errors import IllegalMove
from online.kernel.events import Occurred

AT = datetime(2026, 11, 17, 19, 30, tzinfo=UTC)
BREAK = UUID(int=9)
OPENED = ev.BreakOpened(
    kind="missing_external",
    side="rail",
    row_ids=["a", "b"],
    business_date="2026-11-16",
    currency="INR",
    reason="no row",
    expected=500,
)
CLOSED = ev.BreakClosed(reason="came late")


def occurred(event: ev.Event, version: int) -> Occurred:
    return Occurred(
        aggregate_id=BREAK, version=version, at=AT, merchant_id=HOUSE, livemode=False, event=event
    )


def at_version(version: int) -> Break | None:
    state = None
    for n in range(1, version + 1):
        state = apply(state, occurred(OPENED if n % 2 else CLOSED, n))
    return state


@pytest.mark.parametrize(("state", "event"), list(product([None, *State], [OPENED, CLOSED])))
def test_the_table_says_every_move_and_no_other(state, event):
    known = at_version({None: 0, State.OPEN: 1, State.CLOSED: 2}[state])
    if (state, type(event)) in TRANSITIONS:
        assert apply(known, occurred(event, 9)).state is TRANSITIONS[state, type(event)]
    else:
        with pytest.raises(IllegalMove):
            apply(known, occurred(event, 9))


def test_opening_again_forgets_that_it_was_closed():
    again = at_version(3)
    assert again is not None
    assert (again.state, again.closed_at) == (State.OPEN, None)


@pytest.mark.parametrize(
    ("version", "generation", "state", "events"),
    [
        (0, 1, State.OPEN, [OPENED]),
        (1, 1, State.OPEN, []),
        (1, 1, State.CLOSED, ["closed"]),
        (0, 1, State.CLOSED, [OPENED, "closed"]),
        (2, 1, State.OPEN, []),  # a history sent again does not open it again
        (2, 1, State.CLOSED, []),
        (2, 2, State.OPEN, [OPENED]),
        (3, 2, State.CLOSED, ["closed"]),
        (1, 2, State.OPEN, ["closed", OPENED]),
    ],
)
def test_news(version, generation, state, events):
    finding = Finding(break_id=BREAK, generation=generation, state=state, opened=OPENED)
    wanted = [ev.BreakClosed(reason="no row") if each == "closed" else each for each in events]
    assert news(at_version(version), finding) == wanted


def test_a_break_is_its_row():
    opened = at_version(1)
    assert opened is not None
    assert opened.merchant_id == HOUSE
    assert "merchant_id" not in msgspec.structs.asdict(opened)
