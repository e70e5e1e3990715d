"""What a route's calls make of it: figures, and the breaker of each operation."""

import random

import pytest

from online.kernel.errors import RouteUnavailable
from online.platform.settings import Breakers
from online.rails.domain import Outcome, OutcomeKind
from online.routing.breakers import Breaker, LocalBreakers
from online.routing.domain import Figures, RouteHealth, Strategy
from online.routing.service import Routing
from tests.unit.routing.test_choose import request, route

pytestmark = pytest.mark.anyio

SETTINGS = Breakers(
    window_s=60, window_calls=50, min_calls=4, slow_call_ms=2_000, rest_s=10, probes=2
)
A = ("a", "authorize")
FAST = 10


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def book(seconds: Seconds) -> LocalBreakers:
    return LocalBreakers(SETTINGS, seconds)


def fail(book: LocalBreakers, times: int = 4, key: tuple[str, str] = A) -> None:
    for _ in range(times):
        book.record(key, failed=True, latency_ms=FAST)


def succeed(book: LocalBreakers, times: int = 1, latency_ms: int = FAST) -> None:
    for _ in range(times):
        book.record(A, failed=False, latency_ms=latency_ms)


def half_open(book: LocalBreakers, seconds: Seconds) -> Breaker:
    fail(book)
    seconds.now += 10
    assert book[A].state == "half_open"
    return book[A]


def test_figures_come_from_the_window_alone(book: LocalBreakers, seconds: Seconds):
    book.record(A, failed=True, latency_ms=900)
    seconds.now += 61
    book.record(A, failed=False, latency_ms=100)
    book.record(A, failed=True, latency_ms=3_000)
    assert book[A].reading(A).window == Figures(2, 1, 1, 3_100)
    assert book[A].health() == RouteHealth(memory=Figures(3, 2, 1, 4_000)), "it goes further back"
    seconds.now += 61
    assert book[A].reading(A).window == Figures()
    seconds.now += 600
    assert book[A].health() == RouteHealth()


def test_the_window_holds_no_more_than_its_calls(book: LocalBreakers):
    fail(book, 3)
    succeed(book, 50)
    assert book[A].reading(A).window == Figures(50, 0, 0, 50 * FAST)
    assert book[A].health().memory == Figures(53, 3, 0, 53 * FAST)
    succeed(book, 1_000)
    assert book[A].health().memory == Figures(1_000, 0, 0, 1_000 * FAST)


def test_opens_only_with_enough_calls(book: LocalBreakers):
    fail(book, 3)
    assert book[A].state == "closed"
    fail(book, 1)
    assert book[A].state == "open"


@pytest.mark.parametrize(("failures", "state"), [(49, "closed"), (50, "open")])
def test_opens_at_the_failure_rate(failures: int, state: str, seconds: Seconds):
    book = LocalBreakers(Breakers(min_calls=100, window_calls=100), seconds)
    succeed(book, 100 - failures)
    fail(book, failures)
    assert book[A].state == state


@pytest.mark.parametrize(("slow", "state"), [(7, "closed"), (8, "open")])
def test_opens_at_the_rate_of_slow_calls(slow: int, state: str, seconds: Seconds):
    book = LocalBreakers(Breakers(min_calls=10, slow_percent=80, slow_call_ms=5_000), seconds)
    succeed(book, 10 - slow, latency_ms=4_999)
    succeed(book, slow, latency_ms=5_000)
    assert book[A].state == state


def test_each_operation_has_a_breaker_of_its_own(book: LocalBreakers):
    fail(book, key=("a", "refund"))
    assert book["a", "refund"].state == "open"
    assert book[A].state == "closed"
    assert book["b", "refund"].state == "closed"


def test_rests_then_closes_when_all_probes_go_well(book: LocalBreakers, seconds: Seconds):
    fail(book)
    assert not book[A].claim()
    seconds.now += 9.9
    assert book[A].state == "open"
    seconds.now += 0.1
    assert book[A].claim()
    assert book[A].claim()
    seconds.now += 1
    succeed(book)
    assert book[A].state == "half_open"
    succeed(book)
    assert book[A].state == "closed"
    fail(book, 3)
    assert book[A].state == "closed", "what was before the rest is forgotten"


@pytest.mark.parametrize("latency_ms", [10, 2_000])
def test_a_probe_that_fails_or_is_slow_opens_it_again(
    latency_ms: int, book: LocalBreakers, seconds: Seconds
):
    breaker = half_open(book, seconds)
    assert breaker.claim()
    seconds.now += 5
    book.record(A, failed=latency_ms < 2_000, latency_ms=latency_ms)
    assert breaker.state == "open"
    seconds.now += 9.9
    assert breaker.state == "open", "the rest begins anew"
    seconds.now += 0.1
    assert breaker.state == "half_open"


def test_half_open_lets_a_few_through_and_no_more(book: LocalBreakers, seconds: Seconds):
    breaker = half_open(book, seconds)
    assert [breaker.claim() for _ in range(4)] == [True, True, False, False]
    assert not breaker.health().probe
    breaker.give_back()
    assert breaker.health().probe
    assert [breaker.claim() for _ in range(2)] == [True, False]


def test_one_that_went_well_is_not_given_away_again(book: LocalBreakers, seconds: Seconds):
    breaker = half_open(book, seconds)
    assert breaker.claim()
    seconds.now += 1
    succeed(book)
    assert [breaker.claim() for _ in range(2)] == [True, False]


def test_a_probe_that_never_comes_back_does_not_block_for_ever(
    book: LocalBreakers, seconds: Seconds
):
    breaker = half_open(book, seconds)
    assert breaker.claim()
    assert breaker.claim()
    seconds.now += SETTINGS.probe_timeout_s - 0.1
    assert not breaker.claim()
    seconds.now += 0.1
    assert breaker.claim()


def test_what_began_before_the_rest_is_no_probe(book: LocalBreakers, seconds: Seconds):
    breaker = half_open(book, seconds)
    assert breaker.claim()
    seconds.now += 1
    book.record(A, failed=True, latency_ms=30_000)
    assert breaker.state == "half_open"
    succeed(book)
    assert breaker.claim()
    seconds.now += 1
    succeed(book)
    assert breaker.state == "closed"
    for _ in range(4):
        book.record(A, failed=True, latency_ms=30_000)
    assert breaker.state == "closed", "nor do they count against the route that is well again"
    assert breaker.reading(A).window.calls == 0


def test_giving_back_what_nobody_claimed_does_nothing(book: LocalBreakers, seconds: Seconds):
    book.give_back(A)
    breaker = half_open(book, seconds)
    book.give_back(A)
    assert [breaker.claim() for _ in range(3)] == [True, True, False]


def test_a_reading_says_since_when_and_until_when(book: LocalBreakers, seconds: Seconds):
    fail(book)
    seconds.now += 4
    reading = book[A].reading(A)
    assert (reading.state, reading.opened_ago, reading.probe_in) == ("open", 4, 6)
    seconds.now += 6
    reading = book[A].reading(A)
    assert (reading.state, reading.opened_ago, reading.probe_in) == ("half_open", 10, None)


# ── routes by their breakers ─────────────────────────────────────────────────────────────


@pytest.fixture
def routing(book: LocalBreakers) -> Routing:
    return Routing([route("a"), route("b", priority=2)], book)


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
async def test_what_counts_as_a_failure(kind: OutcomeKind, opens: bool, routing: Routing):
    for _ in range(4):
        routing.record("a", "authorize", Outcome(kind=kind, code="x"), FAST)
    assert (await routing.choose(request())).route == ("b" if opens else "a")
    assert await routing.permits("a", "authorize") is not opens
    assert await routing.permits("a", "refund")


async def test_a_route_that_was_down_is_probed_before_better_ones(
    routing: Routing, book: LocalBreakers, seconds: Seconds
):
    half_open(book, seconds)
    chosen = [await routing.choose(request()) for _ in range(4)]
    assert [(each.route, each.reason) for each in chosen] == [
        ("a", "probe"),
        ("a", "probe"),
        ("b", "only_eligible"),
        ("b", "only_eligible"),
    ]
    assert chosen[2].candidates[0].reason == "probes_in_use"
    routing.give_back("a")
    assert (await routing.choose(request())).route == "a"


async def test_without_another_route_a_probe_in_use_is_no_reason_to_give_up_for_ever(
    book: LocalBreakers, seconds: Seconds
):
    routing = Routing([route("a")], book)
    half_open(book, seconds)
    for _ in range(2):
        await routing.choose(request())
    with pytest.raises(RouteUnavailable, match="probes_in_use"):
        await routing.choose(request())


async def test_a_probe_lost_to_somebody_else_means_another_route(seconds: Seconds):
    """Between the look at a shared breaker and the claim, another worker may be faster."""

    class Taken(LocalBreakers):
        async def claim(self, key: tuple[str, str]) -> bool:
            return key[0] != "a"

    book = Taken(SETTINGS, seconds)
    half_open(book, seconds)
    decision = await Routing([route("a"), route("b")], book).choose(request())
    assert decision.route == "b"


async def test_every_operation_of_every_route_is_shown(routing: Routing, book: LocalBreakers):
    fail(book, key=("bank_hdfc", "payout"))
    shown = {(each.route, each.operation): each.state for each in routing.readings()}
    assert len(shown) == 2 * 5 + 1
    assert shown.pop(("bank_hdfc", "payout")) == "open"
    assert set(shown.values()) == {"closed"}


# ── a minute of a rail that fails ────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", ["balanced", "cost"])
@pytest.mark.parametrize("before", [0, 30, 200, 2_000])  # calls that went well until then
async def test_a_brown_out(strategy: Strategy, before: int, seconds: Seconds):
    """Ten payments a second; for a minute 60 % of one route's calls fail, then none. The breaker
    is faster than the score, the route is hardly used meanwhile, and used again afterwards."""
    book, chance = LocalBreakers(Breakers(), seconds), random.Random(6)
    routing = Routing([route("sick"), route("well", fee_bps=60, priority=2)], book)
    for _ in range(before):
        seconds.now += 0.1
        book.record(("sick", "authorize"), failed=False, latency_ms=50)
    states, taken = [], []
    for tick in range(1_000):
        seconds.now += 0.05
        name = (await routing.choose(request(strategy=strategy))).route
        seconds.now += 0.05
        failed = name == "sick" and tick < 600 and chance.random() < 0.6
        book.record((name, "authorize"), failed=failed, latency_ms=50)
        states.append(book["sick", "authorize"].state)
        taken.append(name)
    assert states.index("open") < 80, "within eight seconds"
    assert taken[:80].count("sick") == states.index("open") + 1, "and until then it was chosen"
    assert taken[80:600].count("sick") < 0.2 * 520
    assert states[-1] == "closed"
    assert "open" not in states[750:]
    assert set(taken[750:]) == {"sick"}, "well again, it is the cheaper one"
