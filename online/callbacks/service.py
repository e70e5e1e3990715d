"""Callbacks: the public face of the slice.

One that is signed is stored as it came and answered. What it says is understood after that, by
the process that took it if it lives and has time, by the worker else. Both may look at the same
one: what it leads to is decided by the version of the attempt, so that it happens once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Protocol

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.callbacks import store
from online.callbacks.domain import (
    Arrival,
    Finding,
    Move,
    Notice,
    Stored,
    Verdict,
    callback_id,
    judge,
    read,
)
from online.callbacks.intake import Intake
from online.callbacks.secrets import RailSecrets
from online.callbacks.signature import Refusal, check
from online.callbacks.store import Filter, Row
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import KhataError, Unauthenticated
from online.platform import metrics
from online.platform.db import Database
from online.platform.lists import Window
from online.rails import answers
from online.rails.codes import Dialect
from online.rails.domain import Outcome, Rail
from online.security.sealing import Sealer

_AT_ONCE: Final = 4  # of a process, beside the payments it serves
_MOST_FRESH: Final = 500
_BATCH: Final = 100
_FORGOTTEN_AT_ONCE: Final = 5_000

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class CallbackRefused(Unauthenticated):
    """The same words whatever was wrong: they help nobody who tries."""

    code: ClassVar[str] = "signature_invalid"


class RailBook(Protocol):
    """Where rails are found by name."""

    def __getitem__(self, name: str) -> Rail: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `build.py`.

    `resolve` lets the right slice record how an attempt ended; `hear`, by the callback's type,
    asks a rail about a dispute or a mandate and answers whether there is one.
    """

    database: Database
    clock: Clock
    attempts: Attempts
    rails: RailBook
    dialects: Mapping[str, Dialect]
    secrets: RailSecrets
    sealer: Sealer
    resolve: Callable[[Attempt, str, Outcome], Awaitable[None]]
    hear: Mapping[str, Callable[[str, str, str], Awaitable[bool]]]
    keep: timedelta
    max_tries: int


class Callbacks:
    """Use cases on callbacks."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._intake = Intake(with_.database, with_.sealer)
        self._fresh: deque[Stored] = deque()
        self._readers: set[asyncio.Task[None]] = set()

    # ── taking ───────────────────────────────────────────────────────────────────────────

    async def receive(self, rail: str, header: str | None, body: bytes) -> None:
        """Returns once it is stored; raises `CallbackRefused`, and keeps nothing, unless the
        signature holds."""
        now = self._with.clock.now()
        arrival = Arrival(
            id=ids.new(now),
            rail=rail,
            callback_id=callback_id(body),
            received_at=now,
            secret=self._authenticate(rail, header, body, now),
            body=body,
        )
        kept = await self._intake.keep(arrival)
        if kept.added:
            self._begin(Stored(id=arrival.id, rail=rail, body=body, tries=0))
            return
        metrics.callback_repeated(rail, differs=kept.differs)
        if kept.differs:
            _log.warning("callback_id_reused", rail=rail, callback_id=arrival.callback_id)

    def _authenticate(self, rail: str, header: str | None, body: bytes, now: datetime) -> int:
        found = check(header, body, self._with.secrets.of(rail), now)
        if rail not in self._with.secrets:
            found = Refusal.UNKNOWN_RAIL
        if isinstance(found, Refusal):
            metrics.callback_refused(found)
            raise CallbackRefused("the signature does not hold")
        return found

    # ── understanding ────────────────────────────────────────────────────────────────────

    def _begin(self, stored: Stored) -> None:
        """Soon, in this process; where it has too much to do, the worker's turn comes by itself."""
        if len(self._fresh) >= _MOST_FRESH:
            return
        self._fresh.append(stored)
        if len(self._readers) < _AT_ONCE:
            task = asyncio.create_task(self._read_fresh())
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)

    async def _read_fresh(self) -> None:
        while self._fresh:
            await self._deal_with(self._fresh.popleft())

    async def take_up(self) -> int:
        """Those whose time has come and that nobody else has; answers how many. For the worker."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.claim(connection, now, _BATCH, self._with.sealer)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(stored: Stored) -> None:
            async with places:
                await self._deal_with(stored)

        await asyncio.gather(*map(one, due))
        return len(due)

    async def _deal_with(self, stored: Stored) -> None:
        finding = await self._look_at(stored)
        try:
            async with self._with.database.connection() as connection:
                await store.conclude(connection, finding, self._with.clock.now())
        except KhataError as error:
            # What was found is found again: nothing happens twice.
            _log.warning("callback_not_concluded", id=str(stored.id), code=error.code)
            return
        if finding.verdict is not None:
            metrics.callback_done(stored.rail, finding.verdict)

    async def _look_at(self, stored: Stored) -> Finding:
        """What came of it; never raises: what goes wrong once may go well next time."""
        if stored.body is None:
            return Finding(id=stored.id, verdict=Verdict.GIVEN_UP, error="cannot_open")
        notice = read(stored.body)
        if notice is None:
            return Finding(id=stored.id, verdict=Verdict.UNREADABLE)
        error = None
        try:
            verdict = await self._understand(stored, stored.body, notice)
        except KhataError as trouble:
            verdict, error = None, trouble.code
        except Exception as trouble:  # noqa: BLE001 - a bug must not stop the ones behind it
            verdict, error = None, type(trouble).__name__
            _log.error("callback_failed", id=str(stored.id), rail=stored.rail, exc_info=trouble)
        if verdict is None and error is None:
            error = Verdict.UNKNOWN_REFERENCE.value
        if verdict is None and stored.tries >= self._with.max_tries:
            unknown = error == Verdict.UNKNOWN_REFERENCE
            verdict = Verdict.UNKNOWN_REFERENCE if unknown else Verdict.GIVEN_UP
            _log.error("callback_given_up", id=str(stored.id), rail=stored.rail, why=error)
        return Finding(id=stored.id, verdict=verdict, notice=notice, error=error)

    async def _understand(self, stored: Stored, body: bytes, notice: Notice) -> Verdict | None:
        """None: nobody knows what it is about, yet."""
        if notice.type != "operation":
            hear = self._with.hear[notice.type]
            known = await hear(stored.rail, notice.reference, _actor(stored))
            return Verdict.ASKED if known else None
        try:
            attempt_id = ids.decode("att", notice.reference)
            outcome = answers.read(
                body, self._with.dialects[stored.rail], business_date(self._with.clock.now())
            )
        except ids.InvalidId:
            return Verdict.UNKNOWN_REFERENCE
        except answers.NO_SENSE:
            return Verdict.UNREADABLE
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, attempt_id)
            newest = await store.newest(connection, stored.rail, notice.reference)
        if attempt is None:
            return None
        if attempt.rail != stored.rail:
            _log.warning("callback_of_another_rail", id=str(stored.id), rail=stored.rail)
            return Verdict.FOREIGN_REFERENCE
        if newest is not None and notice.order < newest:
            return Verdict.OUT_OF_ORDER
        return await self._act(attempt, outcome, _actor(stored))

    async def _act(self, attempt: Attempt, outcome: Outcome, actor: str) -> Verdict:
        match judge(attempt, outcome):
            case Move.LEAVE_OPEN:
                return Verdict.NO_NEWS
            case Move.LEAVE_ENDED:
                return Verdict.KNOWN
            case Move.BELIEVE:
                await self._with.resolve(attempt, actor, outcome)
                return Verdict.BELIEVED
            case Move.ENQUIRE:
                answer = await self._with.rails[attempt.rail].enquire(attempt.reference)
                if not answer.is_final:
                    raise _NoAnswer("the rail contradicts itself and does not answer")
                await self._with.resolve(attempt, actor, answer)
                return Verdict.ENQUIRED

    # ── for staff and for the worker ─────────────────────────────────────────────────────

    async def page(self, wanted: Filter, asked: Window) -> list[Row]:
        """Newest first; one more than asked for where there is more."""
        async with self._with.database.connection() as connection:
            return await store.page(connection, wanted, asked)

    async def forget(self, now: datetime) -> int:
        """Removes what is done with and old enough; answers how many."""
        before, forgotten = now - self._with.keep, 0
        async with self._with.database.connection() as connection:
            while gone := await store.forget(connection, before, _FORGOTTEN_AT_ONCE):
                forgotten += gone
        return forgotten

    async def idle(self) -> None:
        """Returns when all that this process has begun to understand is understood."""
        while self._readers:
            await asyncio.gather(*self._readers)

    async def stop(self) -> None:
        """What is not understood yet is the worker's."""
        self._fresh.clear()
        await self.idle()


@dataclass(eq=False)
class _NoAnswer(KhataError):
    code: ClassVar[str] = "no_answer"


def _actor(stored: Stored) -> str:
    return f"rail:{stored.rail}"
