"""The real writer for tests that are not coroutines: an event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, TypeVar

from online.kernel.errors import KhataError
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database

T = TypeVar("T")


class BackgroundWriter:
    """A writer on `url`, from entering to leaving."""

    def __init__(self, url: str, *, tasks: int = 1) -> None:
        self._url = url
        self._tasks = tasks
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "BackgroundWriter":
        self._thread.start()
        self.writer = self.run(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self.writer.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> Writer:
        # Its connections are its own, outside the pool, which therefore is never opened.
        writer = Writer(Database(self._url), tasks=self._tasks)
        await writer.start()
        return writer

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def submit(self, change: Change) -> KhataError | None:
        """The refusal, or None once it is committed."""
        return self.submit_all([change])[0]

    def submit_all(self, changes: Sequence[Change]) -> list[KhataError | None]:
        """All at once, in this order."""
        return self.run(self.writer.submit_all(changes))
