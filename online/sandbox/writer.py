"""One thread that owns the SQLite connection and commits what has gathered as one transaction.

Belongs here: how work reaches the records and becomes durable. Does not: what the work is.
Work runs strictly one after the other, so two copies of one request can never both take effect.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")
_MAX_BATCH: Final = 256
# In order; records of an earlier version get what came since.
_SCHEMA: Final = tuple(
    Path(__file__).with_name(name)
    for name in (
        "schema.sql",
        "schema_2.sql",
        "schema_3.sql",
        "schema_4.sql",
        "schema_5.sql",
        "schema_6.sql",
        "schema_7.sql",
        "schema_8.sql",
    )
)


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class _Done(NamedTuple):
    future: "asyncio.Future[Any]"
    value: Any
    error: BaseException | None


def connect(path: Path | str) -> sqlite3.Connection:
    """Open the records, made or brought up to date: write-ahead log, synced at every commit."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma busy_timeout = 5000")
    for version, file in enumerate(_SCHEMA, start=1):
        if db.execute("pragma user_version").fetchone()[0] < version:
            script = file.read_text(encoding="utf-8")
            db.executescript(f"begin immediate; {script} pragma user_version = {version}; commit;")
    return db


class GroupWriter:
    """Runs work on the records; a caller is answered only after its commit."""

    def __init__(self, path: Path | str) -> None:
        self._db = connect(path)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="records", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the next transaction; what it raises undoes its own writes alone."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(work, loop, future))
        return await future

    def close(self) -> None:
        """Finish what was handed in, then close the file."""
        self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _serve(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            batch = [job]
            last = False
            while len(batch) < _MAX_BATCH:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Job]) -> None:
        try:
            self._db.execute("begin immediate")
            done = [self._attempt(job) for job in batch]
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            done = [_Done(job.future, None, error) for job in batch]
        for loop in {job.loop for job in batch}:
            loop.call_soon_threadsafe(_resolve, loop, done)

    def _attempt(self, job: _Job) -> _Done:
        self._db.execute("savepoint job")
        try:
            value = job.work(self._db)
        except Exception as error:  # noqa: BLE001 - the caller of the job gets it
            self._db.execute("rollback to job")
            return _Done(job.future, None, error)
        finally:
            self._db.execute("release job")
        return _Done(job.future, value, None)


def _resolve(loop: asyncio.AbstractEventLoop, done: list[_Done]) -> None:
    for future, value, error in done:
        if future.get_loop() is not loop or future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
