"""Routing: who is eligible, who wins, and why."""

from uuid import UUID

import pytest

from online.kernel.errors import RouteUnavailable
from online.platform.settings import load_settings
from online.routing.domain import (
    Figures,
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
PAYMENT = UUID("0193a000-0000-7000-8000-000000000001")


def request(**changes: object) -> RouteRequest:
    fields: dict[str, object] = {
        "payment_id": PAYMENT,
        "method": "upi",
        "amount_minor": 500_00,
        "currency": "INR",
    }
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


def measured(*, calls: int, failures: int = 0, mean_ms: int = 300) -> RouteHealth:
    return RouteHealth(memory=Figures(calls, failures, 0, calls * mean_ms))


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


RESTING = RouteHealth(state="open")


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


CHEAP_SLOW_SHAKY = measured(calls=200, failures=20, mean_ms=2_000)
DEAR_FAST_SURE = measured(calls=200, failures=0, mean_ms=100)


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
        "cheap": measured(calls=200, failures=2, mean_ms=300),
        "dear": measured(calls=200, failures=1, mean_ms=200),
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
    health = {"upi_icici": RouteHealth(state="open")}
    decision: RouteDecision = choose(request(amount_minor=LAKH), ROUTES, health)
    assert {c.name: c.reason for c in decision.candidates} == {
        "upi_hdfc": "ok",
        "upi_icici": "circuit_open",
        "card_a": "method_not_supported",
        "card_b": "method_not_supported",
    }
    assert [c.name for c in decision.candidates if c.eligible] == ["upi_hdfc"]
    assert {c.name: c.fee_bps for c in decision.candidates}["card_a"] == 180


@pytest.mark.parametrize("strategy", ["balanced", "reliability", "cost", "speed"])
def test_one_failure_does_not_banish_a_route(strategy: Strategy):
    """The first call of the day failed; the other route has not been used at all."""
    health = {"upi_hdfc": measured(calls=1, failures=1)}
    assert choose(request(strategy=strategy), ROUTES, health).route == "upi_hdfc"


def test_many_failures_do():
    health = {"upi_hdfc": measured(calls=300, failures=150)}
    assert choose(request(), ROUTES, health).route == "upi_icici"


@pytest.mark.parametrize("strategy", ["reliability", "speed"])
def test_a_route_that_nobody_used_is_not_better_than_one_that_is_known_to_be_good(
    strategy: Strategy,
):
    routes = [route("unused"), route("known")]
    health = {"known": measured(calls=200, failures=0, mean_ms=100)}
    assert choose(request(strategy=strategy), routes, health).route == "known"


def test_nor_so_much_worse_that_nobody_would_ever_use_it():
    """A cheaper route that has just come back, beside one that has had all the traffic."""
    routes = [route("dear", fee_bps=60), route("back", fee_bps=50)]
    health = {"dear": measured(calls=1_000, failures=0, mean_ms=50)}
    assert choose(request(), routes, health).route == "back"


def test_nor_worse_than_one_that_is_known_to_be_bad():
    routes = [route("bad", priority=1), route("unused", priority=2)]
    health = {"bad": measured(calls=200, failures=80)}
    assert choose(request(strategy="reliability"), routes, health).route == "unused"


def test_a_decision_says_what_it_was_scored_by():
    health = {"upi_hdfc": measured(calls=200, failures=100, mean_ms=400)}
    decision = choose(request(strategy="reliability"), ROUTES, health)
    hdfc, icici = (
        next(each for each in decision.candidates if each.name == name)
        for name in ("upi_hdfc", "upi_icici")
    )
    assert (hdfc.failure_bps, hdfc.latency_ms, hdfc.score) == (636, 400, 6_000)
    assert (icici.failure_bps, icici.latency_ms, icici.score) == (200, 404, 2_000)
    assert (hdfc.propensity_bps, icici.propensity_bps) == (0, 10_000)
