"""A rail says that something has happened: a hint to ask it now, and never more than that."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import structlog

from online.attempts.domain import Attempt, Status
from online.attempts.service import Attempts
from online.kernel.errors import KhataError
from online.platform.db import Database
from online.platform.ttl_cache import TtlCache

# How often one attempt may be asked about because somebody says so.
_QUIET_S: Final = 2

_log = structlog.get_logger(__name__)

Resolve = Callable[[Attempt], Awaitable[object]]


class Nudges:
    """`resolve` is recovery's own: it enquires and records, whatever the attempt is for."""

    def __init__(self, database: Database, attempts: Attempts, resolve: Resolve) -> None:
        self._database = database
        self._attempts = attempts
        self._resolve = resolve
        self._recent: TtlCache[UUID, bool] = TtlCache(ttl_s=_QUIET_S)

    async def nudge(self, rail: str, attempt_id: UUID) -> None:
        """Asks about an open attempt at this rail; anything else is silently nothing.

        An attempt that is still `sent` has its own call on the line, or a recovery to come.
        """
        if self._recent.get(attempt_id):
            return
        self._recent.put(attempt_id, True)
        try:
            async with self._database.connection() as connection:
                attempt = await self._attempts.get(connection, attempt_id)
            if attempt is None or attempt.rail != rail:
                return
            if attempt.status in {Status.PENDING, Status.UNKNOWN}:
                await self._resolve(attempt)
        except KhataError as error:
            _log.info("nudge_failed", attempt=str(attempt_id), error=str(error))
