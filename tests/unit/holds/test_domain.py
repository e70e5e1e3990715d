"""A hold's table, row by row; and how it goes along with each state of its payment."""

from datetime import timedelta

import pytest

from online.holds.domain import TERMINAL, TRANSITIONS, Behind, Status, apply, follow
from online.kernel import events as ev
from tests.builders import AT, an, occurred, uid
from tests.unit.machines import as_rows, reachable, without_exit

DUE = AT + timedelta(days=7)
TABLE = {
    "nothing": {"requested": "pending"},
    "pending": {"placed": "placed", "failed": "failed"},
    "placed": {
        "captured": "placed",
        "released": "placed",
        "extended": "placed",
        "ended": "captured",
        "canceled": "canceled",
        "expired": "expired",
    },
}


def test_the_table_is_the_specified_one():
    assert as_rows(TRANSITIONS) == TABLE
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL


def hold(*events):
    """One of 1,000, after these events."""
    state = None
    first = an(ev.HoldRequested, amount=1_000)
    for version, event in enumerate((first, *events), start=1):
        state = apply(state, occurred(event, id_=uid("hold"), version=version))
    return state


PLACED = hold(ev.HoldPlaced(amount=1_000, expires_at=DUE))


def behind(status="authorized", authorized=1_000, captured=0, due=DUE, **fields):
    known = {"is_over": False} | fields
    return Behind(
        status=status,
        authorized_minor=authorized,
        captured_minor=captured,
        expires_at=due,
        **known,
    )


@pytest.mark.parametrize(
    ("state", "payment", "events"),
    [
        (hold(), behind("processing", 0, due=None), []),
        (hold(), behind("requires_action", 0, due=None), []),
        (hold(), behind(), [ev.HoldPlaced(amount=1_000, expires_at=DUE)]),
        (
            hold(),
            behind("failed", 0, due=None, is_over=True, error_code="payment_declined"),
            [ev.HoldFailed(code="payment_declined")],
        ),
        (hold(), behind("canceled", 0, due=None, is_over=True), [ev.HoldFailed(code="canceled")]),
        (PLACED, behind(), []),
        (PLACED, behind("captured", 1_000, 300), [ev.HoldCaptured(amount=300, captured_total=300)]),
        (PLACED, behind(authorized=900), [ev.HoldReleased(amount=100, released_total=100)]),
        (
            PLACED,
            behind(due=DUE + timedelta(days=7)),
            [ev.HoldExtended(expires_at=DUE + timedelta(days=7))],
        ),
        (
            PLACED,
            behind("captured", 1_000, 1_000),
            [ev.HoldCaptured(amount=1_000, captured_total=1_000), ev.HoldEnded()],
        ),
        (
            PLACED,
            behind("captured", 300, 300),
            [
                ev.HoldCaptured(amount=300, captured_total=300),
                ev.HoldReleased(amount=700, released_total=700),
                ev.HoldEnded(),
            ],
        ),
        (
            PLACED,
            behind("canceled", 0),
            [ev.HoldReleased(amount=1_000, released_total=1_000), ev.HoldCanceled()],
        ),
        (
            PLACED,
            behind("expired", 0),
            [ev.HoldReleased(amount=1_000, released_total=1_000), ev.HoldExpired()],
        ),
    ],
)
def test_it_goes_along_with_its_payment(state, payment, events):
    assert follow(state, payment) == events
    for version, event in enumerate(events, start=state.version + 1):
        state = apply(state, occurred(event, id_=state.id, version=version))
    assert follow(state, payment) == []
    assert state.held_minor + state.captured_minor + state.released_minor in (0, 1_000)
