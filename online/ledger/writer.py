"""The writer: the one path by which money, state and their events change.

Every caller hands over a `Change` and waits. A writer task takes all changes that wait at that
moment and commits them as one PostgreSQL transaction; there is no timer, the batch is what came
in during the last commit. A caller is answered after its commit, never before. On a database
error the batch is rolled back and replayed one change at a time, so that a bad change fails alone.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Sequence
from threading import Thread
from typing import ClassVar, Final
from uuid import UUID

import structlog
import uvloop
from psycopg import DatabaseError, InterfaceError, OperationalError, errors
from psycopg.pq import PipelineStatus, TransactionStatus

from online.kernel.errors import (
    Conflict,
    InsufficientFunds,
    InvalidRequest,
    KhataError,
    LimitExceeded,
    OverCapture,
    OverRefund,
    Unavailable,
    VersionConflict,
)
from online.ledger.accounts import Account
from online.ledger.batch import QUERIES, Batch, account_id
from online.ledger.change import Change
from online.platform.db import Database
from online.platform.sql import Connection

_BATCH_LIMIT: Final = 512
_MOST_STRIPES: Final = 1023
_RETRIES: Final = 5
_RECONNECT_PAUSE_S: Final = 0.2
# How long another thread may keep the interpreter while a committer has something to do.
_SWITCH_S: Final = 0.0005

_log = structlog.get_logger(__name__)
_Waiting = tuple[Change, "asyncio.Future[None]"]


class AlreadyPosted(Conflict):
    """This cause has posted under this kind before; the books already say so."""

    code: ClassVar[str] = "already_posted"


# A refusal that the database makes where Python let a change pass (a race, a bug) by constraint.
_BY_CONSTRAINT: Final[dict[str, type[KhataError]]] = {
    "payments_capture_cap": OverCapture,
    "payments_refund_cap": OverRefund,
    "ledger_accounts_floor": InsufficientFunds,
    "ledger_accounts_ceiling": InsufficientFunds,
    "limit_counters_cap": LimitExceeded,
    "ledger_transactions_cause_kind_key": AlreadyPosted,
}


class Writer:
    """Commits what waits over `tasks` connections, in a thread and an event loop of its own.

    A batch is some twenty short waits on the database while it holds locks. In the loop of the
    requests each of them would wait for a turn behind all requests that are ready, with the locks
    held; in its own thread it waits for the interpreter at most (`_SWITCH_S`).
    """

    def __init__(self, database: Database, *, tasks: int = 2) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._opened: set[UUID] = set()
        self._task_count = tasks
        self._closing = False
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()

    async def start(self) -> None:
        sys.setswitchinterval(_SWITCH_S)
        started = asyncio.get_running_loop().create_future()
        self._thread = Thread(target=self._work, args=(started,), name="writer", daemon=True)
        self._thread.start()
        await started

    async def stop(self) -> None:
        """Commits what waits, then ends."""
        self._closing = True
        if self._thread is not None:
            self._wake()
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def submit(self, change: Change) -> None:
        """Returns once `change` is committed; raises the refusal, or Unavailable, otherwise."""
        if self._closing:
            raise Unavailable("the service is shutting down")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, future))
        self._wake()
        await future

    async def submit_all(self, changes: Sequence[Change]) -> list[KhataError | None]:
        """Each change by itself, committed together where they can; refusals in their places."""
        results = await asyncio.gather(*map(self.submit, changes), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, KhataError):
                raise result
        return [result if isinstance(result, KhataError) else None for result in results]

    def _work(self, started: "asyncio.Future[None]") -> None:
        """The thread: one loop, `tasks` committers."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._commit_until_closed(started))

    async def _commit_until_closed(self, started: "asyncio.Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        started.get_loop().call_soon_threadsafe(started.set_result, None)
        await asyncio.gather(*(self._run() for _ in range(self._task_count)))

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def _run(self) -> None:
        connection: Connection | None = None
        stripe = 0
        while True:
            batch = await self._take()
            if not batch:
                break
            try:
                if connection is None or connection.broken or connection.closed:
                    connection, stripe = await self._connect()
                await self._commit(connection, stripe, batch)
            except (OperationalError, InterfaceError) as error:
                # Whether a commit in flight took effect is unknown here; the idempotency key or
                # recovery tells. The callers learn that we do not know.
                _log.error("writer_lost_database", error=str(error).strip(), changes=len(batch))
                _fail(batch, Unavailable("the database does not answer"))
                await _close(connection)
                connection = None
                await asyncio.sleep(_RECONNECT_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - a bug must not end the writer
                _log.exception("writer_failed", changes=len(batch))
                _fail(batch, error)
                await _close(connection)
                connection = None
        await _close(connection)

    async def _take(self) -> list[_Waiting]:
        while True:
            # In this order: nothing is handed over once we close, so what was is seen below.
            closing = self._closing
            if self._waiting:
                count = min(len(self._waiting), _BATCH_LIMIT)
                return [self._waiting.popleft() for _ in range(count)]
            if closing:
                return []
            self._arrived.clear()
            await self._arrived.wait()

    async def _connect(self) -> tuple[Connection, int]:
        connection = await self._database.connect()
        stripe = await QUERIES.scalar(connection, "take_stripe", most=_MOST_STRIPES)
        return connection, stripe if stripe is not None else 0

    async def _commit(self, connection: Connection, stripe: int, batch: list[_Waiting]) -> None:
        changes = [change for change, _ in batch]
        await self._open_accounts(connection, changes, stripe)
        try:
            refusals = await _transact(connection, changes, stripe)
        except Exception as error:  # noqa: BLE001 - whose change it was shows below
            _raise_if_lost(connection, error)
            if len(batch) > 1:
                _log.info("writer_replays", changes=len(batch), error=type(error).__name__)
            for waiting in batch:
                await self._commit_alone(connection, stripe, waiting)
            return
        for (_, future), refusal in zip(batch, refusals, strict=True):
            _resolve(future, refusal)

    async def _commit_alone(self, connection: Connection, stripe: int, waiting: _Waiting) -> None:
        change, future = waiting
        for attempt in range(_RETRIES):
            try:
                (refusal,) = await _transact(connection, [change], stripe)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                await asyncio.sleep(0.01 * attempt)
                continue
            except errors.UniqueViolation as error:
                # Somebody inserted the same key meanwhile: a second look finds their row locked
                # and decides; only a new aggregate with a used id ends here.
                if attempt + 1 < _RETRIES and _is_reservation(error):
                    continue
                _resolve(future, _refusal(error))
                return
            except DatabaseError as error:
                _raise_if_lost(connection, error)
                _resolve(future, _refusal(error))
                return
            except Exception as error:  # noqa: BLE001 - such as a value that cannot be packed
                _raise_if_lost(connection, error)
                _log.exception("writer_failed", changes=1)
                _resolve(future, error)
                return
            _resolve(future, refusal)
            return
        _resolve(future, Unavailable("too much contention; try again"))

    async def _open_accounts(
        self, connection: Connection, changes: Sequence[Change], stripe: int
    ) -> None:
        """Accounts come into being at their first posting."""
        new: dict[UUID, tuple[Account, int, str, bool]] = {}
        for change in changes:
            for journal in change.journals:
                for posting in journal.postings:
                    part = stripe if posting.account.striped else 0
                    id_ = account_id(posting.account.code, journal.currency, journal.livemode, part)
                    if id_ not in self._opened:
                        new[id_] = (posting.account, part, journal.currency, journal.livemode)
        if not new:
            return
        accounts = [account for account, *_ in new.values()]
        parameters = {
            "ids": list(new),
            "codes": [a.code for a in accounts],
            "stripes": [part for _, part, _, _ in new.values()],
            "currencies": [currency for _, _, currency, _ in new.values()],
            "sides": [a.side for a in accounts],
            "floors": [a.floor for a in accounts],
            "ceilings": [a.ceiling for a in accounts],
            "merchants": [a.merchant_id for a in accounts],
            "livemodes": [livemode for *_, livemode in new.values()],
        }
        await QUERIES.execute(connection, "open_accounts", **parameters)
        self._opened.update(new)


async def _transact(
    connection: Connection, changes: Sequence[Change], stripe: int
) -> list[KhataError | None]:
    batch = Batch(changes, stripe)
    async with connection.transaction():
        await batch.lock(connection)
        batch.decide()
        await batch.write(connection)
    return batch.refusals


def _raise_if_lost(connection: Connection, error: Exception) -> None:
    """After an error, a connection of any use is out of its transaction and of its pipeline.

    One that ends in the middle of a pipeline may not count as broken, and would refuse every
    statement from then on.
    """
    usable = (
        not connection.closed
        and connection.info.transaction_status is TransactionStatus.IDLE
        and connection.info.pipeline_status is PipelineStatus.OFF
    )
    if not usable:
        raise OperationalError(f"the connection is lost: {error}") from error


def _is_reservation(error: DatabaseError) -> bool:
    return error.diag.table_name in ("idempotency_keys", "limit_counters")


def _refusal(error: DatabaseError) -> Exception:
    refusal = _BY_CONSTRAINT.get(error.diag.constraint_name or "")
    if refusal is not None:
        return refusal(f"refused by the database: {error.diag.constraint_name}")
    if isinstance(error, errors.UniqueViolation):
        return VersionConflict("the object was made meanwhile")
    if isinstance(error, errors.NumericValueOutOfRange):
        return InvalidRequest("an amount or a balance does not fit into 64 bits")
    return error


def _resolve(future: "asyncio.Future[None]", refusal: Exception | None) -> None:
    """Answers a caller, in the caller's own loop."""
    with contextlib.suppress(RuntimeError):  # its loop is gone; what was committed stays so
        future.get_loop().call_soon_threadsafe(_settle, future, refusal)


def _settle(future: "asyncio.Future[None]", refusal: Exception | None) -> None:
    if future.done():  # the caller went away
        return
    if refusal is None:
        future.set_result(None)
    else:
        future.set_exception(refusal)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future in batch:
        _resolve(future, error)


async def _close(connection: Connection | None) -> None:
    if connection is not None:
        await connection.close()
