"""The background worker: recovery of open attempts, ends of time, disputes, labels, old keys.

Several may run; what one has claimed the others leave alone. It only ever enquires, so running
it twice harms nobody.
"""

import asyncio
import signal
from typing import Final

import structlog

from online.attempts.domain import Attempt
from online.kernel.errors import KhataError
from online.kernel.events import Metadata
from online.risk.tiles import forget
from online.services import Services

_BATCH: Final = 200
_AT_ONCE: Final = 16
_IDLE_S: Final = 0.25
_TIDY_EVERY_S: Final = 60

_log = structlog.get_logger(__name__)


async def recover_once(services: Services) -> int:
    """Enquires about every open attempt that is due; answers how many."""
    async with services.database.connection() as connection:
        due = await services.attempts.due(connection, _BATCH)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(attempt: Attempt) -> None:
        async with places:
            try:
                await services.resolve(attempt, "worker:recovery")
            except KhataError as error:
                # The claim runs out by itself; the attempt is taken up again then.
                _log.warning("recovery_failed", attempt=attempt.reference, code=error.code)

    await asyncio.gather(*map(one, due))
    return len(due)


async def expire_once(services: Services) -> int:
    """Ends what has come to the end of its time; answers how much."""
    of_payments = await services.intents.expire_due() + await services.payments.expire_due()
    of_disputes = await services.disputes.expire_due()
    return of_payments + of_disputes + await services.devices.activate_cooled()


async def tell_rails_once(services: Services) -> int:
    """Asks about open disputes, hands over evidence that was not taken; answers how much."""
    return await services.disputes.refresh_due() + await services.disputes.send_due()


async def settle_once(services: Services) -> int:
    """Frees reserves and begins payouts whose day has come; answers how many."""
    return await services.settlements.run_due(Metadata(actor="worker:settlement"))


async def label_once(services: Services) -> int:
    """Labels what has aged without a complaint; answers how many payments it went past."""
    return await services.label_sweep.once()


async def tidy_once(services: Services) -> int:
    """Forgets what need not be kept any longer; answers how much."""
    now = services.clock.now()
    return await services.calls.purge_expired(now) + await forget(services.database, now)


async def run(services: Services) -> None:
    """Works until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await services.start()
    try:
        tidy_at = loop.time()
        while not stopping.is_set():
            await _round(services, stopping)
            if loop.time() >= tidy_at:
                tidy_at = loop.time() + _TIDY_EVERY_S
                await _tidy(services)
    finally:
        await services.stop()


async def _tidy(services: Services) -> None:
    try:
        await tidy_once(services)
    except KhataError as error:
        _log.warning("worker_waits", code=error.code, detail=error.detail)


async def _round(services: Services, stopping: asyncio.Event) -> None:
    try:
        busy = await recover_once(services) + await expire_once(services)
        busy += await tell_rails_once(services) + await settle_once(services)
        busy += await label_once(services)
    except KhataError as error:
        _log.warning("worker_waits", code=error.code, detail=error.detail)
        busy = 0
    if not busy:
        try:
            await asyncio.wait_for(stopping.wait(), _IDLE_S)
        except TimeoutError:
            return
