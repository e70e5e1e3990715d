"""Posting what offline has read from files, each cause once."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from online.kernel.clock import Clock
from online.kernel.errors import KhataError, PeriodClosed
from online.ledger import reading
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.open_months import open_from
from online.ledger.writer import AlreadyPosted, Writer
from online.platform.db import Database
from online.postings.domain import Line, Places, journal, moved


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a line."""

    status: Literal["posted", "exists", "refused"]
    refusal: KhataError | None = None


_POSTED = Posted(status="posted")
_EXISTS = Posted(status="exists")


class Postings:
    def __init__(self, database: Database, writer: Writer, clock: Clock, places: Places) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._places = places

    async def post(self, lines: Sequence[Line], *, livemode: bool) -> list[Posted]:
        """Each line by itself, in its place: posted, there already, or refused.

        What is meant for a day of a closed month is posted to the first open day.
        """
        results: list[Posted] = [_EXISTS] * len(lines)
        async with self._database.connection() as connection:
            known = await reading.posted(connection, {line.key for line in lines})
        now = self._clock.now()
        new: dict[int, Journal] = {}
        for place, line in enumerate(lines):
            if line.key in known:
                continue
            try:
                new[place] = journal(line, self._places, at=now, livemode=livemode)
            except KhataError as error:
                results[place] = Posted(status="refused", refusal=error)
            else:
                known.add(line.key)  # the same key again in this call is there already
        refusals = await self._submit(list(new.values()))
        for place, refusal in zip(new, refusals, strict=True):
            results[place] = _result(refusal)
        return results

    async def _submit(self, journals: Sequence[Journal]) -> list[KhataError | None]:
        """The writer says what is late, so that a month may close at any moment."""
        refusals = await self._writer.submit_all([Change(journals=(j,)) for j in journals])
        late = [n for n, why in enumerate(refusals) if isinstance(why, PeriodClosed)]
        if not late:
            return refusals
        async with self._database.connection() as connection:
            day = await open_from(connection)
        assert day is not None, "no month is closed, and one was said to be"
        again = await self._submit([moved(journals[n], day) for n in late])
        for n, refusal in zip(late, again, strict=True):
            refusals[n] = refusal
        return refusals


def _result(refusal: KhataError | None) -> Posted:
    if refusal is None:
        return _POSTED
    if isinstance(refusal, AlreadyPosted):  # by another call, since we looked
        return _EXISTS
    return Posted(status="refused", refusal=refusal)
