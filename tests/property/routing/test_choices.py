"""What holds of every choice, whatever the routes, their health, the rules and the splits."""

from collections import Counter
from datetime import date
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from online.kernel.errors import RouteUnavailable
from online.routing.domain import (
    WEIGHTS,
    Figures,
    Policy,
    Prior,
    Route,
    RouteDecision,
    RouteHealth,
    RouteImpossible,
    RouteRequest,
    Rule,
    Split,
    choose,
)
from online.routing.draws import WHOLE_BPS

NAMES = ("a", "b", "c", "d", "e")
DAY = date(2026, 6, 15)
names = st.sampled_from(NAMES)
some = st.lists(names, unique=True, max_size=5)


@st.composite
def routes(draw: st.DrawFn) -> list[Route]:
    return [
        Route(
            name=name,
            provider=name,
            methods=draw(st.sampled_from([frozenset({"upi"}), frozenset({"upi", "card"})])),
            max_amount_minor=draw(st.integers(1, 300)),
            priority=draw(st.integers(1, 2)),
            fee_bps=draw(st.integers(0, 300)),
            currency=draw(st.sampled_from(["INR", "INR", "INR", "USD"])),
        )
        for name in draw(st.lists(names, unique=True, min_size=1, max_size=5))
    ]


@st.composite
def health(draw: st.DrawFn) -> RouteHealth:
    calls = draw(st.integers(0, 200))
    return RouteHealth(
        state=draw(st.sampled_from(["closed", "closed", "closed", "half_open", "open"])),
        probe=draw(st.booleans()),
        memory=Figures(calls, draw(st.integers(0, calls)), 0, calls * draw(st.integers(0, 9_000))),
    )


def _shares(weights: dict[str, int]) -> dict[str, int]:
    """The same proportions, roughly, in per cent."""
    total = sum(weights.values())
    shares = {name: weight * 100 // total for name, weight in weights.items()}
    shares[min(shares)] += 100 - sum(shares.values())
    return shares


rules = st.builds(
    lambda only, prefer: Rule(name="r", valid_from=DAY, only=tuple(only), prefer=tuple(prefer)),
    some,
    some,
)
splits = st.dictionaries(names, st.integers(1, 9), min_size=1).map(
    lambda weights: Split(name="s", valid_from=DAY, shares=_shares(weights))
)
policies = st.builds(
    Policy,
    explore_percent=st.integers(0, 50),
    rules=st.lists(rules, max_size=1).map(tuple),
    splits=st.lists(splits, max_size=1).map(tuple),
)
requests = st.builds(
    RouteRequest,
    payment_id=st.uuids(),
    method=st.sampled_from(["upi", "card"]),
    amount_minor=st.integers(1, 300),
    currency=st.just("INR"),
    strategy=st.sampled_from(sorted(WEIGHTS)),
    exclude=st.frozensets(names, max_size=2),
    spent=st.frozensets(names, max_size=1),
)
healths = st.dictionaries(names, health())


def decided(
    asked: RouteRequest, among: list[Route], state: dict[str, RouteHealth], policy: Policy
) -> RouteDecision | None:
    try:
        return choose(asked, among, state, policy, DAY)
    except (RouteUnavailable, RouteImpossible):
        return None


@given(requests, routes(), healths, policies, st.randoms())
def test_order_means_nothing_and_the_same_is_chosen_again(asked, among, state, policy, random):
    decision = decided(asked, among, state, policy)
    shuffled, names_first = list(among), dict(reversed(state.items()))
    random.shuffle(shuffled)
    again = decided(asked, shuffled, names_first, policy)
    if decision is None or again is None:
        assert decision is again
        return
    by_name = sorted(decision.candidates, key=lambda each: each.name)
    assert sorted(again.candidates, key=lambda each: each.name) == by_name
    assert (again.route, again.reason) == (decision.route, decision.reason)


@given(requests, routes(), healths, policies)
def test_the_chosen_route_can_take_the_payment(asked, among, state, policy):
    decision = decided(asked, among, state, policy)
    known = {route.name: route for route in among}
    able = [
        name
        for name, route in known.items()
        if asked.method in route.methods
        and asked.currency == route.currency
        and asked.amount_minor <= route.max_amount_minor
        and name not in asked.exclude | asked.spent
        and _lets_through(state.get(name, RouteHealth()))
        and all(name in rule.only for rule in policy.rules if rule.only)
    ]
    assert (decision is None) is (not able)
    if decision is not None:
        assert decision.route in able
        assert sorted(each.name for each in decision.candidates if each.eligible) == sorted(able)
        assert sorted(each.name for each in decision.candidates) == sorted(known)


def _lets_through(health: RouteHealth) -> bool:
    return health.state == "closed" or (health.state == "half_open" and health.probe)


@given(requests, routes(), healths, policies)
def test_chances_add_up_and_the_chosen_one_had_one(asked, among, state, policy):
    decision = decided(asked, among, state, policy)
    if decision is None:
        return
    chances = {each.name: each.propensity_bps for each in decision.candidates}
    assert sum(chances.values()) == WHOLE_BPS
    assert chances[decision.route] > 0
    assert all(each.eligible for each in decision.candidates if each.propensity_bps)


@given(splits, st.sets(names, min_size=1), st.integers(0, 2**64))
def test_shares_over_many_payments(split, there, seed):
    """As often as the split says, and as each decision says of itself, within six deviations."""
    among = [
        Route(
            name=name,
            provider=name,
            methods=frozenset({"upi"}),
            max_amount_minor=1,
            priority=1,
            fee_bps=1,
        )
        for name in sorted(there)
    ]
    if not any(split.shares.get(name) for name in there):
        return
    payments, policy = 1_000, Policy(splits=(split,))
    decisions = [
        choose(
            RouteRequest(
                payment_id=UUID(int=seed + number),
                method="upi",
                amount_minor=1,
                currency="INR",
            ),
            among,
            {},
            policy,
            DAY,
        )
        for number in range(payments)
    ]
    seen = Counter(each.route for each in decisions)
    total = sum(split.shares.get(name, 0) for name in there)
    for candidate in decisions[0].candidates:
        share = split.shares.get(candidate.name, 0) / total
        assert abs(candidate.propensity_bps - share * WHOLE_BPS) <= len(there)
        deviation = (payments * share * (1 - share)) ** 0.5
        assert abs(seen[candidate.name] - payments * share) <= 6 * deviation + 1e-9


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 9_000))
def test_what_is_believed_lies_between_the_prior_and_the_window(calls, failures, mean_ms):
    prior, failures = Prior(), min(calls, failures)
    window = Figures(calls, failures, 0, calls * mean_ms)
    seen = failures * WHOLE_BPS // calls if calls else prior.failure_bps
    low, high = sorted((seen, prior.failure_bps))
    assert low <= prior.failure(window) <= high
    low, high = sorted((mean_ms if calls else prior.latency_ms, prior.latency_ms))
    assert low <= prior.latency(window) <= high
    among = prior.among([window, Figures()])
    assert among.failure_bps == min(prior.failure_bps, prior.failure(window))
    assert among.failure_bps <= prior.failure_bps
