"""What became of a call, and forgetting calls of long ago."""

from datetime import datetime
from typing import Final
from uuid import UUID

from online.attempts.service import Attempts
from online.calls import store
from online.calls.domain import Call, Status
from online.kernel.errors import NotFound
from online.platform.db import Database
from online.platform.idempotency import KEPT, is_key

_BATCH: Final = 5_000


class Calls:
    """Use cases on idempotency keys."""

    def __init__(self, database: Database, attempts: Attempts) -> None:
        self._database = database
        self._attempts = attempts

    async def find(self, merchant_id: UUID, key: str) -> tuple[Call, Status]:
        """The merchant's own call by its key. A call that was refused left none."""
        async with self._database.connection() as connection:
            call = await store.find(connection, merchant_id, key) if is_key(key) else None
            if call is None:
                raise NotFound("no call with this key is remembered", "key")
            open_ = set()
            if call.status is None and call.resource_id is not None:
                open_ = await self._attempts.open_of(connection, [call.resource_id])
        return call, call.state(at_the_rail=call.resource_id in open_)

    async def purge_expired(self, now: datetime) -> int:
        """Forgets keys that are older than they have to be kept; answers how many.

        One whose resource is still open at a rail stays: a client that comes back with it must
        find that resource, never pay a second time.
        """
        before = now - KEPT
        forgotten = 0
        async with self._database.connection() as connection:
            while deleted := await store.forget_answered(connection, before, _BATCH):
                forgotten += deleted
            last: Call | None = None
            while calls := await store.unanswered(connection, before, last, _BATCH):
                last = calls[-1]
                made = {call.resource_id for call in calls if call.resource_id is not None}
                open_ = await self._attempts.open_of(connection, made)
                over = [call for call in calls if call.resource_id not in open_]
                forgotten += await store.forget(connection, over, before)
        return forgotten
