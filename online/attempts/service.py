"""Sending an attempt to its rail and asking what became of it.

No database transaction is open here: the attempt was committed before, its outcome is committed
after, by the slice that ordered it.
"""

from collections.abc import Collection
from datetime import datetime
from time import perf_counter
from typing import Protocol
from uuid import UUID

from msgspec import Struct, structs

from online.attempts import store
from online.attempts.domain import Attempt, Schedule, outcome_event, settle
from online.attempts.store import ATTEMPTS
from online.kernel import events as ev
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.platform.sql import Connection
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    Outcome,
    PayoutRequest,
    Rail,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    VoidRequest,
)


class RailBook(Protocol):
    """Where rails are found by name."""

    def __getitem__(self, name: str) -> Rail: ...


class Watch(Protocol):
    """Told how each call went (routing measures its routes by it)."""

    def record(self, route: str, outcome: Outcome, latency_ms: int) -> None: ...


class Answered(Struct, frozen=True):
    """An outcome with the attempt's own part of the change that records it."""

    outcome: Outcome
    moved: Moved[Attempt]


class Attempts:
    """Creates attempts, sends them, enquires about them."""

    def __init__(self, rails: RailBook, schedule: Schedule, clock: Clock, watch: Watch) -> None:
        self._rails = rails
        self._schedule = schedule
        self._clock = clock
        self._watch = watch

    def prepare(self, origin: Origin, sent: ev.AttemptSent, metadata: Metadata) -> Moved[Attempt]:
        """The attempt as it is committed before the rail is called."""
        now = self._clock.now()
        sent = structs.replace(sent, next_enquiry_at=self._schedule.first(now))
        return ATTEMPTS.create(origin, [sent], now, metadata)

    async def send(self, attempt: Attempt, request: RailRequest, metadata: Metadata) -> Answered:
        """Calls the rail once. Never raises for trouble at the rail: that is an outcome."""
        started = perf_counter()
        outcome = await _call(self._rails[attempt.rail], request)
        latency_ms = round((perf_counter() - started) * 1000)
        if attempt.route:
            self._watch.record(attempt.route, outcome, latency_ms)
        return self._answered(attempt, outcome, metadata, enquired=False, latency_ms=latency_ms)

    async def enquire(self, attempt: Attempt, metadata: Metadata) -> Answered:
        """Asks the rail what became of an attempt; sends nothing again."""
        outcome = await self._rails[attempt.rail].enquire(attempt.reference)
        return self._answered(attempt, outcome, metadata, enquired=True, latency_ms=None)

    def again(self, attempt: Attempt, answered: Answered, metadata: Metadata) -> Answered:
        """The same answer for an attempt that has moved meanwhile and is still open."""
        return self._answered(attempt, answered.outcome, metadata, enquired=False, latency_ms=None)

    async def get(self, connection: Connection, attempt_id: UUID) -> Attempt | None:
        return await store.get(connection, attempt_id)

    async def of_payment(self, connection: Connection, payment_id: UUID) -> list[Attempt]:
        """Every attempt for a payment, oldest first; refunds' too."""
        return await store.of_payment(connection, payment_id)

    async def modes(self, connection: Connection, attempts: Collection[UUID]) -> dict[UUID, bool]:
        """`livemode` of those attempts that there are."""
        return await store.modes(connection, attempts)

    async def open_of(self, connection: Connection, resources: Collection[UUID]) -> set[UUID]:
        """Those payments and refunds of `resources` whose rail has not given its last word."""
        return await store.open_of(connection, resources)

    async def open_before(self, connection: Connection, instant: datetime) -> int:
        """How many attempts that were sent before `instant` have no outcome."""
        return await store.open_before(connection, instant)

    async def claim(
        self, connection: Connection, attempt_id: UUID, claim_until: datetime
    ) -> Attempt | None:
        """An open attempt to enquire about now; None when it is closed or in other hands."""
        return await store.claim(connection, attempt_id, self._clock.now(), claim_until)

    async def due(self, connection: Connection, most: int) -> list[Attempt]:
        """Claims open attempts whose next enquiry is due; nobody else gets them for a while."""
        now = self._clock.now()
        return await store.due(connection, now, now + self._schedule.answer_within, most)

    def _answered(
        self,
        attempt: Attempt,
        outcome: Outcome,
        metadata: Metadata,
        *,
        enquired: bool,
        latency_ms: int | None,
    ) -> Answered:
        now = self._clock.now()
        final = settle(attempt, outcome, self._schedule, now)
        event = outcome_event(
            attempt, final, self._schedule, now, enquired=enquired, latency_ms=latency_ms
        )
        return Answered(final, ATTEMPTS.move(attempt, [event], now, metadata))


async def _call(rail: Rail, request: RailRequest) -> Outcome:
    match request:
        case AuthorizeRequest():
            return await rail.authorize(request)
        case CaptureRequest():
            return await rail.capture(request)
        case VoidRequest():
            return await rail.void(request)
        case ReverseRequest():
            return await rail.reverse(request)
        case RefundRequest():
            return await rail.refund(request)
        case PayoutRequest():
            return await rail.payout(request)
