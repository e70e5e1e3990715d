"""The job queue: procrastinate on our own PostgreSQL.

Belongs here: lanes of jobs and the workers that empty them, duties that come round, the outbox on
its way into the queue, what a dead worker left behind. Does not: what a job does.

A job is made in a transaction of its own, never in one that moves money: its insert notifies, and
a commit that notifies waits for every other that does. Every job may run twice. A job of any lane
but `outbox` may also be lost: what it is for stands in a table, where it is found again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

import procrastinate
import structlog
from msgspec import Struct
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as QueuedJob
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from online.platform.db import Database
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries(__package__, "jobs.sql")
OUTBOX: Final = "outbox"
DUTIES: Final = "duties"
SEARCH_PATH: Final = "jobs,public"  # the library names its tables without a schema

_POLL_S: Final = 1.0  # a new job is told at once; one whose time has come is not
_HEARTBEAT_S: Final = 3
_SILENT_S: Final = 12  # a worker that has not been heard of for so long is dead
_GRACE_S: Final = 8  # for what is under way when the process is told to stop
_PAUSES_S: Final = (0.2, 5.0)  # between a lane's end and its next beginning: first, longest
_STEADY_S: Final = 30  # a lane that ran so long begins again at once
_MOST_DOUBLINGS: Final = 12  # of a second, between two tries of a message: an hour

Run = Callable[..., Awaitable[None]]

_log = structlog.get_logger(__name__)


class Job(Struct, frozen=True, kw_only=True):
    """One call of `task` with `arguments`; of jobs that wait, one may have a `key`."""

    lane: str
    task: str
    arguments: Mapping[str, Any]
    key: str | None = None


class Lane(Struct, frozen=True):
    """Jobs that share places: whatever hangs in one lane leaves the others theirs."""

    name: str
    at_once: int


class Depth(Struct, frozen=True):
    """How many jobs of a lane wait, and how long the first has waited."""

    lane: str
    waiting: int
    oldest_s: float


class _Waiting(Struct, frozen=True):
    lane: str
    key: str


class _Row(Struct, frozen=True):
    id: UUID
    topic: str
    payload: dict[str, Any]
    livemode: bool


class _Retry(BaseRetryStrategy):
    """Again and again, ever more slowly: what came from the outbox is never dropped."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,  # noqa: ARG002 - the library's signature
        job: QueuedJob,
    ) -> RetryDecision:
        return RetryDecision(retry_in={"seconds": 2 ** min(job.attempts, _MOST_DOUBLINGS)})


class JobQueue:
    """`database` must look for names in `SEARCH_PATH`. Tasks are named before `work`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connector = procrastinate.PsycopgConnector()
        self._jobs = procrastinate.App(connector=self._connector)
        # Each lane's worker would defer what comes round of its app: the duties have their own.
        self._duties = procrastinate.App(connector=self._connector)
        self._topics: list[str] = []

    async def open(self) -> None:
        await self._database.open()
        await self._connector.open_async(self._database.pool)

    async def close(self) -> None:
        await self._database.close()

    # ── what jobs do ─────────────────────────────────────────────────────────────────────

    def task(self, name: str, run: Run) -> None:
        """What jobs with this name call."""
        self._jobs.task(name=name)(run)

    def topic(self, name: str, run: Run) -> None:
        """What is done with outbox rows of a topic, until it succeeds, at least once:
        `run(message_id=, payload=, livemode=)`."""
        self._jobs.task(name=name, retry=_Retry())(run)
        self._topics.append(name)

    def duty(self, name: str, cron: str, run: Callable[[], Awaitable[None]]) -> None:
        """Once a period, whoever of all workers comes first; `cron` has seconds as its sixth."""

        async def once(timestamp: int) -> None:  # noqa: ARG001 - the library's signature
            await run()

        # At most one waits; one that hangs does not stop the next.
        task = self._duties.task(name=name, queue=DUTIES, queueing_lock=name)(once)
        self._duties.periodic(cron=cron)(task)

    # ── into the queue ───────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """For looking for work and deferring it together."""
        async with self._database.transaction() as tx:
            yield tx

    async def waiting(self, tx: Connection, lanes: Collection[str]) -> dict[str, list[str]]:
        """Keys of jobs that wait in `lanes`, by lane."""
        found: dict[str, list[str]] = {}
        for row in await QUERIES.all(tx, "waiting", _Waiting, lanes=list(lanes)):
            found.setdefault(row.lane, []).append(row.key)
        return found

    async def defer(self, tx: Connection, jobs: Sequence[Job]) -> None:
        """Puts jobs into the queue when `tx` commits. No key of theirs may be waiting."""
        if not jobs:
            return
        queued = [
            QueuedJob(
                queue=job.lane,
                lock=None,
                queueing_lock=job.key,
                task_name=job.task,
                task_kwargs=dict(job.arguments),
            )
            for job in jobs
        ]
        await self._jobs.job_manager.batch_defer_jobs_async(queued, connection=tx)

    async def hand_over(self, now: datetime, most: int = 500) -> int:
        """Makes jobs of due outbox rows whose topic is known here; answers how many."""
        if not self._topics:
            return 0
        async with self.transaction() as tx:
            rows = await QUERIES.all(
                tx, "take_outbox", _Row, now=now, topics=self._topics, most=most
            )
            await self.defer(tx, [_job(row) for row in rows])
        return len(rows)

    # ── out of the queue ─────────────────────────────────────────────────────────────────

    async def work(self, lanes: Sequence[Lane], stopping: asyncio.Event) -> None:
        """Empties the lanes until told to stop; then waits a little for what is under way.

        A lane that loses the database begins again by itself once that is back.
        """
        async with asyncio.TaskGroup() as group:
            tending = [group.create_task(self._tend(lane, stopping)) for lane in lanes]
            await stopping.wait()
            for task in tending:
                task.cancel()

    async def _tend(self, lane: Lane, stopping: asyncio.Event) -> None:
        first, longest = _PAUSES_S
        pause = first
        while not stopping.is_set():
            began = monotonic()
            try:
                await self._run(lane)
            except ConnectorException as error:
                _log.warning("lane_waits", lane=lane.name, error=str(error.__cause__ or error))
            pause = first if monotonic() - began > _STEADY_S else min(pause * 2, longest)
            await sleep_unless(stopping, pause)

    async def _run(self, lane: Lane) -> None:
        app = self._duties if lane.name == DUTIES else self._jobs
        await app.run_worker_async(
            queues=[lane.name],
            name=lane.name,
            concurrency=lane.at_once,
            fetch_job_polling_interval=_POLL_S,
            delete_jobs="successful" if lane.name == OUTBOX else "always",
            install_signal_handlers=False,
            shutdown_graceful_timeout=_GRACE_S,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=_SILENT_S,
        )

    async def clean_up(self) -> int:
        """Takes back what dead workers had begun; answers how many jobs that were."""
        async with self.transaction() as tx:
            dropped = await QUERIES.execute(tx, "drop_dead", kept=OUTBOX, silent_s=_SILENT_S)
            again = await QUERIES.execute(
                tx, "take_back", kept=OUTBOX, silent_s=_SILENT_S, tasks=self._topics
            )
            await QUERIES.execute(tx, "forget_dead", silent_s=_SILENT_S)
        return dropped + again

    async def depth(self, now: datetime) -> list[Depth]:
        """Lane by lane, and the outbox rows that are due but not handed over."""
        async with self.transaction() as tx:
            return await QUERIES.all(tx, "depth", Depth, now=now)


async def sleep_unless(stopping: asyncio.Event, seconds: float) -> None:
    """Sleeps, but not past the end."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


def _job(row: _Row) -> Job:
    return Job(
        lane=OUTBOX,
        task=row.topic,
        arguments={"message_id": str(row.id), "payload": row.payload, "livemode": row.livemode},
    )
