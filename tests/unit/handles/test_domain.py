"""A handle's transition table, its scope, and what a payment takes of it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from online.handles.domain import (
    TERMINAL,
    TOTAL,
    TRANSITIONS,
    USES,
    Handle,
    HandleExpired,
    HandleOutOfScope,
    HandleRevoked,
    Status,
    apply,
    check_live,
    check_scope,
    moves,
)
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import LimitExceeded
from online.ledger.change import CLOSED, FOREVER
from online.limits.authority import Purchase
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import reachable, without_exit

CREATED = ev.HandleCreated(
    merchant_id=ids.encode("mrc", MERCHANT),
    customer_id=ids.encode("cus", uid("asha")),
    purpose="00",
    currency="INR",
    max_amount=500,
    max_total=900,
    max_uses=3,
    expires_at=AT + timedelta(days=1),
    alias_hash="a" * 64,
    instrument="b" * 64,
    instrument_mask="as***@okbank",
)
PURCHASE = Purchase(merchant_id=MERCHANT, livemode=False, amount_minor=500, currency="INR")


def handle(*events: ev.Event, **terms: object) -> Handle:
    state = None
    for version, event in enumerate((replace(CREATED, **terms), *events), start=1):
        state = apply(state, occurred(event, version=version))
    assert state is not None
    return state


def test_the_table():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL == {Status.REVOKED, Status.EXPIRED}
    assert handle(ev.HandleRevoked(reason="lost")).reason == "lost"


@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta(days=1) - timedelta(microseconds=1), Status.ACTIVE),
        (timedelta(days=1), Status.EXPIRED),
        (timedelta(days=2), Status.EXPIRED),
    ],
)
def test_it_is_over_at_its_time_whether_recorded_or_not(after, state):
    found = handle()
    assert found.state_at(AT + after) is state
    if state is Status.EXPIRED:
        with pytest.raises(HandleExpired):
            check_live(found, AT + after)


def test_a_revoked_one_is_revoked_even_when_its_time_is_over():
    revoked = handle(ev.HandleRevoked())
    assert revoked.state_at(AT + timedelta(days=2)) is Status.REVOKED
    with pytest.raises(HandleRevoked):
        check_live(revoked, AT)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"purpose": "14"}, "purpose"),
        ({"currency": "USD"}, "currency"),
        ({"customer_id": uid("ravi")}, "customer_id"),
    ],
)
def test_it_is_for_one_purpose_currency_and_payer(change, param):
    with pytest.raises(HandleOutOfScope) as refused:
        check_scope(handle(), replace(PURCHASE, **change))
    assert refused.value.param == param


def test_what_names_nobody_and_no_purpose_is_an_ordinary_payment_of_its_payer():
    check_scope(handle(), PURCHASE)
    check_scope(handle(), replace(PURCHASE, purpose="00", customer_id=uid("asha")))
    with pytest.raises(HandleOutOfScope):
        check_scope(handle(purpose="14"), PURCHASE)


def test_one_payment_has_a_cap_of_its_own():
    with pytest.raises(LimitExceeded) as refused:
        check_scope(handle(), replace(PURCHASE, amount_minor=501))
    assert refused.value.limit is not None
    assert (refused.value.limit.rule, refused.value.limit.cap) == ("handle_amount", 500)


def test_a_payment_takes_a_use_and_its_amount_behind_the_guard():
    guard, uses, total = moves(handle(), 400)
    assert (guard.rule, guard.delta, guard.cap, guard.refusal) == (CLOSED, 0, 0, HandleRevoked)
    assert (uses.rule, uses.delta, uses.cap) == (USES, 1, 3)
    assert (total.rule, total.delta, total.cap) == (TOTAL, 400, 900)
    assert {each.subject for each in (guard, uses, total)} == {handle().subject}
    assert {each.window_start for each in (guard, uses, total)} == {FOREVER}


def test_without_a_total_uses_alone_are_counted():
    assert [move.rule for move in moves(handle(max_total=None), 400)] == [CLOSED, USES]
