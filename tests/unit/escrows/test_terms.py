"""Shares, conditions and how long: a row for each rule and each side of its bound."""

from datetime import date, timedelta

import pytest

from online.escrows.rules import EscrowRule, check_time, load_rules
from online.escrows.terms import (
    Condition,
    Conditions,
    Met,
    Party,
    check_conditions,
    ripe_at,
    taken,
    with_shares,
)
from online.kernel.errors import InvalidRequest
from online.platform.settings import ROOT
from tests.builders import AT

DAY = timedelta(days=1)


def party(merchant_id, bps=None, amount=None, role="seller"):
    return Party(merchant_id=merchant_id, role=role, share_bps=bps, amount_minor=amount)


@pytest.mark.parametrize(
    ("amount", "parties", "shares"),
    [
        (100, [party("a", 10_000)], [100]),
        (100, [party("a", 3_333), party("b", 3_333), party("c", 3_334)], [34, 33, 33]),
        (1, [party("a", 5_000), party("b", 5_000)], [1, 0]),
        (100, [party("a", amount=30), party("b", 10_000)], [30, 70]),
        (100, [party("a", 9_000), party("p", amount=1), party("b", 1_000)], [90, 1, 9]),
        (100, [party("a", amount=60), party("b", amount=40)], [60, 40]),
    ],
)
def test_shares(amount, parties, shares):
    assert [p.share_minor for p in with_shares(amount, parties)] == shares


@pytest.mark.parametrize(
    ("parties", "why"),
    [
        ([party("a", 9_999)], "9999 of 10000"),
        ([party("a", 10_000), party("b", 1)], "10001 of 10000"),
        ([party("a", amount=99)], "99 of 100"),
        ([party("a", amount=101)], "101 of 100"),
        ([party("a")], "either"),
        ([party("a", 5_000, 50)], "either"),
        ([party("a", 5_000), party("a", 5_000)], "once"),
        ([party("a", 10_000, role="buyer")], "buyer"),
    ],
)
def test_shares_that_are_none(parties, why):
    with pytest.raises(InvalidRequest, match=why):
        with_shares(100, parties)


def test_what_is_left_over_goes_to_the_first_named():
    assert taken(2, {"a": 5, "b": 5, "c": 5}) == {"a": 1, "b": 1}
    assert taken(2, {"a": 0, "b": 5, "c": 5}) == {"b": 1, "c": 1}
    assert taken(0, {"a": 5}) == {}
    assert taken(10, {"a": 5, "b": 5}) == {"a": 5, "b": 5}


APPROVAL = Condition(type="approval", by="buyer")
DELIVERY = Condition(type="delivery", by="seller")
SOON, LATER = Condition(type="date", at=AT + DAY), Condition(type="date", at=AT + 2 * DAY)
APPROVED = Met(kind="approval", role="buyer", by="x", at=AT)
DELIVERED = Met(kind="delivery", role="seller", by="x", at=AT)
ANOTHER = Met(kind="approval", role="seller", by="x", at=AT)


@pytest.mark.parametrize(
    ("every", "some", "met", "from_"),
    [
        ([APPROVAL], [], [], None),
        ([APPROVAL], [], [ANOTHER], None),
        ([APPROVAL], [], [APPROVED], "now"),
        ([APPROVAL, DELIVERY], [], [APPROVED], None),
        ([APPROVAL, DELIVERY], [], [APPROVED, DELIVERED], "now"),
        ([SOON], [], [], AT + DAY),
        ([SOON, LATER], [], [], AT + 2 * DAY),
        ([], [SOON, LATER], [], AT + DAY),
        ([APPROVAL], [SOON], [], None),
        ([APPROVAL], [SOON], [APPROVED], AT + DAY),
        ([DELIVERY], [APPROVAL, LATER], [DELIVERED], AT + 2 * DAY),
        ([DELIVERY], [APPROVAL, LATER], [DELIVERED, APPROVED], "now"),
        ([], [APPROVAL, DELIVERY], [], None),
        ([], [APPROVAL, DELIVERY], [DELIVERED], "now"),
    ],
)
def test_when_conditions_are_met(every, some, met, from_):
    found = ripe_at(Conditions(all=tuple(every), any=tuple(some)), met)
    if from_ == "now":
        assert found is not None
        assert found <= AT
    else:
        assert found == from_


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions(all=(Condition(type="approval"),)),
        Conditions(all=(Condition(type="approval", by="judge"),)),
        Conditions(any=(Condition(type="date"),)),
        Conditions(any=(Condition(type="date", by="seller", at=AT),)),
        Conditions(all=(Condition(type="delivery", by="seller", at=AT),)),
    ],
)
def test_conditions_that_nobody_can_meet(conditions):
    with pytest.raises(InvalidRequest):
        check_conditions(conditions, [party("a", 10_000)])


def rule(days, **fields):
    return EscrowRule(longest_days=days, source="x", **fields)


def test_how_long_by_the_rule_of_the_day():
    rules = (
        rule(30, valid_from=date(2020, 1, 1), valid_to=date(2026, 3, 10)),
        rule(90, valid_from=date(2026, 3, 11)),
    )
    check_time(rules, AT + 30 * DAY, AT)
    with pytest.raises(InvalidRequest, match="30 days"):
        check_time(rules, AT + 30 * DAY + timedelta(seconds=1), AT)
    check_time(rules, AT + 91 * DAY, AT + DAY)
    with pytest.raises(InvalidRequest, match="90 days"):
        check_time(rules, AT + 92 * DAY, AT + DAY)
    with pytest.raises(InvalidRequest):
        check_time(rules, AT, AT)


def test_the_table_that_is_shipped_is_in_force():
    check_time(load_rules(ROOT / "config" / "escrows.yaml"), AT + DAY, AT)
