"""The background worker: recovery of open attempts, the outbox, and duties that come round.

Several may run, on several machines: what one has claimed the others leave alone, and a duty is
done once a period by whoever comes first. One that is killed at any instruction leaves nothing
that the others do not take up. Without its database a worker waits, ever longer, until it is back.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import structlog
from msgspec import Struct
from procrastinate.exceptions import ProcrastinateException

from online.kernel.errors import KhataError
from online.kernel.events import Metadata
from online.operations.recovery import Recovery
from online.platform import work_metrics
from online.platform.db import Database
from online.platform.jobs import DUTIES as DUTIES_LANE
from online.platform.jobs import OUTBOX, SEARCH_PATH, JobQueue, Lane, sleep_unless
from online.risk.tiles import forget
from online.services import Services

_IDLE_S: Final = 0.25
_BUSY_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0
_MEASURE_EVERY_S: Final = 5
_DUTY_S: Final = 20  # a duty that always finds more gives its place back after so long
_CONNECTIONS: Final = 8  # of the queue; each lane has one more to listen on

_log = structlog.get_logger(__name__)


async def expire_once(services: Services) -> int:
    """Ends what has come to the end of its time; answers how much."""
    of_payments = await services.intents.expire_due() + await services.payments.expire_due()
    of_disputes = await services.disputes.expire_due()
    of_escrows = await services.escrows.run_due()
    of_others = await services.handles.expire_due() + await services.approvals.expire_due()
    of_others += await services.devices.activate_cooled()
    return of_payments + of_disputes + of_escrows + of_others


async def tell_rails_once(services: Services) -> int:
    """Asks about open disputes, hands over evidence that was not taken; answers how much."""
    return await services.disputes.refresh_due() + await services.disputes.send_due()


async def settle_once(services: Services) -> int:
    """Frees reserves and begins payouts whose day has come; answers how many."""
    return await services.settlements.run_due(Metadata(actor="worker:settlement"))


async def pay_once(services: Services) -> int:
    """Begins scheduled payouts, says whose waiting is over; answers how many."""
    metadata = Metadata(actor="worker:payouts")
    activated = await services.beneficiaries.activate_cooled(metadata)
    return activated + await services.payouts.send_due(metadata)


async def hear_once(services: Services) -> int:
    """Takes up what rails have told and nobody has made sense of yet; answers how many."""
    return await services.callbacks.take_up()


async def label_once(services: Services) -> int:
    """Labels what has aged without a complaint; answers how many payments it went past."""
    return await services.label_sweep.once()


async def return_once(services: Services) -> int:
    """Begins again to give back late money whose return was refused; answers how much."""
    return await services.payments.return_late_due()


async def return_loads_once(services: Services) -> int:
    """Sends back what came into wallets that are closed, and what rails had refused to take back;
    answers how much."""
    return await services.wallets.sweep_due() + await services.top_ups.return_due()


async def tidy_once(services: Services) -> int:
    """Forgets what need not be kept any longer; answers how much."""
    now = services.clock.now()
    forgotten = await services.calls.purge_expired(now) + await services.callbacks.forget(now)
    return forgotten + await forget(services.database, now)


async def debit_once(services: Services) -> int:
    """Tells payers of debits under mandates and makes those that are due; answers how many."""
    return await services.mandates.once()


class Duty(Struct, frozen=True):
    """What comes round: `once` does a batch and answers how much there was; 0 ends it.

    Safe to run twice at the same time. `cron` has seconds as its sixth field.
    """

    name: str
    cron: str
    once: Callable[[Services], Awaitable[int]]


DUTIES: Final = (
    Duty("expire", "* * * * * */2", expire_once),
    Duty("debit", "* * * * * */2", debit_once),
    Duty("settle", "* * * * * */2", settle_once),
    Duty("pay", "* * * * * */2", pay_once),
    Duty("return_loads", "* * * * * */5", return_loads_once),
    Duty("return_late", "* * * * * */5", return_once),
    Duty("tell_rails", "* * * * * */5", tell_rails_once),
    Duty("hear", "* * * * * */2", hear_once),
    Duty("label", "* * * * * */5", label_once),
    Duty("tidy", "* * * * *", tidy_once),
)


async def run(services: Services) -> None:
    """Works until SIGTERM or SIGINT."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # else three lines a job
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if not await _reached(services, stopping):
        return
    await services.start()
    try:
        await work(services, stopping)
    finally:
        await services.stop()


async def work(services: Services, stopping: asyncio.Event) -> None:
    """Everything that a worker does, over services that are started."""
    postgres = services.settings.database.postgres
    queue = JobQueue(
        Database(
            postgres.url,
            size=_CONNECTIONS,
            role=postgres.role or None,
            search_path=SEARCH_PATH,
        )
    )
    recovery = Recovery(services, queue)
    for duty in DUTIES:
        queue.duty(duty.name, duty.cron, _rounds(services, duty))
    lanes = [*recovery.lanes, Lane(DUTIES_LANE, len(DUTIES)), Lane(OUTBOX, 16)]
    await queue.open()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.work(lanes, stopping))
            group.create_task(_sweep(services, queue, recovery, stopping))
            group.create_task(_measure(services, queue, stopping))
    finally:
        await queue.close()


def _rounds(services: Services, duty: Duty) -> Callable[[], Awaitable[None]]:
    async def rounds() -> None:
        ends = monotonic() + _DUTY_S
        try:
            while await duty.once(services) and monotonic() < ends:
                pass
        except KhataError as error:
            _log.warning("duty_waits", duty=duty.name, code=error.code, detail=error.detail)

    return rounds


async def _reached(services: Services, stopping: asyncio.Event) -> bool:
    """Waits for the database; False when told to stop first."""
    await services.database.open()
    pause = _IDLE_S
    while not stopping.is_set():
        try:
            async with services.database.connection() as connection:
                await connection.execute("select 1")
                return True
        except KhataError as error:
            _log.warning("worker_waits", code=error.code, detail=error.detail)
        await sleep_unless(stopping, pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)
    await services.database.close()
    return False


async def _sweep(
    services: Services, queue: JobQueue, recovery: Recovery, stopping: asyncio.Event
) -> None:
    """What is due goes into the queue."""
    pause = _IDLE_S
    while not stopping.is_set():
        try:
            found = await recovery.defer_due() + await queue.hand_over(services.clock.now())
            pause = _BUSY_S if found else _IDLE_S
        except (KhataError, ProcrastinateException) as error:
            _log.warning("worker_waits", error=str(error))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        await sleep_unless(stopping, pause)


async def _measure(services: Services, queue: JobQueue, stopping: asyncio.Event) -> None:
    """What is open and what waits, as the database has it; and what dead workers left is freed."""
    while not stopping.is_set():
        try:
            await queue.clean_up()
            now = services.clock.now()
            async with services.database.connection() as connection:
                standing = await services.attempts.standing(connection)
            work_metrics.attempts_are_open(standing, now)
            work_metrics.jobs_wait(await queue.depth(now))
        except (KhataError, ProcrastinateException) as error:
            _log.warning("worker_waits", error=str(error))
        await sleep_unless(stopping, _MEASURE_EVERY_S)
