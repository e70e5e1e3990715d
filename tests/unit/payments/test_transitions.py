"""Which event may follow in which status of a payment: the whole product, row by row."""

import pytest

from online.kernel.errors import IllegalMove
from online.kernel.events import EVENTS
from online.payments.domain import TERMINAL, TRANSITIONS, Status, apply
from tests.builders import an, occurred, payment, uid
from tests.unit.machines import as_rows, leads_to, reachable, without_exit

OPEN = {
    "requires_action": "requires_action",
    "unknown": "unknown",
    "authorized": "authorized",
    "captured": "captured",
    "failed": "failed",
}
CAPTURING = {"capture_requested", "capture_failed"}
REFUNDING = {"refund_requested", "refund_failed"}
# What is done to an authorization beside taking it.
HELD = {
    *("release_requested", "release_failed", "authorization_released"),
    *("extension_requested", "extension_failed", "authorization_extended"),
}
KEEPING = CAPTURING | REFUNDING | HELD | {"escrowed"}
REVERSING = {"reversal_requested", "reversal_failed"}
# What comes late changes no status, wherever a payment that was sent to a rail has got to.
LATE = {
    *("late_money", "late_return_requested", "late_return_failed", "late_money_returned"),
    "unplaced_money",
}
# The bank's last word on a deemed one, and a refund that was under way when it was sent back.
CONFIRMED = {"credit_confirmed"}
RETURNED = {"credit_confirmed", "returned", "refund_failed", "partially_refunded", "refunded"}
NOT_SENT = {"nothing", "created", "in_review", "blocked"}

MOVES = {
    "nothing": {"created": "created"},
    "created": {"processing": "processing", "blocked": "blocked", "in_review": "in_review"},
    "in_review": {"processing": "processing", "blocked": "blocked", "canceled": "canceled"},
    "processing": {**OPEN, "processing": "processing"},
    "unknown": OPEN,
    "requires_action": {
        **OPEN,
        "void_requested": "requires_action",
        "void_failed": "requires_action",
        "canceled": "canceled",
        "expired": "expired",
    },
    "authorized": {
        **dict.fromkeys(CAPTURING | HELD, "authorized"),
        "captured": "captured",
        "void_requested": "authorized",
        "void_failed": "authorized",
        "canceled": "canceled",
        "expired": "expired",
    },
    "captured": {
        **dict.fromkeys(KEEPING | REVERSING | CONFIRMED, "captured"),
        "returned": "reversed",
        "captured": "captured",
        "partially_refunded": "partially_refunded",
        "refunded": "refunded",
        "reversed": "reversed",
    },
    "partially_refunded": {
        **dict.fromkeys(KEEPING | CONFIRMED, "partially_refunded"),
        "returned": "reversed",
        "captured": "partially_refunded",
        "partially_refunded": "partially_refunded",
        "refunded": "refunded",
    },
    "refunded": {"credit_confirmed": "refunded", "returned": "refunded"},
    "reversed": dict.fromkeys(RETURNED, "reversed"),
}
TABLE = MOVES | {
    str(status): MOVES.get(str(status), {}) | dict.fromkeys(LATE, str(status))
    for status in Status
    if status not in NOT_SENT
}


def test_the_table_is_the_specified_one():
    assert as_rows(TRANSITIONS) == TABLE


@pytest.mark.parametrize("event_type", EVENTS.values(), ids=lambda event: event.TYPE)
@pytest.mark.parametrize("status", [None, *Status], ids=lambda status: status or "nothing")
def test_every_status_and_event(status, event_type):
    aggregate, _, what = event_type.TYPE.partition(".")
    to = TABLE.get(status or "nothing", {}).get(what) if aggregate == "payment" else None
    state = payment(status=status, authorized_minor=1_000_00) if status else None
    move = occurred(an(event_type), id_=uid("payment"), version=2)
    if to is None:
        with pytest.raises(IllegalMove, match=status or "nothing"):
            apply(state, move)
    else:
        after = apply(state, move)
        assert (after.status, after.version, after.updated_at) == (to, 2, move.at)


def test_every_status_is_reached():
    assert reachable(TRANSITIONS) == set(Status)


def test_nothing_leaves_a_final_status_and_every_other_can_end():
    assert without_exit(TRANSITIONS, Status) == TERMINAL
    # Money that was captured may stay where it is.
    ends = TERMINAL | {Status.CAPTURED}
    assert all(leads_to(TRANSITIONS, status, ends) for status in Status)


def test_every_event_of_a_payment_has_a_place():
    used = {event.TYPE for _, event in TRANSITIONS}
    assert used == {name for name in EVENTS if name.startswith("payment.")}
