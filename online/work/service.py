"""Asking for work, claiming it, reporting it."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import NotFound
from online.platform.db import Database
from online.work import store
from online.work.domain import State, WorkRequest

# A claim that was never reported: its claimer has died.
_LOST_AFTER: Final = timedelta(minutes=15)


class Work:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def request(
        self,
        kind: str,
        params: dict[str, Any],
        *,
        merchant_id: UUID | None,
        livemode: bool,
        work_id: UUID | None = None,
    ) -> WorkRequest:
        """The request of these fields, made now unless it is there.

        `work_id` is for work that makes one object, to be found by that object's id.
        """
        now = self._clock.now()
        wanted = WorkRequest(
            id=work_id or ids.new(now),
            kind=kind,
            merchant_id=merchant_id,
            params=params,
            state=State.QUEUED,
            result=None,
            livemode=livemode,
            created_at=now,
        )
        async with self._database.connection() as connection:
            return await store.request(connection, wanted)

    async def find(self, work_id: UUID, kind: str) -> WorkRequest | None:
        async with self._database.connection() as connection:
            return await store.get(connection, work_id, kind)

    async def claim(self, kinds: list[str], most: int, *, livemode: bool) -> list[WorkRequest]:
        """Gives out what waits, each request to one claimer."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            claimed = await store.claim(
                connection,
                kinds,
                livemode,
                now=now,
                today=business_date(now),
                lost_before=now - _LOST_AFTER,
                most=most,
            )
        return sorted(claimed, key=lambda work: (work.created_at, work.id))

    async def finish(
        self, work_id: UUID, state: State, result: dict[str, Any], *, livemode: bool
    ) -> WorkRequest:
        """Reporting twice is reporting once; the last word stays."""
        async with self._database.connection() as connection:
            work = await store.finish(connection, work_id, livemode, state, result)
        if work is None:
            raise NotFound("no such work request", "id")
        return work
