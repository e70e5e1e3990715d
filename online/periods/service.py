"""Closing a month: the public face of the slice.

In two steps. First the month is closed, in a transaction that waits for the commits under way and
lets new ones wait for it: it asks one indexed question and inserts one row. Then its trial balance
is summed from entries that nothing can change any more, while the service works. A crash between
the two leaves a closed month, and the same call again does the second step.
"""

from datetime import date, datetime, time
from typing import Protocol

from online.attempts.service import Attempts
from online.kernel.clock import IST, Clock
from online.kernel.errors import NotFound
from online.kernel.months import Month
from online.periods import store
from online.periods.domain import (
    AccountPeriod,
    Period,
    must_be_decided,
    must_be_next,
    must_be_over,
    must_be_sealed,
)
from online.platform.db import Database
from online.platform.sql import Connection


class Seals(Protocol):
    """Which days of the books are sealed."""

    async def any_there(self, connection: Connection) -> bool:
        """Whether anything was ever sealed."""

    async def unsealed(self, connection: Connection, first: date, last: date) -> list[date]:
        """Days of the books in this range, both included, that have no seal yet."""


class Periods:
    """Use cases on months."""

    def __init__(
        self, database: Database, clock: Clock, attempts: Attempts, seals: Seals | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._attempts = attempts
        self._seals = seals

    async def all(self) -> list[Period]:
        """The closed months, newest first."""
        async with self._database.connection() as connection:
            return await store.periods(connection)

    async def get(self, month: Month) -> Period:
        async with self._database.connection() as connection:
            found = await store.get(connection, month)
        if found is None:
            raise NotFound(f"{month} is not closed", "month")
        return found

    async def balances(self, month: Month, *, after: str, most: int) -> list[AccountPeriod]:
        """A part of the trial balance that the month was closed with, by account code."""
        await self.get(month)
        async with self._database.connection() as connection:
            return await store.balances(connection, month, after=after, most=most)

    async def close(self, month: Month, by: str) -> Period:
        """Closes the month for ever; the same call again answers what was closed."""
        now = self._clock.now()
        must_be_over(month, now)
        async with self._database.connection() as connection:
            found = await store.get(connection, month)
            if found is None:
                await self._check_before(connection, month)
                await self._close(connection, month, by, now)
            if found is None or found.totals is None:
                async with connection.transaction():
                    await store.record(connection, month, at=now)
        return await self.get(month)

    async def _check_before(self, connection: Connection, month: Month) -> None:
        """What may take a while to find out, while the service works."""
        closed = await store.last_closed(connection)
        earliest = None if closed else await store.earliest(connection)
        must_be_next(month, closed, earliest)
        # Where nothing was ever sealed, seals are not in use.
        if self._seals is not None and await self._seals.any_there(connection):
            must_be_sealed(month, await self._seals.unsealed(connection, month.first, month.last))

    async def _close(self, connection: Connection, month: Month, by: str, now: datetime) -> None:
        """What is undecided is looked for once the books are stopped, so that nothing slips in
        between."""
        ends = datetime.combine(month.next.first, time(), IST)
        async with connection.transaction():
            await store.close(connection, month, by=by, at=now)
            must_be_decided(month, await self._attempts.open_before(connection, ends))
