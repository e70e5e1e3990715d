"""Breaks: taken in from reconciliation, listed for finance."""

from collections.abc import Sequence
from uuid import UUID

from online.breaks import store
from online.breaks.domain import HOUSE, Break, Finding, news
from online.breaks.store import BREAKS
from online.kernel.clock import Clock
from online.kernel.errors import KhataError
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database


class Breaks:
    def __init__(self, database: Database, writer: Writer, clock: Clock) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock

    async def take_in(
        self, findings: Sequence[Finding], *, livemode: bool, metadata: Metadata
    ) -> list[bool | KhataError]:
        """For each finding in its place: whether it was news, or why it was refused."""
        async with self._database.connection() as connection:
            known = await store.by_ids(connection, {finding.break_id for finding in findings})
        results: list[bool | KhataError] = [False] * len(findings)
        # Several findings of one break become one change: the last state and all events.
        pending: dict[UUID, list[int]] = {}
        moves: dict[UUID, list[Moved[Break]]] = {}
        for place, finding in enumerate(findings):
            moved = self._move(known.get(finding.break_id), finding, livemode, metadata)
            if moved is None:
                continue
            known[finding.break_id] = moved.state
            results[place] = True
            pending.setdefault(finding.break_id, []).append(place)
            moves.setdefault(finding.break_id, []).append(moved)
        refusals = await self._writer.submit_all([_change(each) for each in moves.values()])
        for places, refusal in zip(pending.values(), refusals, strict=True):
            if refusal is not None:
                for place in places:
                    results[place] = refusal
        return results

    async def page(
        self,
        *,
        livemode: bool,
        state: str | None,
        kind: str | None,
        after: UUID | None,
        most: int,
    ) -> tuple[list[Break], bool]:
        """A page, newest day first, and whether there is more."""
        async with self._database.connection() as connection:
            found = await store.page(
                connection, livemode=livemode, state=state, kind=kind, after=after, most=most + 1
            )
        return found[:most], len(found) > most

    def _move(
        self, known: Break | None, finding: Finding, livemode: bool, metadata: Metadata
    ) -> Moved[Break] | None:
        events = news(known, finding)
        if not events:
            return None
        now = self._clock.now()
        if known is None:
            origin = Origin(id=finding.break_id, merchant_id=HOUSE, livemode=livemode)
            return BREAKS.create(origin, events, now, metadata)
        return BREAKS.move(known, events, now, metadata)


def _change(moves: Sequence[Moved[Break]]) -> Change:
    first, last = moves[0].row, moves[-1].row
    row = type(first)(first.snapshot, first.id, first.expected_version, last.row)
    return Change(snapshots=(row,), events=tuple(e for moved in moves for e in moved.events))
