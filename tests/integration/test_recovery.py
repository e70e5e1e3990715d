"""Recovery through the queue: what is due is asked about once, soon, by whoever is free.

The worker's own code over services in the process, so that a test sees what a rail is asked.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from msgspec.structs import replace

from online.operations import worker
from online.operations.recovery import Recovery, recover_once
from online.operations.verify import verify_books
from online.platform.db import Database
from online.platform.jobs import SEARCH_PATH, JobQueue
from online.platform.settings import Settings
from online.rails.domain import OutcomeKind
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio
DUE = timedelta(seconds=125)
CLAIM = timedelta(seconds=31)


class Asked:
    """A rail that counts what it is asked, and may hang."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self.times: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    async def enquire(self, reference: str) -> Any:
        self.times[reference] += 1
        self.was_asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.answers.wait()
            return await self._behind.enquire(reference)
        finally:
            self.at_once -= 1


def settings_of(database_url: str, data_dir: Path) -> Settings:
    """Breakers would keep payments from a rail that loses so many."""
    return settings_for(
        database_url,
        data_dir,
        KHATA_BREAKERS__MIN_CALLS="1000",
        KHATA_BREAKERS__WINDOW_CALLS="1000",
    )


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_of(database_url, tmp_path)) as opened:
        rails = opened.services.rails._rails
        for name, rail in rails.items():
            rails[name] = Asked(rail)  # type: ignore[assignment]
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@asynccontextmanager
async def queue_of(gateway: Gateway) -> AsyncIterator[tuple[JobQueue, Recovery]]:
    """What a worker defers into, without one that works."""
    url = gateway.services.database.url
    queue = JobQueue(Database(url, size=2, search_path=SEARCH_PATH))
    recovery = Recovery(gateway.services, queue)
    await queue.open()
    yield queue, recovery
    await queue.close()


@asynccontextmanager
async def working(*gateways: Gateway) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    workers = [asyncio.create_task(worker.work(g.services, stopping)) for g in gateways]
    await asyncio.sleep(0.5)
    assert not any(each.done() for each in workers)
    yield
    stopping.set()
    await asyncio.wait_for(asyncio.gather(*workers), 20)


async def statuses(gateway: Gateway) -> dict[str, int]:
    return dict(await gateway.rows("select status, count(*) from attempts group by 1"))


async def until(gateway: Gateway, wanted: dict[str, int], patience_s: float = 10) -> float:
    began = monotonic()
    while (found := await statuses(gateway)) != wanted:
        assert monotonic() - began < patience_s, found
        await asyncio.sleep(0.02)
    return monotonic() - began


async def lost(gateway: Gateway, many: int, amount: int = 100) -> None:
    """Payments at the cheapest rail, whose answers do not come."""
    for _ in range(many):
        paid = await gateway.pay(amount, upi("timeout@khata"), priority="cost")
        assert paid["status"] == "unknown"


async def test_a_due_attempt_is_asked_about_within_a_second_and_once(gateway):
    await lost(gateway, 20)
    async with working(gateway):
        await asyncio.sleep(0.5)
        assert await statuses(gateway) == {"unknown": 20}, "none is due yet"
        gateway.later(DUE)
        assert await until(gateway, {"succeeded": 20}) < 1.5
    rail = gateway.services.rails["upi_hdfc"]
    assert set(rail.times.values()) == {1}
    assert len(rail.times) == 20
    assert await gateway.scalar("select count(*) from jobs.procrastinate_jobs") <= len(
        worker.DUTIES
    )
    asked = (
        "select distinct metadata ->> 'actor' from payment_events where data ->> 'enquiry' = '1'"
    )
    assert await gateway.rows(asked) == [("worker:recovery",)]


async def test_workers_share_what_is_due(gateway, database_url, tmp_path):
    await lost(gateway, 60)
    async with AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(gateway_on(settings_of(database_url, tmp_path)))
            for _ in range(2)
        ]
        for other in others:
            other.services.rails._rails = gateway.services.rails._rails
        async with working(gateway, *others):
            gateway.later(DUE)
            await until(gateway, {"succeeded": 60})
    assert set(gateway.services.rails["upi_hdfc"].times.values()) == {1}
    assert await gateway.scalar("select count(*) from ledger_transactions") == 60


async def test_a_rail_that_hangs_stops_nobody_elses_enquiries(gateway):
    await lost(gateway, 30)
    await gateway.rows(
        "update attempts set rail = 'upi_icici' where id in (select id from attempts limit 20)"
        " returning 1"
    )
    stuck = gateway.services.rails["upi_icici"]
    stuck.answers.clear()
    async with working(gateway):
        gateway.later(DUE)
        await until(gateway, {"unknown": 20, "succeeded": 10})
        assert stuck.most_at_once == gateway.services.settings.recovery.at_once_per_rail
        stuck.answers.set()
        # This rail never heard of them, which is not final yet.
        await asyncio.sleep(0.5)
    await gateway.rows("update attempts set rail = 'upi_hdfc' returning 1")


async def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_rail_that_hangs(
    gateway, monkeypatch
):
    monkeypatch.setattr("online.platform.jobs._GRACE_S", 0.5)
    await lost(gateway, 3)
    stuck = gateway.services.rails["upi_hdfc"]
    stuck.answers.clear()
    async with working(gateway):
        gateway.later(DUE)
        await asyncio.wait_for(stuck.was_asked.wait(), 10)
        began = monotonic()
    assert monotonic() - began < 5
    assert await statuses(gateway) == {"unknown": 3}
    stuck.answers.set()
    assert await gateway.recover(CLAIM) == 3, "their claims have run out"


async def test_a_lost_job_is_found_again_when_its_claim_has_run_out(gateway):
    await lost(gateway, 3)
    async with queue_of(gateway) as (_, recovery):
        gateway.later(DUE)
        assert await recovery.defer_due() == 3
        assert await recovery.defer_due() == 0, "claimed"
        await gateway.rows("delete from jobs.procrastinate_jobs returning 1")
        assert await recovery.defer_due() == 0, "still claimed"
        gateway.later(CLAIM)
        assert await recovery.defer_due() == 3


async def test_no_attempt_waits_twice_and_a_long_wait_loses_no_turn(gateway):
    await lost(gateway, 3)
    async with queue_of(gateway) as (_, recovery):
        gateway.later(DUE)
        assert await recovery.defer_due() == 3
        gateway.later(CLAIM)
        assert await recovery.defer_due() == 0, "their jobs wait still, and hold the newest claim"
    async with working(gateway):
        await until(gateway, {"succeeded": 3})
    assert set(gateway.services.rails["upi_hdfc"].times.values()) == {1}


async def test_a_job_that_comes_twice_asks_once(gateway):
    await lost(gateway, 1)
    async with queue_of(gateway) as (_, recovery):
        gateway.later(DUE)
        await recovery.defer_due()
        ((arguments,),) = await gateway.rows("select args from jobs.procrastinate_jobs")
        rail = gateway.services.rails["upi_hdfc"]
        rail.answers.clear()
        twice = [asyncio.create_task(recovery._run(**arguments)) for _ in range(2)]
        await asyncio.sleep(0.2)
        rail.answers.set()
        await asyncio.gather(*twice)
        await recovery._run(**arguments)
    assert list(rail.times.values()) == [1]
    assert await statuses(gateway) == {"succeeded": 1}


async def test_one_rails_many_do_not_hide_anothers_few(gateway):
    await lost(gateway, 12)
    await gateway.rows(
        "update attempts set rail = 'upi_icici'"
        " where id = (select id from attempts order by id desc limit 1) returning 1"
    )
    gateway.later(DUE)
    async with gateway.services.database.connection() as connection:
        due = await gateway.services.attempts.due(connection, 5)
    assert Counter(each.attempt.rail for each in due) == {"upi_hdfc": 5, "upi_icici": 1}
    await gateway.rows("update attempts set rail = 'upi_hdfc' returning 1")


async def test_a_rail_that_never_knows_is_asked_ever_more_slowly_and_never_given_up(gateway):
    rail = gateway.services.rails["upi_hdfc"]
    await lost(gateway, 1)
    (reference,) = rail._behind._done
    outcome = rail._behind._done[reference]
    waits = []
    rail._behind._done[reference] = replace(outcome, kind=OutcomeKind.UNKNOWN, code="U68")
    for enquiry in range(1, 8):
        ((due,),) = await gateway.rows("select next_enquiry_at from attempts")
        now = gateway.services.clock.now()
        waits.append(round((due - now).total_seconds()))
        gateway.later(due - now + timedelta(seconds=1))
        assert await recover_once(gateway.services) == 1
        ((asked, status),) = await gateway.rows("select enquiries, status from attempts")
        assert (asked, status) == (enquiry, "unknown")
    assert waits[:3] == [90, 90, 90], "NPCI: three checks, at least 90 seconds apart"
    assert waits[3:] == [180, 360, 720, 1440]
    rail._behind._done[reference] = outcome
    assert await gateway.recover(timedelta(hours=2)) == 1
    assert await statuses(gateway) == {"succeeded": 1}
