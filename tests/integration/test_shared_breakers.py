"""Breakers in Redis: several workers see the same one, and none of them depends on it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from online.kernel.errors import RouteUnavailable
from online.platform.settings import ROOT, Breakers
from online.rails.domain import Outcome, OutcomeKind
from online.routing.breakers import Reading
from online.routing.domain import Figures
from online.routing.service import Routing
from online.routing.shared import SharedBreakers
from tests.redis_server import RedisServer, redis_server
from tests.unit.routing.test_choose import request, route

pytestmark = pytest.mark.anyio

KEY = ("a", "authorize")
# Workers exchange when a test says so; the times are Redis's own, so they are real.
SETTINGS = Breakers(
    min_calls=4,
    slow_call_ms=2_000,
    rest_s=1,
    probes=2,
    probe_timeout_s=2,
    share_every_ms=10_000,
    share_timeout_ms=50,
)


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(_server: RedisServer) -> RedisServer:
    _server.empty()
    return _server


@asynccontextmanager
async def workers(server: RedisServer, count: int = 2) -> AsyncIterator[list[SharedBreakers]]:
    books = [SharedBreakers(SETTINGS, server.settings) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for book in books:
            book.expect([KEY])
            stack.push_async_callback(book.stop)
            await book.start()
        yield books


def fail(book: SharedBreakers, times: int) -> None:
    for _ in range(times):
        book.record(KEY, failed=True, latency_ms=1)


async def exchanged(*books: SharedBreakers) -> None:
    """Everybody has told, then everybody has heard."""
    for book in (*books, *books):
        await book.exchange()


def reading(book: SharedBreakers) -> Reading:
    return next(each for each in book.readings() if (each.route, each.operation) == KEY)


def state(book: SharedBreakers) -> str:
    return reading(book).state


async def opened(*books: SharedBreakers) -> None:
    fail(books[0], SETTINGS.min_calls)
    await exchanged(*books)


async def half_opened(*books: SharedBreakers) -> None:
    await opened(*books)
    assert {state(book) for book in books} == {"open"}
    await asyncio.sleep(SETTINGS.rest_s + 0.02)
    await exchanged(*books)
    assert {state(book) for book in books} == {"half_open"}


async def test_one_opens_it_and_the_other_sees_it(server: RedisServer):
    async with workers(server) as (one, other):
        assert one.shared
        fail(one, 4)
        assert state(other) == "closed"
        await exchanged(one, other)
        assert state(one) == state(other) == "open"
        assert not await other.claim(KEY)


async def test_calls_of_all_workers_count_together(server: RedisServer):
    async with workers(server, 4) as books:
        for book in books:
            assert await book.claim(KEY)
            fail(book, 1)
        await exchanged(*books)
        assert {state(book) for book in books} == {"open"}
        assert reading(books[3]).window == Figures(4, 4, 0, 4)


async def test_many_good_calls_elsewhere_keep_it_closed(server: RedisServer):
    async with workers(server) as (one, other):
        for _ in range(20):
            other.record(KEY, failed=False, latency_ms=10)
        await exchanged(one, other)
        fail(one, 4)
        await exchanged(one, other)
        assert state(one) == "closed", "four of twenty-four"
        assert reading(one).window == one.health("authorize")["a"].memory == Figures(24, 4, 0, 204)


async def test_probes_are_as_many_for_all_as_for_one(server: RedisServer):
    async with workers(server, 3) as (one, other, third):
        await half_opened(one, other, third)
        assert await one.claim(KEY)
        assert await other.claim(KEY)
        assert [await book.claim(KEY) for book in (one, other, third)] == [False] * 3
        other.give_back(KEY)
        await exchanged(one, other, third)
        assert await third.claim(KEY)
        assert not await one.claim(KEY)


async def test_a_burst_of_claims_takes_no_more_than_there_are(server: RedisServer):
    async with workers(server) as (one, other):
        await half_opened(one, other)
        granted = await asyncio.gather(*(b.claim(KEY) for b in (one, other) for _ in range(50)))
        assert 1 <= sum(granted) <= SETTINGS.probes


async def test_probes_that_go_well_close_it_for_everybody(server: RedisServer):
    async with workers(server) as (one, other):
        await half_opened(one, other)
        for book in (one, other):
            assert await book.claim(KEY)
            await asyncio.sleep(0.01)
            book.record(KEY, failed=False, latency_ms=1)
        await exchanged(one, other)
        assert state(one) == state(other) == "closed"
        assert reading(one).window == Figures(), "what was before is forgotten"
        memory = other.health("authorize")["a"].memory
        assert (memory.calls, memory.failures) == (1, 0), "the probe that closed it"
        fail(one, 3)
        await exchanged(one, other)
        assert state(other) == "closed"


async def test_one_bad_probe_opens_it_for_everybody(server: RedisServer):
    async with workers(server) as (one, other):
        await half_opened(one, other)
        assert await one.claim(KEY)
        await asyncio.sleep(0.01)
        fail(one, 1)
        await exchanged(one, other)
        assert state(one) == state(other) == "open"


async def test_a_worker_that_dies_with_its_probes_does_not_block_the_others(server: RedisServer):
    async with workers(server) as (dead, alive):
        await half_opened(dead, alive)
        assert [await dead.claim(KEY) for _ in range(2)] == [True, True]
        await alive.exchange()
        assert not await alive.claim(KEY)
        await asyncio.sleep(SETTINGS.probe_timeout_s)
        await alive.exchange()
        assert await alive.claim(KEY)


async def test_a_probe_of_an_earlier_rest_says_nothing(server: RedisServer):
    async with workers(server) as (one, other):
        await half_opened(one, other)
        assert await one.claim(KEY)
        assert await other.claim(KEY)
        await asyncio.sleep(0.01)
        fail(other, 1)
        await other.exchange()  # open again; the one has not heard of it
        one.record(KEY, failed=False, latency_ms=1)
        await exchanged(one, other)
        await asyncio.sleep(SETTINGS.rest_s + 0.02)
        await exchanged(one, other)
        assert [await book.claim(KEY) for book in (one, other, one)] == [True, True, False]


PROCESS = """
import asyncio
from tests.integration.test_shared_breakers import KEY, SETTINGS
from online.platform.settings import Redis, Secret
from online.routing.shared import SharedBreakers
from tests.redis_server import PASSWORD

async def main():
    there = Redis(True, "127.0.0.1", {port}, 10, Secret(PASSWORD))
    book = SharedBreakers(SETTINGS, there)
    await book.start()
    for _ in range(4):
        book.record(KEY, failed=True, latency_ms=1)
    await book.exchange()
    await book.stop()

asyncio.run(main())
"""


async def test_another_process_opens_it(server: RedisServer):
    async with workers(server, 1) as (here,):
        assert await here.claim(KEY)
        command = [sys.executable, "-c", PROCESS.format(port=server.port)]
        await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True, timeout=60)
        await here.exchange()
        assert state(here) == "open"
        assert not await here.claim(KEY)


# ── without Redis ────────────────────────────────────────────────────────────────────────


async def test_redis_dies_and_comes_back(server: RedisServer):
    """Each goes on from where all of them stood; what was found out alone is told afterwards."""
    async with workers(server) as (one, other):
        await opened(one, other)
        with capture_logs() as logs:
            server.kill()
            await exchanged(one, other)
        assert [line["event"] for line in logs] == ["breakers_not_shared"] * 2
        assert not one.shared
        assert state(one) == state(other) == "open"
        assert not await other.claim(KEY)
        fail(one, 4)
        server.start()  # with nothing in it
        await exchanged(one, other)
        assert one.shared
        assert state(one) == state(other) == "open"


async def test_alone_a_worker_opens_closes_and_probes_by_itself(server: RedisServer):
    async with workers(server, 1) as (book,):
        server.kill()
        await book.exchange()
        fail(book, 4)
        assert state(book) == "open"
        await asyncio.sleep(SETTINGS.rest_s + 0.02)
        assert [await book.claim(KEY) for _ in range(3)] == [True, True, False]
        await asyncio.sleep(0.01)
        for _ in range(2):
            book.record(KEY, failed=False, latency_ms=1)
        assert state(book) == "closed"
        server.start()
        await book.exchange()
        assert book.shared
        assert state(book) == "closed"


async def test_a_service_starts_without_redis(server: RedisServer):
    server.kill()
    with capture_logs() as logs:
        async with workers(server, 1) as (book,):
            assert not book.shared
            assert await book.claim(KEY)
            fail(book, 4)
            assert state(book) == "open"
    server.start()
    assert [line["event"] for line in logs] == ["breakers_not_shared"]


async def test_a_payment_waits_for_redis_only_to_probe_and_not_for_long(server: RedisServer):
    async with workers(server, 1) as (book,):
        routing = Routing([route("a"), route("b", priority=2)], book)
        await half_opened(book)
        with server.held():
            started = time.perf_counter()
            decision = await routing.choose(request())
            waited = time.perf_counter() - started
            assert decision.route == "a", "its own breaker has probes too"
            assert waited < 0.05 + 0.3, "share_timeout_ms, and something for a busy machine"
            assert not book.shared
            started = time.perf_counter()
            for _ in range(100):
                await routing.choose(request())
            assert time.perf_counter() - started < 1, "nobody asks it again"
        await book.exchange()
        assert book.shared


async def test_a_closed_breaker_asks_redis_nothing(server: RedisServer):
    async with workers(server, 1) as (book,):
        routing = Routing([route("a")], book)
        with server.held():
            started = time.perf_counter()
            for _ in range(100):
                await routing.choose(request())
                routing.record("a", "authorize", Outcome(kind=OutcomeKind.APPROVED, code="00"), 5)
            assert time.perf_counter() - started < 1, "a hundred answers of Redis would be five"
            assert book.shared


async def test_a_probe_taken_by_another_worker_is_no_route(server: RedisServer):
    async with workers(server) as (one, other):
        await half_opened(one, other)
        assert [await one.claim(KEY) for _ in range(2)] == [True, True]
        with pytest.raises(RouteUnavailable, match="probes_in_use"):
            await Routing([route("a")], other).choose(request())
