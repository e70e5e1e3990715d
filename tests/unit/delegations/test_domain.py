"""A delegation's transition table, and its caps with the date on both sides of each change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from online.delegations.domain import (
    COOLING,
    MONTH,
    TERMINAL,
    TRANSITIONS,
    Delegation,
    DelegationClosed,
    HasPrimary,
    Status,
    TooManySecondaries,
    apply,
    caps,
    check_amount,
    check_open,
    linked,
    moves,
    per_month,
    per_payment,
)
from online.delegations.rulebook import load_rules
from online.delegations.rules import on
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import LimitExceeded
from online.ledger.change import CLOSED
from online.platform.settings import ROOT
from tests.builders import AT, MERCHANT, occurred, uid
from tests.unit.machines import reachable, without_exit

RULES = load_rules(ROOT / "config" / "delegations.yaml")
RULE = on(RULES, date(2026, 11, 24))
CREATED = ev.DelegationCreated(
    merchant_id=ids.encode("mrc", MERCHANT),
    primary_id=ids.encode("cus", uid("asha")),
    secondary_id=ids.encode("cus", uid("ravi")),
    kind="full",
    currency="INR",
    instrument="b" * 64,
    instrument_mask="as***@okbank",
    cooling_until=AT + timedelta(hours=24),
)
PAUSED, RESUMED = ev.DelegationPaused(reason="travels"), ev.DelegationResumed()
REVOKED = ev.DelegationRevoked(reason="enough")


def delegation(*events: ev.Event, **terms: object) -> Delegation:
    state = None
    for version, event in enumerate((replace(CREATED, **terms), *events), start=1):
        state = apply(state, occurred(event, version=version))
    assert state is not None
    return state


def test_the_table():
    assert reachable(TRANSITIONS) == set(Status)
    assert without_exit(TRANSITIONS, Status) == TERMINAL == {Status.REVOKED}


def test_a_reason_lasts_as_long_as_what_it_is_for():
    assert delegation(PAUSED).reason == "travels"
    assert delegation(PAUSED, RESUMED).reason is None
    assert delegation(PAUSED, REVOKED).reason == "enough"


@pytest.mark.parametrize("events", [(PAUSED,), (REVOKED,), (PAUSED, REVOKED)])
def test_what_is_not_active_pays_nothing(events):
    check_open(delegation(PAUSED, RESUMED))
    with pytest.raises(DelegationClosed):
        check_open(delegation(*events))


@pytest.mark.parametrize(("day", "there"), [(date(2024, 8, 12), False), (date(2024, 8, 13), True)])
def test_delegation_begins_with_the_circular(day, there):
    if there:
        assert on(RULES, day).full.per_month_minor == 15_000_00
    else:
        with pytest.raises(LookupError):
            on(RULES, day)


def test_a_later_row_counts_from_its_day_on():
    lower = replace(RULE, valid_from=date(2027, 1, 1), full=replace(RULE.full, per_month_minor=1))
    rows = (lower, *RULES)
    assert on(rows, date(2026, 12, 31)).full.per_month_minor == 15_000_00
    assert on(rows, date(2027, 1, 1)).full.per_month_minor == 1


@pytest.mark.parametrize(
    ("kind", "own", "payment", "month"),
    [
        ("full", {}, 5_000_00, 15_000_00),
        ("full", {"per_payment": 100, "per_month": 200}, 100, 200),
        ("full", {"per_payment": 9_000_00, "per_month": 90_000_00}, 5_000_00, 15_000_00),
        ("partial", {}, None, None),
        ("partial", {"per_payment": 9_000_00, "per_month": 90_000_00}, 9_000_00, 90_000_00),
    ],
)
def test_own_caps_lower_those_of_the_rule(kind, own, payment, month):
    found = delegation(kind=kind, **own)
    assert (per_payment(found, RULE), per_month(found, RULE)) == (payment, month)
    if payment is not None:
        check_amount(found, RULE, payment)
        with pytest.raises(LimitExceeded):
            check_amount(found, RULE, payment + 1)
    else:
        check_amount(found, RULE, 10**12)


@pytest.mark.parametrize(
    ("kind", "after", "rules"),
    [
        ("full", timedelta(), [MONTH, COOLING]),
        ("full", timedelta(hours=24) - timedelta(microseconds=1), [MONTH, COOLING]),
        ("full", timedelta(hours=24), [MONTH]),
        ("partial", timedelta(), [COOLING]),
        ("partial", timedelta(hours=24), []),
    ],
)
def test_the_first_day_has_a_cap_of_its_own(kind, after, rules):
    assert [cap.rule for cap in caps(delegation(kind=kind), RULE, AT + after)] == rules


@pytest.mark.parametrize(
    ("at", "start"),
    [
        (datetime(2026, 11, 30, 18, 29, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2026, 11, 30, 18, 30, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 18, 30, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_a_month_is_a_calendar_month_of_india(at, start):
    found = replace(delegation(), cooling_until=at)
    (month,) = caps(found, RULE, at)
    assert month.window_start == start
    assert month.until is not None
    assert month.until > at


def test_a_month_is_the_pairs_and_the_first_day_the_delegations():
    first, again = delegation(), replace(delegation(), id=uid("again"))
    of_first, of_again = (caps(each, RULE, AT) for each in (first, again))
    assert of_first[0].subject == of_again[0].subject
    assert of_first[1].subject != of_again[1].subject


def test_a_payment_takes_its_amount_of_every_cap_behind_the_guard():
    guard, *taken = moves(delegation(), RULE, 700, AT)
    assert (guard.rule, guard.delta, guard.refusal) == (CLOSED, 0, DelegationClosed)
    assert [(move.rule, move.delta, move.cap) for move in taken] == [
        (MONTH, 700, 15_000_00),
        (COOLING, 700, 5_000_00),
    ]
    assert {move.source for move in taken} == {"delegation@2024-08-13"}


def test_a_link_takes_a_place_on_both_sides():
    primary, secondary = linked(delegation(), RULE)
    assert (primary.cap, primary.delta, primary.refusal) == (5, 1, TooManySecondaries)
    assert (secondary.cap, secondary.delta, secondary.refusal) == (1, 1, HasPrimary)
    assert primary.subject.endswith(delegation().primary)
    assert secondary.subject.endswith(delegation().secondary)
