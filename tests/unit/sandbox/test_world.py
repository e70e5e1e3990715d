"""The simulated world: the same seed the same world, fraud at its rate and with its traces."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from online.kernel.clock import IST
from online.sandbox import magic
from online.sandbox.behaviour import APPROVED, When
from online.sandbox.world import World, WorldPayment

FIRST = date(2026, 9, 17)


@pytest.fixture(scope="module")
def world() -> World:
    return World(7)


@pytest.fixture(scope="module")
def history(world: World) -> list[WorldPayment]:
    return list(world.payments(40_000, FIRST, 60))


def test_the_same_seed_gives_the_same_world() -> None:
    one, two, other = World(3), World(3), World(4)
    assert one.customers == two.customers
    assert list(one.payments(2_000, FIRST, 5)) == list(two.payments(2_000, FIRST, 5))
    assert one.demo_day(FIRST, 100) == two.demo_day(FIRST, 100)
    assert list(one.payments(2_000, FIRST, 5)) != list(other.payments(2_000, FIRST, 5))


def test_payments_come_in_time_order_within_their_days(history: list[WorldPayment]) -> None:
    assert len(history) == 40_000
    assert all(one.at <= two.at for one, two in pairwise(history))
    start = datetime(2026, 9, 17, tzinfo=IST).astimezone(UTC)
    assert start <= history[0].at
    assert history[-1].at < start + timedelta(days=60)
    assert all(payment.at.tzinfo is UTC for payment in history[:100])


def test_every_payment_is_well_formed(world: World, history: list[WorldPayment]) -> None:
    shops = {shop.ref for shop in world.merchants}
    people = {person.ref for person in world.customers}
    for payment in history[:5_000]:
        assert (payment.vpa is None) == (payment.method == "card")
        assert (payment.card is None) == (payment.method == "upi")
        assert 500 <= payment.amount_minor <= 4_500_000
        assert payment.merchant_ref in shops
        assert payment.customer_ref in people
        if payment.card is not None:
            assert magic.of_card(world.pan(payment.card)) in (None, APPROVED)


def test_fraud_is_rare_labelled_late_and_leaves_traces(history: list[WorldPayment]) -> None:
    stolen = [payment for payment in history if payment.fraud]
    assert 0.010 <= len(stolen) / len(history) <= 0.015
    for payment in stolen:
        assert payment.label_known_at is not None
        assert timedelta(days=3) <= payment.label_known_at - payment.at < timedelta(days=10)
        assert payment.outcome == "approved"  # nobody disputes what was declined
    assert all(payment.label_known_at is None for payment in history if not payment.fraud)
    by_week = Counter((payment.at - history[0].at).days // 7 for payment in stolen)
    assert all(by_week[week] >= 15 for week in range(8))
    by_device: dict[str, set[str]] = defaultdict(set)
    for payment in stolen:
        by_device[payment.device].add(payment.customer_ref)
    assert max(map(len, by_device.values())) >= 6  # a card tester


def test_a_small_world_works_too() -> None:
    for n in (0, 1, 10):
        assert len(list(World(1, merchants=1, customers=1).payments(n, FIRST, 1))) == n
    assert len(World(1, merchants=30).merchants) == 30
    assert len({shop.ref for shop in World(1, merchants=30).merchants}) == 30


def test_a_demo_day_ends_in_every_way(world: World) -> None:
    day = date(2026, 11, 16)
    payments = world.demo_day(day, 300)
    assert len(payments) == 300
    local = [payment.at.astimezone(IST) for payment in payments]
    assert all(at.date() == day and 10 <= at.hour < 20 for at in local)
    methods = Counter(payment.method for payment in payments)
    assert 225 <= methods["upi"] <= 255
    outcomes = Counter(payment.outcome for payment in payments)
    expected = {"approved": 283, "declined": 12, "timeout": 3, "lost": 1, "failed": 1}
    assert outcomes == expected
    refunded = [payment for payment in payments if payment.refund_minor]
    assert len(refunded) == 15
    assert all(payment.outcome == "approved" for payment in refunded)
    assert any(payment.refund_minor == payment.amount_minor for payment in refunded)
    assert any(0 < payment.refund_minor < payment.amount_minor for payment in refunded)
    assert any(payment.capture == "manual" for payment in payments)
    assert any(payment.fraud for payment in payments)


def test_demo_outcomes_are_what_the_banks_will_do(world: World) -> None:
    expected = {
        "approved": ("approved", When.AT_ONCE),
        "declined": ("declined", When.AT_ONCE),
        "failed": ("failed", When.AT_ONCE),
        "timeout": ("approved", When.HELD),
        "lost": ("failed", When.LOST),
    }
    for payment in world.demo_day(date(2026, 11, 16), 1_000):
        assert not magic.is_amount(payment.amount_minor)
        if payment.vpa is not None:
            outcome = magic.of_vpa(payment.vpa) or APPROVED
        else:
            assert payment.card is not None
            outcome = magic.of_card(world.pan(payment.card)) or APPROVED
        assert (outcome.status, outcome.when) == expected[payment.outcome]
