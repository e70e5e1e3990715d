"""The writer: the one path by which money, state and their events change.

Every caller hands over a `Change` and waits. A committer takes all changes that wait at that
moment and commits them as one PostgreSQL transaction; there is no timer, the batch is what came
in during the last commit. A caller is answered after its commit, never before. On a database
error the batch is rolled back and replayed one change at a time, so that a bad change fails alone.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import ClassVar, Final
from uuid import UUID

import structlog
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
    PeriodClosed,
    Unavailable,
    VersionConflict,
)
from online.ledger.accounts import Account
from online.ledger.batch import QUERIES, Batch, account_id
from online.ledger.change import Change
from online.platform.db import Database
from online.platform.sql import BlockingConnection

_BATCH_LIMIT: Final = 512
_MOST_STRIPES: Final = 1023
_RETRIES: Final = 5
_RECONNECT_PAUSE_S: Final = 0.2
# How long another thread may keep the interpreter while a committer has something to do.
_SWITCH_S: Final = 0.0005

_log = structlog.get_logger(__name__)
_Waiting = tuple[Change, "asyncio.Future[None]"]
_Answer = tuple["asyncio.Future[None]", Exception | None]
_UNDER_WAY: Final = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


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
    "ledger_entries_period_open": PeriodClosed,
    "wallets_customer": Conflict,
}


class Writer:
    """Commits what waits, in `tasks` threads with a connection each.

    A batch is a few waits on the database while it holds locks. In the loop of the requests each
    of them would wait for a turn behind all requests that are ready, with the locks held; in a
    thread of its own it waits for the interpreter at most (`_SWITCH_S`), and a blocking
    connection costs a third of an asynchronous one.
    """

    def __init__(self, database: Database, *, tasks: int = 1) -> None:
        self._database = database
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()  # None: no more will come
        self._opened: set[UUID] = set()
        self._task_count = tasks
        self._closing = False
        self._threads: list[Thread] = []

    async def start(self) -> None:
        sys.setswitchinterval(_SWITCH_S)
        for number in range(self._task_count):
            thread = Thread(target=self._run, name=f"writer-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def stop(self) -> None:
        """Commits what waits, then ends."""
        self._closing = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads.clear()

    async def submit(self, change: Change) -> None:
        """Returns once `change` is committed; raises the refusal, or Unavailable, otherwise."""
        if self._closing:
            raise Unavailable("the service is shutting down")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put((change, future))
        await future

    async def submit_all(self, changes: Sequence[Change]) -> list[KhataError | None]:
        """Each change by itself, committed together where they can; refusals in their places."""
        results = await asyncio.gather(*map(self.submit, changes), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, KhataError):
                raise result
        return [result if isinstance(result, KhataError) else None for result in results]

    # ── in the threads ───────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        connection: BlockingConnection | None = None
        stripe = 0
        while batch := self._take():
            try:
                if connection is None or connection.broken or connection.closed:
                    connection, stripe = self._connect()
                self._commit(connection, stripe, batch)
            except (OperationalError, InterfaceError) as error:
                # Whether a commit in flight took effect is unknown here; the idempotency key or
                # recovery tells. The callers learn that we do not know.
                _log.error("writer_lost_database", error=str(error).strip(), changes=len(batch))
                _answer(batch, [Unavailable("the database does not answer")] * len(batch))
                _close(connection)
                connection = None
                time.sleep(_RECONNECT_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - a bug must not end the writer
                _log.exception("writer_failed", changes=len(batch))
                _answer(batch, [error] * len(batch))
                _close(connection)
                connection = None
        _close(connection)

    def _take(self) -> list[_Waiting]:
        """All that waits, once something does; nothing when no more will come."""
        first = self._waiting.get()
        batch = [] if first is None else [first]
        while batch and len(batch) < _BATCH_LIMIT:
            try:
                following = self._waiting.get_nowait()
            except Empty:
                break
            if following is None:  # this thread's end, or another's: after this batch
                self._waiting.put(None)
                break
            batch.append(following)
        return batch

    def _connect(self) -> tuple[BlockingConnection, int]:
        connection = self._database.connect_blocking()
        found = connection.execute(QUERIES["take_stripe"], {"most": _MOST_STRIPES}).fetchone()
        return connection, found[0] if found else 0

    def _commit(self, connection: BlockingConnection, stripe: int, batch: list[_Waiting]) -> None:
        changes = [change for change, _ in batch]
        self._open_accounts(connection, changes, stripe)
        try:
            refusals = _transact(connection, changes, stripe)
        except Exception as error:  # noqa: BLE001 - whose change it was shows below
            _raise_if_lost(connection, error)
            if len(batch) > 1:
                _log.info("writer_replays", changes=len(batch), error=type(error).__name__)
            for waiting in batch:
                self._commit_alone(connection, stripe, waiting)
            return
        _answer(batch, refusals)

    def _commit_alone(self, connection: BlockingConnection, stripe: int, waiting: _Waiting) -> None:
        change, _ = waiting
        for attempt in range(_RETRIES):
            try:
                (refusal,) = _transact(connection, [change], stripe)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                time.sleep(0.01 * attempt)
                continue
            except errors.UniqueViolation as error:
                # Somebody inserted the same key meanwhile: a second look finds their row locked
                # and decides; only a new aggregate with a used id ends here.
                if attempt + 1 < _RETRIES and _is_reservation(error):
                    continue
                _answer([waiting], [_refusal(error)])
                return
            except DatabaseError as error:
                _raise_if_lost(connection, error)
                _answer([waiting], [_refusal(error)])
                return
            except Exception as error:  # noqa: BLE001 - such as a value that cannot be packed
                _raise_if_lost(connection, error)
                _log.exception("writer_failed", changes=1)
                _answer([waiting], [error])
                return
            _answer([waiting], [refusal])
            return
        _answer([waiting], [Unavailable("too much contention; try again")])

    def _open_accounts(
        self, connection: BlockingConnection, changes: Sequence[Change], stripe: int
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
        connection.execute(QUERIES["open_accounts"], parameters)
        self._opened.update(new)


def _transact(
    connection: BlockingConnection, changes: Sequence[Change], stripe: int
) -> list[KhataError | None]:
    """One transaction, from the `begin` before the locks to the `commit` after the updates."""
    batch = Batch(changes, stripe)
    try:
        batch.lock(connection)
        batch.decide()
        batch.write(connection)
    except Exception:
        if connection.info.transaction_status in _UNDER_WAY:
            connection.rollback()  # not as a statement: this one forgets what was prepared, too
        raise
    return batch.refusals


def _raise_if_lost(connection: BlockingConnection, error: Exception) -> None:
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


def _answer(batch: Sequence[_Waiting], results: Sequence[Exception | None]) -> None:
    """Answers the callers, each in its own loop; one call a loop, however many they are."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for (_, future), result in zip(batch, results, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is gone; what was committed stays so
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[_Answer]) -> None:
    for future, refusal in answers:
        if future.done():  # the caller went away
            continue
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(refusal)


def _close(connection: BlockingConnection | None) -> None:
    if connection is not None:
        connection.close()
