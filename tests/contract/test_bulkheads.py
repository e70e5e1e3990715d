"""A rail that hangs keeps its own slots busy, and nobody else's. The stub of `test_http_rail`
plays one rail that answers and one that does not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

import httpx
import pytest
from msgspec.structs import replace

from online.platform.settings import load_settings
from online.rails.bulkhead import Bulkhead, Full, Slots
from online.rails.domain import OutcomeKind
from online.rails.http_rail import HttpRail, Limits, Timeouts, new_client
from online.rails.registry import http_rails
from tests.contract.test_http_rail import Behaviour, Cards, Stub, dropped, silent, upi_request

pytestmark = pytest.mark.anyio

SLOTS = Slots(operations=4, enquiries=2)
TIMES = Timeouts(connect_s=0.5, write_s=0.5, read_s=1, pool_s=0.2)
CALLS = 60


@asynccontextmanager
async def served(behaviour: Behaviour | None = None) -> AsyncIterator[Stub]:
    stub = Stub()
    stub.behaviour = behaviour or stub.behaviour
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stub


def rail_on(stub: Stub, client: httpx.AsyncClient, slots: Slots = SLOTS) -> HttpRail:
    url = f"http://127.0.0.1:{stub.port}/rails/upi_hdfc"
    limits = Limits(timeouts=TIMES, slots=slots)
    return HttpRail("upi_hdfc", url, client=client, dialect="upi", limits=limits)


async def call(rail: HttpRail) -> str:
    return (await rail.authorize(upi_request())).code


async def latencies_s(rail: HttpRail) -> list[float]:
    """Of calls that keep all slots of the rail busy."""
    found: list[float] = []

    async def one() -> None:
        for _ in range(CALLS // SLOTS.operations):
            started = perf_counter()
            assert await call(rail) == "00"
            found.append(perf_counter() - started)

    await asyncio.gather(*(one() for _ in range(SLOTS.operations)))
    return found


async def test_a_rail_that_hangs_leaves_the_others_alone():
    async with (
        served() as well,
        served(silent) as hangs,
        new_client(connections=2 * SLOTS.total) as client,
    ):
        good, bad = rail_on(well, client), rail_on(hangs, client)
        await latencies_s(good)  # connections are made
        alone = median(await latencies_s(good))
        stuck = [asyncio.create_task(call(bad)) for _ in range(50)]
        await asyncio.sleep(0.05)
        beside = median(await latencies_s(good))
        codes = await asyncio.gather(*stuck)
    print(f"median beside a rail that hangs / alone: {beside / alone:.2f}")
    assert beside < 3 * alone + 0.01, "of the machine's noise, not of the time-outs"
    assert codes.count("no_answer") == SLOTS.operations
    assert codes.count("rail_busy") == 50 - SLOTS.operations
    assert len(hangs.requests) == SLOTS.operations, "what found no slot was never sent"


async def test_a_full_rail_is_asked_what_became_of_its_operations():
    async with served(silent) as stub, new_client(connections=SLOTS.total) as client:
        rail = rail_on(stub, client)
        stuck = [asyncio.create_task(call(rail)) for _ in range(SLOTS.operations)]
        await asyncio.sleep(0.05)
        stub.behaviour = Stub().behaviour
        started = perf_counter()
        assert (await rail.enquire("att_1")).kind is OutcomeKind.APPROVED
        assert perf_counter() - started < TIMES.pool_s
        await asyncio.gather(*stuck)


@pytest.mark.parametrize("trouble", ["time-out", "error", "cancellation"])
async def test_slots_come_back(trouble: str):
    behaviour = dropped if trouble == "error" else silent
    async with served(behaviour) as stub, new_client(connections=SLOTS.total) as client:
        rail = rail_on(stub, client)
        for _ in range(3):
            calls = [asyncio.create_task(call(rail)) for _ in range(SLOTS.operations)]
            if trouble == "cancellation":
                await asyncio.sleep(0.05)
                for each in calls:
                    each.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        stub.behaviour = Stub().behaviour
        codes = await asyncio.gather(*(call(rail) for _ in range(SLOTS.operations)))
    assert codes == ["00"] * SLOTS.operations


async def test_a_call_that_is_cancelled_while_it_waits_takes_no_slot():
    bulkhead = Bulkhead("upi_hdfc", Slots(operations=1, enquiries=1), wait_s=5)

    async def wait() -> None:
        async with bulkhead.slot("operation"):
            raise AssertionError("there was no slot")

    async with bulkhead.slot("operation"):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), bulkhead.slot("operation"):
        pass


async def test_nobody_waits_longer_than_configured():
    bulkhead = Bulkhead("upi_hdfc", Slots(operations=1, enquiries=1), wait_s=0.05)
    async with bulkhead.slot("operation"):
        with pytest.raises(Full):
            async with bulkhead.slot("operation"):
                raise AssertionError("there was no slot")


async def test_an_answer_byte_by_byte_ends_with_all_phases_together():
    async def trickles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for letter in b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 100:
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.1)

    async with served(trickles) as stub, new_client(connections=SLOTS.total) as client:
        started = perf_counter()
        assert await call(rail_on(stub, client)) == "no_answer"
        assert perf_counter() - started < TIMES.call_s + 1


async def test_the_pool_has_room_for_every_slot_and_routes_have_limits_of_their_own():
    """A slot is a part of the pool: with fewer connections one rail would wait for another."""
    settings = load_settings(
        environ={
            "KHATA_RAILS__MAX_IN_FLIGHT": "3",
            "KHATA_RAILS__MAX_ENQUIRIES_IN_FLIGHT": "2",
            "KHATA_RAILS__READ_MS": "700",
        }
    )
    first, *others = settings.payment_routes
    own = replace(first.timeouts, read_ms=250)
    async with served(silent) as stub:
        url = f"http://127.0.0.1:{stub.port}/rails/x"
        routes = [
            replace(first, url=url, max_in_flight=5, timeouts=own),
            *(replace(route, url=url) for route in others),
        ]
        rails = http_rails(routes, Cards(), settings.rails)
        started = perf_counter()
        names = [*["upi_hdfc"] * 5, *["upi_icici"] * 3]
        calls = [asyncio.create_task(rails[name].authorize(upi_request())) for name in names]
        done, late = await asyncio.wait(calls, timeout=0.5)
        assert (len(done), len(late)) == (5, 3)
        found = await asyncio.gather(*calls)
        await rails.close()
    assert {outcome.code for outcome in found} == {"no_answer"}
    assert 0.7 <= perf_counter() - started < 2
    assert len(stub.requests) == 8, "none waited for a connection"
