"""Payouts that the bank sent back after it had paid them, as its statements say.

Belongs here: the one door they come in by, and who is told. Does not: what a return means
(the slice that ordered the payout).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.kernel.errors import InvalidRequest, NotFound
from online.kernel.events import Metadata
from online.platform.db import Database


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A payout that the bank sent back after it had paid it, as its statement says."""

    attempt_id: UUID
    amount_minor: int
    returned_on: date
    code: str | None = None
    reference: str | None = None


# Records a return; answers with the TypeID of what was paid, or None when it was known already.
Record = Callable[[Attempt, Returned, Metadata], Awaitable[str | None]]


class Returns:
    """`by` names who records the return of whose payout, as `Attempt.ordered_by` says."""

    def __init__(self, database: Database, attempts: Attempts, by: Mapping[str, Record]) -> None:
        self._database = database
        self._attempts = attempts
        self._by = by

    async def record(self, back: Returned, metadata: Metadata) -> str | None:
        async with self._database.connection() as connection:
            attempt = await self._attempts.get(connection, back.attempt_id)
        if attempt is None or attempt.operation != "payout" or attempt.ordered_by not in self._by:
            raise NotFound("no such payout", "attempt_id")
        if back.amount_minor != attempt.amount_minor:
            raise InvalidRequest("a payout comes back whole or not at all", "amount")
        return await self._by[attempt.ordered_by](attempt, back, metadata)
