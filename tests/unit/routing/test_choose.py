"""Routing: who is eligible, who wins, and why."""

import pytest

from online.kernel.errors import RouteUnavailable
from online.platform.settings import load_settings
from online.routing.domain import (
    Route,
    RouteDecision,
    RouteHealth,
    RouteImpossible,
    RouteRequest,
    Strategy,
    choose,
)
from online.routing.service import routes_of

ROUTES = routes_of(load_settings(environ={}).payment_routes)
LAKH = 100_000_00


def request(**changes: object) -> RouteRequest:
    fields: dict[str, object] = {"method": "upi", "amount_minor": 500_00, "currency": "INR"}
    return RouteRequest(**{**fields, **changes})  # type: ignore[arg-type]


def route(name: str, *, fee_bps: int = 50, priority: int = 1) -> Route:
    return Route(
        name=name,
        provider=name,
        methods=frozenset({"upi"}),
        max_amount_minor=LAKH,
        priority=priority,
        fee_bps=fee_bps,
    )


@pytest.mark.parametrize(
    ("asked", "chosen", "reason"),
    [
        ({}, "upi_hdfc", "best_balanced"),
        ({"strategy": "cost"}, "upi_hdfc", "best_cost"),
        ({"amount_minor": LAKH}, "upi_hdfc", "best_balanced"),
        ({"amount_minor": LAKH + 1}, "upi_hdfc", "only_eligible"),
        ({"amount_minor": 2 * LAKH}, "upi_hdfc", "only_eligible"),
        ({"exclude": frozenset({"upi_hdfc"})}, "upi_icici", "only_eligible"),
        ({"method": "card"}, "card_a", "best_balanced"),
        ({"method": "card", "exclude": frozenset({"card_a"})}, "card_b", "only_eligible"),
    ],
)
def test_configured_routes(asked: dict[str, object], chosen: str, reason: str):
    decision = choose(request(**asked), ROUTES, {})
    assert (decision.route, decision.reason) == (chosen, reason)
    assert [candidate.name for candidate in decision.candidates] == [r.name for r in ROUTES]


RESTING = RouteHealth(available=False)


@pytest.mark.parametrize(
    ("asked", "resting", "detail", "param"),
    [
        ({"amount_minor": 2 * LAKH + 1}, (), "above what any route takes", "amount"),
        ({"method": "wallet"}, (), "no route takes wallet", "payment_method"),
        ({"currency": "USD"}, (), "no route takes USD", "currency"),
        ({"exclude": frozenset({"upi_hdfc", "upi_icici"})}, (), "already_tried", None),
        ({}, ("upi_hdfc", "upi_icici"), "circuit_open", None),
        (
            {"amount_minor": LAKH + 1},
            ("upi_hdfc",),
            "amount_above_maximum, circuit_open",
            None,
        ),
    ],
)
def test_no_route(
    asked: dict[str, object], resting: tuple[str, ...], detail: str, param: str | None
):
    """One code for clients; only what may change with time is worth another try."""
    kind = RouteUnavailable if param is None else RouteImpossible
    with pytest.raises(kind) as caught:
        choose(request(**asked), ROUTES, dict.fromkeys(resting, RESTING))
    assert caught.value.code == "route_unavailable"
    assert caught.value.param == param
    assert caught.value.retryable is (param is None)
    assert detail in caught.value.detail


CHEAP_SLOW_SHAKY = RouteHealth(failure_bps=800, latency_ms=2_000, calls=50)
DEAR_FAST_SURE = RouteHealth(failure_bps=10, latency_ms=100, calls=50)


@pytest.mark.parametrize(
    ("strategy", "chosen"),
    [("cost", "cheap"), ("speed", "dear"), ("reliability", "dear"), ("balanced", "dear")],
)
def test_strategies(strategy: Strategy, chosen: str):
    routes = [route("cheap", fee_bps=50), route("dear", fee_bps=60)]
    health = {"cheap": CHEAP_SLOW_SHAKY, "dear": DEAR_FAST_SURE}
    assert choose(request(strategy=strategy), routes, health).route == chosen


def test_balanced_prefers_a_much_cheaper_route_that_is_nearly_as_good():
    routes = [route("cheap", fee_bps=50), route("dear", fee_bps=250)]
    health = {
        "cheap": RouteHealth(failure_bps=100, latency_ms=300, calls=50),
        "dear": RouteHealth(failure_bps=50, latency_ms=200, calls=50),
    }
    assert choose(request(), routes, health).route == "cheap"


def test_a_tie_goes_by_priority_then_name_and_never_by_order():
    one, two = route("b", priority=1), route("a", priority=2)
    assert choose(request(), [one, two], {}).route == "b"
    assert choose(request(), [two, one], {}).route == "b"
    same = [route("b"), route("a")]
    assert choose(request(), same, {}).route == "a"
    assert choose(request(), same[::-1], {}).route == "a"


def test_every_candidate_says_why():
    health = {"upi_icici": RouteHealth(available=False)}
    decision: RouteDecision = choose(request(amount_minor=LAKH), ROUTES, health)
    assert {c.name: c.reason for c in decision.candidates} == {
        "upi_hdfc": "ok",
        "upi_icici": "circuit_open",
        "card_a": "method_not_supported",
        "card_b": "method_not_supported",
    }
    assert [c.eligible for c in decision.candidates] == [True, False, False, False]
    assert {c.name: c.fee_bps for c in decision.candidates}["card_a"] == 180
