"""What a route's calls make of it: rates, latency, and the breaker."""

import pytest

from online.rails.domain import Outcome, OutcomeKind
from online.routing.domain import RouteHealth, RouteRequest
from online.routing.health import BreakerSettings, BreakerState, HealthBook
from online.routing.service import Routing
from tests.unit.routing.test_choose import route

SETTINGS = BreakerSettings(window_s=60, min_calls=4, failure_bps=5_000, rest_s=10, probes=2)


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def book(seconds: Seconds) -> HealthBook:
    return HealthBook(["a", "b"], SETTINGS, seconds)


def test_an_unused_route_counts_as_good(book: HealthBook):
    assert book.health() == {"a": RouteHealth(), "b": RouteHealth()}


def test_rates_come_from_the_window_alone(book: HealthBook, seconds: Seconds):
    book["a"].record(failed=True, latency_ms=900)
    seconds.now += 61
    book["a"].record(failed=False, latency_ms=100)
    book["a"].record(failed=True, latency_ms=300)
    assert book["a"].health() == RouteHealth(failure_bps=5_000, latency_ms=200, calls=2)
    seconds.now += 61
    assert book["a"].health() == RouteHealth()


def test_opens_only_with_enough_calls(book: HealthBook):
    for _ in range(3):
        book["a"].record(failed=True, latency_ms=1)
    assert book["a"].state is BreakerState.CLOSED
    book["a"].record(failed=True, latency_ms=1)
    assert book["a"].state is BreakerState.OPEN
    assert not book["a"].health().available
    assert book["b"].health().available


def test_slow_answers_open_it_too(book: HealthBook):
    for _ in range(4):
        book["a"].record(failed=False, latency_ms=5_000)
    assert book["a"].state is BreakerState.OPEN


def test_rests_then_probes_then_closes(book: HealthBook, seconds: Seconds):
    for _ in range(4):
        book["a"].record(failed=True, latency_ms=1)
    seconds.now += 10
    assert book["a"].state is BreakerState.HALF_OPEN
    assert book["a"].health().available
    book["a"].record(failed=False, latency_ms=1)
    assert book["a"].state is BreakerState.HALF_OPEN
    book["a"].record(failed=False, latency_ms=1)
    assert book["a"].state is BreakerState.CLOSED
    book["a"].record(failed=True, latency_ms=1)
    assert book["a"].state is BreakerState.CLOSED, "what was before the rest is forgotten"


def test_a_failed_probe_makes_it_rest_again(book: HealthBook, seconds: Seconds):
    for _ in range(4):
        book["a"].record(failed=True, latency_ms=1)
    seconds.now += 10
    book["a"].record(failed=True, latency_ms=1)
    assert book["a"].state is BreakerState.OPEN
    seconds.now += 9
    assert book["a"].state is BreakerState.OPEN


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        (OutcomeKind.DECLINED, False),  # the payer's business says nothing about the route
        (OutcomeKind.PENDING, False),
        (OutcomeKind.APPROVED, False),
        (OutcomeKind.FAILED, True),
        (OutcomeKind.UNKNOWN, True),
    ],
)
def test_what_counts_as_a_failure(kind: OutcomeKind, opens: bool, seconds: Seconds):
    routing = Routing(
        [route("a"), route("b", priority=2)], HealthBook(["a", "b"], SETTINGS, seconds)
    )
    asked = RouteRequest(method="upi", amount_minor=100, currency="INR")
    for _ in range(4):
        routing.record("a", Outcome(kind=kind, code="x"), 10)
    assert routing.choose(asked).route == ("b" if opens else "a")
    assert (routing.breakers()["a"] is BreakerState.OPEN) is opens
