"""Keeping what comes: all that waits at one moment in one transaction on one connection.

However many callbacks come, the database has one of a process to commit at a time, and payments
have the pool. Whoever sent one is answered after its commit.
"""

import asyncio
from collections import deque
from typing import Final

import structlog

from online.callbacks import store
from online.callbacks.domain import Arrival
from online.callbacks.store import Kept
from online.kernel.errors import RateLimited, Unavailable
from online.platform.db import Database
from online.security.sealing import Sealer

_BATCH: Final = 128
_MOST_WAITING: Final = 1_000
_RETRY_AFTER_S: Final = 5

_log = structlog.get_logger(__name__)
_Place = tuple[Arrival, "asyncio.Future[Kept]"]


class Intake:
    """Stores arrivals in the order they come."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._waiting: deque[_Place] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def keep(self, arrival: Arrival) -> Kept:
        """Once it is committed. Refused when too many wait: a rail sends again."""
        if len(self._waiting) >= _MOST_WAITING:
            raise RateLimited("too many callbacks at once", retry_after_s=_RETRY_AFTER_S)
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await future

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                most = min(_BATCH, len(self._waiting))
                await self._commit([self._waiting.popleft() for _ in range(most)])
        finally:
            self._committing = None

    async def _commit(self, batch: list[_Place]) -> None:
        try:
            async with self._database.transaction() as connection:
                arrivals = [arrival for arrival, _ in batch]
                kept = await store.store(connection, arrivals, self._sealer)
        except Exception as error:  # noqa: BLE001 - everyone who waits for it is told
            _log.warning("callbacks_not_stored", count=len(batch), exc_info=error)
            for _, future in batch:
                if not future.done():
                    future.set_exception(Unavailable("the callback could not be stored"))
            return
        by_id = {each.id: each for each in kept}
        for arrival, future in batch:
            if not future.done():
                future.set_result(by_id[arrival.id])
