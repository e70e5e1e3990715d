"""Questions to the database that wait at the same moment share one statement.

Belongs here: the threads that ask. Does not: any statement (a slice hands in the function that
answers a list of questions), or any change (the writer does those in the same way).

A blocking connection in a thread costs a third of an asynchronous one, and a statement for ten
questions little more than for one. There is no timer: what is asked together is what came while the
last ones were answered.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar

from psycopg import Error, OperationalError

from online.kernel.errors import Unavailable
from online.platform.db import Database
from online.platform.sql import BlockingConnection

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_MOST: Final = 64  # a statement
_TIMEOUT: Final = "set statement_timeout = 5000"  # nobody waits longer; ms


class Together(Generic[Asked, Answer]):
    """Asks `answer(connection, questions)` for its answers, in the questions' order.

    Started by the first question. Where a statement for several fails, each is asked alone, so that
    a bad question fails alone.
    """

    def __init__(
        self,
        database: Database,
        answer: Callable[[BlockingConnection, Sequence[Asked]], Sequence[Answer]],
        *,
        name: str,
        threads: int = 2,
    ) -> None:
        self._database = database
        self._answer = answer
        self._name = name
        self._count = threads
        self._threads: list[Thread] = []
        self._waiting: SimpleQueue[tuple[Asked, asyncio.Future[Answer]] | None] = SimpleQueue()

    async def ask(self, question: Asked) -> Answer:
        """Raises what its statement raised; Unavailable when the database is."""
        if not self._threads:
            self._start()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put((question, future))
        return await future

    async def stop(self) -> None:
        """Answers what waits, then ends."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> None:
        for number in range(self._count):
            thread = Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    # ── in the threads ───────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        connection: BlockingConnection | None = None
        while batch := self._take():
            live = [each for each in batch if not each[1].done()]  # the others gave up
            if not live:
                continue
            try:
                if connection is None or connection.closed or connection.broken:
                    connection = self._database.connect_blocking()
                    connection.execute(_TIMEOUT)
                answers = self._answers(connection, [question for question, _ in live])
            except Exception as error:  # noqa: BLE001 - they are told; the next ones are asked anew
                answers = [_told(error)] * len(live)
                _close(connection)
                connection = None
            _settle([future for _, future in live], answers)
        _close(connection)

    def _take(self) -> list[tuple[Asked, "asyncio.Future[Answer]"]]:
        """All that waits, once something does; nothing when no more will come."""
        first = self._waiting.get()
        batch = [] if first is None else [first]
        while batch and len(batch) < _MOST:
            try:
                following = self._waiting.get_nowait()
            except Empty:
                break
            if following is None:  # this thread's end, or another's: after these
                self._waiting.put(None)
                break
            batch.append(following)
        return batch

    def _answers(
        self, connection: BlockingConnection, questions: Sequence[Asked]
    ) -> Sequence[Answer | Exception]:
        try:
            return self._answer(connection, questions)
        except Error:
            if len(questions) == 1 or connection.closed or connection.broken:
                raise
        return [self._alone(connection, question) for question in questions]

    def _alone(self, connection: BlockingConnection, question: Asked) -> Answer | Exception:
        try:
            (answer,) = self._answer(connection, [question])
        except Error as error:
            return _told(error)
        return answer


def _told(error: Exception) -> Exception:
    if isinstance(error, OperationalError):
        told = Unavailable("the database does not answer")
        told.__cause__ = error
        return told
    return error


def _settle(
    futures: Sequence["asyncio.Future[Answer]"], answers: Sequence[Answer | Exception]
) -> None:
    """Each in its own loop; one call a loop, however many they are."""
    by_loop: dict[
        asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Exception]]
    ] = {}
    for future, answer in zip(futures, answers, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, answer))
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is gone, and who asked with it
            loop.call_soon_threadsafe(_tell, settled)


def _tell(settled: Sequence[tuple["asyncio.Future[Answer]", Answer | Exception]]) -> None:
    for future, answer in settled:
        if future.done():  # who asked has given up
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _close(connection: BlockingConnection | None) -> None:
    if connection is not None:
        connection.close()
