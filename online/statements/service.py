"""Statements: asked for and numbered here, made offline, kept and handed out here."""

import hashlib
from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import Conflict, InvalidRequest, NotFound, Refused
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.lists import Window
from online.statements import store
from online.statements.domain import Asked, Issue, Key, Neighbours, Numbered, Period, Statement
from online.work.domain import State
from online.work.service import Work


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as its merchant sees it; no `statement` while it is being made."""

    id: UUID
    period: Period
    status: str  # queued | running | failed | ready
    livemode: bool
    statement: Statement | None = None
    neighbours: Neighbours | None = None


class Statements:
    def __init__(self, database: Database, clock: Clock, work: Work, merchants: Merchants) -> None:
        self._database = database
        self._clock = clock
        self._work = work
        self._merchants = merchants

    async def generate(self, period: Period, *, livemode: bool) -> Standing:
        """Queues it; the same fields again are the same statement."""
        today = business_date(self._clock.now())
        if period.end_date < period.start_date:
            raise InvalidRequest("must not be before start_date", "end_date")
        if period.end_date > today:
            raise InvalidRequest("must not be in the future", "end_date")
        await self._merchants.get(period.merchant_id)
        statement_id = period.statement_id(livemode, today)
        async with self._database.connection() as connection:
            made = await store.get(connection, statement_id)
            newest = await store.newest(connection, period, livemode) if made else None
        if newest is None:
            await self._ask(statement_id, period, livemode)
            return await self.get(statement_id, period.merchant_id)
        if period.end_date < today and newest.edition is not None:
            hour = self._clock.now().isoformat(timespec="hours")
            again = period.statement_id(livemode, today, again=f"{hour}, {newest.edition}")
            await self._ask(again, period, livemode, newer_than=newest.edition)
        return (await self._ready([newest]))[0]

    async def _ask(self, statement_id: UUID, period: Period, livemode: bool, **more: int) -> None:
        await self._work.request(
            "statement",
            {
                "statement_id": ids.encode("stm", statement_id),
                "merchant_id": ids.encode("mrc", period.merchant_id),
                "start_date": period.start_date.isoformat(),
                "end_date": period.end_date.isoformat(),
                "format": period.format,
                **more,
            },
            merchant_id=period.merchant_id,
            livemode=livemode,
            work_id=statement_id,
        )

    async def get(self, statement_id: UUID, merchant_id: UUID | None) -> Standing:
        """As it stands; `merchant_id` None is one of ours, who may see them all."""
        async with self._database.connection() as connection:
            statement = await store.get(connection, statement_id)
        if statement is None:
            standing = await self._asked_for(statement_id)
        else:
            (standing,) = await self._ready([statement])
        if standing is None or merchant_id not in {None, standing.period.merchant_id}:
            raise NotFound("no such statement", "id")
        return standing

    async def page(
        self,
        merchant_id: UUID | None,
        asked: Window,
        *,
        livemode: bool,
        days: tuple[date | None, date | None],
    ) -> list[Standing]:
        """Newest first; one more than asked for, where there are more."""
        async with self._database.connection() as connection:
            found = await store.page(
                connection,
                merchant_id,
                days,
                livemode=livemode,
                after=asked.after,
                most=asked.most,
            )
        return await self._ready(found)

    async def file(self, statement_id: UUID, merchant_id: UUID | None) -> tuple[Statement, bytes]:
        """The document itself, once it is there."""
        standing = await self.get(statement_id, merchant_id)
        if standing.statement is None:
            raise NotFound(f"the statement is {standing.status}: there is no file yet", "id")
        async with self._database.connection() as connection:
            return standing.statement, await store.content(connection, statement_id)

    async def take_in(self, statement: Statement, content: bytes) -> bool:
        """Keeps a finished one; False when it was here already. Its bytes must be those hashed."""
        if hashlib.sha256(content).digest() != statement.sha256:
            raise InvalidRequest("is not the hash of the content", "sha256")
        await self._merchants.get(statement.merchant_id)
        async with self._database.connection() as connection:
            if statement.number is not None and not await store.is_issued(connection, statement):
                raise Conflict("no such number was given to this period", "number")
            if await store.insert(connection, statement, content):
                return True
            found = await store.get(connection, statement.id)
        if found is None or found.sha256 != statement.sha256:
            raise Conflict("this statement is here with other content", "statement_id")
        return False

    async def number(self, lines: Sequence[Asked], *, livemode: bool) -> list[Numbered | Refused]:
        """The edition that each reading belongs to: the last one where its books say the same."""
        told = [await self._refusal(line, livemode) or line for line in lines]
        asked = [line for line in told if isinstance(line, Asked)]
        async with self._database.transaction() as connection:
            new = await store.issue(connection, asked, livemode=livemode, at=self._clock.now())
            found = await store.issues(connection, asked)
        editions: dict[Key, dict[int, Issue]] = {}
        for issue in found:
            editions.setdefault(issue.key, {})[issue.edition] = issue
        return [
            _numbered(list(editions[line.key].values()), line.key in new)
            if isinstance(line, Asked)
            else line
            for line in told
        ]

    async def _refusal(self, line: Asked, livemode: bool) -> Refused | None:
        if line.end_date < line.start_date:
            return InvalidRequest("must not be before start_date", "end_date")
        try:
            merchant = await self._merchants.get(line.merchant_id)
        except NotFound as refusal:
            return refusal
        if merchant.livemode != livemode:
            return NotFound("there is no such merchant")
        return None

    async def _ready(self, statements: Sequence[Statement]) -> list[Standing]:
        async with self._database.connection() as connection:
            around = await store.neighbours(connection, [each.id for each in statements])
        return [_standing(each, around[each.id]) for each in statements]

    async def _asked_for(self, statement_id: UUID) -> Standing | None:
        work = await self._work.find(statement_id, "statement")
        if work is None:
            return None
        asked = {**work.params, "merchant_id": ids.decode("mrc", work.params["merchant_id"])}
        period = msgspec.convert(asked, Period)
        # Done without a statement under this id: nothing will come of it by itself.
        status = State.FAILED if work.state is State.DONE else work.state
        return Standing(id=statement_id, period=period, status=status, livemode=work.livemode)


def _numbered(editions: Sequence[Issue], new: bool) -> Numbered:
    *earlier, last = editions
    return Numbered(issue=last, replaces=earlier[-1] if earlier else None, new=new)


def _standing(statement: Statement, neighbours: Neighbours) -> Standing:
    period = Period(
        merchant_id=statement.merchant_id,
        start_date=statement.start_date,
        end_date=statement.end_date,
        format=statement.format,
    )
    return Standing(
        id=statement.id,
        period=period,
        status="ready",
        livemode=statement.livemode,
        statement=statement,
        neighbours=neighbours,
    )
