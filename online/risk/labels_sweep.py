"""Time as a witness: what was paid, kept, and not complained about for long enough, was good.

Belongs here: the worker's search for such payments. Does not: how a label is recorded (`labels`).
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import VersionConflict
from online.kernel.events import Metadata
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.sql import Connection
from online.risk.labels import QUERIES, Subject, Word, change, told

_PAGE: Final = 1_000
_BY: Final = Metadata(actor="worker:labels")


class _Page(Struct, frozen=True, kw_only=True):
    """Payments after the first id, up to the last one; `passed` says how many."""

    after: UUID
    upto: UUID
    passed: int


class Sweep:
    """Goes through the payments once, oldest first, a page a round, one worker at a time."""

    def __init__(
        self, database: Database, writer: Writer, clock: Clock, *, good_after: timedelta
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._good_after = good_after

    async def once(self) -> int:
        """Labels what has aged on the next page; answers how many payments it went past.

        How far it came is kept after the labels are committed. Who takes over from a worker that
        died in between meets them again and finds them labelled, or, where that commit is still
        under way, is refused by it.
        """
        before = ids.earliest(self._clock.now() - self._good_after)
        async with self._database.transaction() as connection:
            if not await QUERIES.scalar(connection, "take_sweep"):
                return 0
            page = await QUERIES.one_or_none(connection, "page", _Page, before=before, most=_PAGE)
            if page is None:
                return 0
            await self._label(connection, page)
            await QUERIES.execute(connection, "keep_swept", upto=page.upto)
            return page.passed

    async def _label(self, connection: Connection, page: _Page) -> None:
        due = await QUERIES.all(connection, "aged", Subject, after=page.after, upto=page.upto)
        word = Word(fraud=False, source="aged", at=self._clock.now(), metadata=_BY)
        refusals = await self._writer.submit_all([change(told(each, word)) for each in due])
        for refusal in refusals:
            # Somebody said something meanwhile: that stands.
            if refusal is not None and not isinstance(refusal, VersionConflict):
                raise refusal
