"""A request's transition table, its end, and what the primary signs."""

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from online.approvals.domain import (
    TERMINAL,
    TRANSITIONS,
    Request,
    RequestExpired,
    Status,
    apply,
    check_in_time,
)
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import LimitTaken
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import reachable, without_exit

HELD = (
    LimitTaken("open_requests", "delegation:x", window_start=date(1970, 1, 1), amount=1, cap=10),
)
MADE = ev.DelegationRequestMade(
    merchant_id=ids.encode("mrc", MERCHANT),
    delegation_id=ids.encode("dlg", uid("circle")),
    primary_id=ids.encode("cus", uid("asha")),
    secondary_id=ids.encode("cus", uid("ravi")),
    amount=750_00,
    currency="INR",
    device_id="dev_x",
    expires_at=AT + timedelta(minutes=10),
    held=HELD,
)
APPROVED = ev.DelegationRequestApproved(
    payment_id=ids.encode("pay", uid("payment")), device_id="dev_y", signature="00"
)


def request(*events: ev.Event, **fields: object) -> Request:
    state = None
    for version, event in enumerate((replace(MADE, **fields), *events), start=1):
        state = apply(state, occurred(event, version=version))
    assert state is not None
    return state


def test_the_table():
    assert reachable(TRANSITIONS) == set(Status)
    ends = {Status.APPROVED, Status.DECLINED, Status.EXPIRED}
    assert without_exit(TRANSITIONS, Status) == TERMINAL == ends


def test_what_an_end_leaves():
    approved = request(APPROVED)
    assert (approved.payment_id, approved.approved_by) == (uid("payment"), "dev_y")
    assert request(ev.DelegationRequestDeclined(reason="too dear")).reason == "too dear"
    assert approved.held == request().held == HELD


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta(minutes=10) - timedelta(microseconds=1), Status.PENDING),
        (timedelta(minutes=10), Status.EXPIRED),
    ],
)
def test_ten_minutes_and_not_one_instant_more(after, state):
    assert request().state_at(AT + after) is state
    if state is Status.PENDING:
        check_in_time(request(), AT + after)
    else:
        with pytest.raises(RequestExpired):
            check_in_time(request(), AT + after)


def test_what_was_approved_is_approved_whenever_one_looks():
    assert request(APPROVED).state_at(AT + timedelta(days=1)) is Status.APPROVED


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 751_00},
        {"delegation_id": ids.encode("dlg", uid("another"))},
        {"secondary_id": ids.encode("cus", uid("meera"))},
        {"expires_at": AT + timedelta(minutes=11)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_is_for_this_request_alone(change):
    other = request(**change)
    assert other.challenge != request().challenge
    assert replace(request(), id=uid("another")).challenge != request().challenge


def test_the_text_names_everything_that_moves():
    lines = request().challenge.split("\n")
    assert lines[0] == "khata-delegation-request.v1"
    assert lines[1] == request().reference
    assert "75000 INR" in lines
