"""The background worker: recovery of open attempts, expiry of intents.

Several may run; what one has claimed the others leave alone. It only ever enquires, so running
it twice harms nobody.
"""

import asyncio
import signal
from typing import Final

import structlog

from online.attempts.domain import Attempt
from online.kernel.errors import KhataError
from online.services import Services

_BATCH: Final = 200
_AT_ONCE: Final = 16
_IDLE_S: Final = 0.25

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


async def run(services: Services) -> None:
    """Works until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await services.start()
    try:
        while not stopping.is_set():
            await _round(services, stopping)
    finally:
        await services.stop()


async def _round(services: Services, stopping: asyncio.Event) -> None:
    try:
        busy = await recover_once(services) + await services.intents.expire_due()
    except KhataError as error:
        _log.warning("worker_waits", code=error.code, detail=error.detail)
        busy = 0
    if not busy:
        try:
            await asyncio.wait_for(stopping.wait(), _IDLE_S)
        except TimeoutError:
            return
