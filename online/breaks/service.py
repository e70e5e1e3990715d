"""Breaks: taken in from reconciliation, listed for finance."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from online.breaks import store
from online.breaks.domain import HOUSE, Break, Finding, news
from online.breaks.moves import returned
from online.breaks.store import BREAKS, Filter, Logged
from online.kernel.clock import Clock
from online.kernel.errors import KhataError, NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.lists import Window, cut

# How often a finding is decided again when people work on its break at the same moment.
_ROUNDS = 5


class Breaks:
    def __init__(self, database: Database, writer: Writer, clock: Clock) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock

    async def take_in(
        self, findings: Sequence[Finding], *, livemode: bool, metadata: Metadata
    ) -> list[bool | KhataError]:
        """For each finding in its place: whether it was news, or why it was refused."""
        results: list[bool | KhataError] = [False] * len(findings)
        places = list(range(len(findings)))
        for _ in range(_ROUNDS):
            taken = await self._take_in([findings[n] for n in places], livemode, metadata)
            for place, result in zip(places, taken, strict=True):
                results[place] = result
            places = [n for n in places if isinstance(results[n], VersionConflict)]
            if not places:
                break
        return results

    async def _take_in(
        self, findings: Sequence[Finding], livemode: bool, metadata: Metadata
    ) -> list[bool | KhataError]:
        async with self._database.connection() as connection:
            known = await store.by_ids(connection, {finding.break_id for finding in findings})
        results: list[bool | KhataError] = [False] * len(findings)
        # Several findings of one break become one change: the last state and all events.
        pending: dict[UUID, list[int]] = {}
        changes: dict[UUID, list[Change]] = {}
        for place, finding in enumerate(findings):
            before = known.get(finding.break_id)
            moved = self._move(before, finding, livemode, metadata)
            if moved is None:
                continue
            known[finding.break_id] = moved.state
            results[place] = True
            pending.setdefault(finding.break_id, []).append(place)
            changes.setdefault(finding.break_id, []).append(
                _change(before, moved, self._clock.now())
            )
        refusals = await self._writer.submit_all([_one(each) for each in changes.values()])
        for places, refusal in zip(pending.values(), refusals, strict=True):
            if refusal is not None:
                for place in places:
                    results[place] = refusal
        return results

    async def page(self, wanted: Filter, asked: Window) -> tuple[list[Break], bool]:
        """A page, newest day first, and whether there is more."""
        async with self._database.connection() as connection:
            return cut(await store.page(connection, wanted, asked), asked)

    async def get(self, break_id: UUID, *, livemode: bool) -> tuple[Break, list[Logged]]:
        """A break and all that happened to it, oldest first."""
        async with self._database.connection() as connection:
            found = await store.get(connection, break_id, livemode=livemode)
            if found is None:
                raise NotFound("no such break", "id")
            return found, await store.history(connection, break_id)

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


def _change(before: Break | None, moved: Moved[Break], now: datetime) -> Change:
    """News of a break that somebody had moved money of closes it: the money goes back first."""
    journals = (returned(before, now),) if before is not None and before.moved_minor else ()
    return Change(snapshots=(moved.row,), events=moved.events, journals=journals)


def _one(changes: Sequence[Change]) -> Change:
    first, last = changes[0].snapshots[0], changes[-1].snapshots[0]
    return Change(
        snapshots=(type(first)(first.snapshot, first.id, first.expected_version, last.row),),
        events=tuple(event for change in changes for event in change.events),
        journals=tuple(journal for change in changes for journal in change.journals),
    )
