"""Recovery: every open attempt is asked about when it is due, by whichever worker is free.

What is due stands in `attempts.next_enquiry_at`. A sweep claims what is due and puts one job an
attempt into the lane of its rail; a job asks if the claim is still the one it was made under. So
several workers on several machines share the work, a lost job is found again when its claim has
run out, and one that comes twice asks once.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from online.attempts.domain import Attempt
from online.kernel import ids
from online.kernel.errors import KhataError
from online.platform.jobs import Job, JobQueue, Lane
from online.services import Services

ACTOR: Final = "worker:recovery"
# Of one rail, so many jobs wait at most: a rail that hangs fills its own lane and no more.
_WAITING_PER_RAIL: Final = 200
_TASK: Final = "enquire"
_LANE: Final = "enquire."

_log = structlog.get_logger(__name__)


async def recover_once(services: Services) -> int:
    """Enquires about every open attempt that is due, without a queue; answers how many."""
    async with services.database.connection() as connection:
        due = await services.attempts.due(connection, _WAITING_PER_RAIL)
    at_once = services.settings.recovery.at_once_per_rail
    places = {rail: asyncio.Semaphore(at_once) for rail in services.rails.names}

    async def one(attempt: Attempt) -> None:
        async with places[attempt.rail]:
            await _ask(services, attempt)

    await asyncio.gather(*[one(claimed.attempt) for claimed in due])
    return len(due)


class Recovery:
    """The same through the queue."""

    def __init__(self, services: Services, queue: JobQueue) -> None:
        self._services = services
        self._queue = queue
        queue.task(_TASK, self._run)

    @property
    def lanes(self) -> list[Lane]:
        """One a rail, so that one that hangs takes none of the others' places."""
        at_once = self._services.settings.recovery.at_once_per_rail
        return [Lane(_LANE + rail, at_once) for rail in self._services.rails.names]

    async def defer_due(self) -> int:
        """Claims what is due and puts it into the queue; answers how much."""
        async with self._queue.transaction() as tx:
            waiting = await self._queue.waiting(tx, [lane.name for lane in self.lanes])
            due = await self._services.attempts.due(
                tx, _WAITING_PER_RAIL, {lane[len(_LANE) :]: _ids(w) for lane, w in waiting.items()}
            )
            await self._queue.defer(
                tx,
                [
                    Job(
                        lane=_LANE + claimed.attempt.rail,
                        task=_TASK,
                        arguments={
                            "attempt": claimed.attempt.reference,
                            "claim": claimed.until.isoformat(),
                        },
                        key=claimed.attempt.reference,
                    )
                    for claimed in due
                ],
            )
        return len(due)

    async def _run(self, attempt: str, claim: str) -> None:
        """One job: asks, unless the claim has passed to somebody else."""
        services = self._services
        try:
            async with services.database.connection() as connection:
                taken = await services.attempts.take(
                    connection, ids.decode("att", attempt), datetime.fromisoformat(claim)
                )
        except KhataError as error:
            _log.warning("recovery_failed", attempt=attempt, code=error.code)
            return
        if taken is not None:
            await _ask(services, taken)


async def _ask(services: Services, attempt: Attempt) -> None:
    try:
        await services.resolve(attempt, ACTOR)
    except KhataError as error:
        # The claim runs out by itself; the attempt is taken up again then.
        _log.warning("recovery_failed", attempt=attempt.reference, code=error.code)


def _ids(references: Collection[str]) -> list[UUID]:
    return [ids.decode("att", reference) for reference in references]
