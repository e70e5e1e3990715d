"""Statements: asked for here, made offline, kept and handed out here."""

import hashlib
from uuid import UUID

import msgspec

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import Conflict, InvalidRequest, NotFound
from online.merchants.service import Merchants
from online.platform.db import Database
from online.statements import store
from online.statements.domain import Period, Statement
from online.work.domain import State
from online.work.service import Work


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as its merchant sees it; no `statement` while it is being made."""

    id: UUID
    period: Period
    status: str  # queued | running | failed | ready
    livemode: bool
    statement: Statement | None = None


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
        await self._work.request(
            "statement",
            {
                "statement_id": ids.encode("stm", statement_id),
                "merchant_id": ids.encode("mrc", period.merchant_id),
                "start_date": period.start_date.isoformat(),
                "end_date": period.end_date.isoformat(),
                "format": period.format,
            },
            merchant_id=period.merchant_id,
            livemode=livemode,
            work_id=statement_id,
        )
        return await self.get(statement_id, period.merchant_id)

    async def get(self, statement_id: UUID, merchant_id: UUID | None) -> Standing:
        """As it stands; `merchant_id` None is one of ours, who may see them all."""
        async with self._database.connection() as connection:
            statement = await store.get(connection, statement_id)
        standing = _ready(statement) if statement else await self._asked_for(statement_id)
        if standing is None or merchant_id not in {None, standing.period.merchant_id}:
            raise NotFound("no such statement", "id")
        return standing

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
            if await store.insert(connection, statement, content):
                return True
            found = await store.get(connection, statement.id)
        if found is None or found.sha256 != statement.sha256:
            raise Conflict("this statement is here with other content", "statement_id")
        return False

    async def _asked_for(self, statement_id: UUID) -> Standing | None:
        work = await self._work.find(statement_id, "statement")
        if work is None:
            return None
        asked = {**work.params, "merchant_id": ids.decode("mrc", work.params["merchant_id"])}
        period = msgspec.convert(asked, Period)
        # Done without a statement under this id: nothing will come of it by itself.
        status = State.FAILED if work.state is State.DONE else work.state
        return Standing(id=statement_id, period=period, status=status, livemode=work.livemode)


def _ready(statement: Statement) -> Standing:
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
    )
