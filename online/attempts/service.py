"""Sending an attempt to its rail and asking what became of it.

No database transaction is open here: the attempt was committed before, its outcome is committed
after, by the slice that ordered it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import Final, Protocol
from uuid import UUID

import structlog
from msgspec import Struct, structs

from online.attempts import store
from online.attempts.domain import (
    Attempt,
    Status,
    contradicts,
    is_news,
    outcome_event,
    settle,
)
from online.attempts.schedule import CLAIM, Schedules
from online.attempts.store import ATTEMPTS, Filter, Standing
from online.kernel import events as ev
from online.kernel.clock import Clock
from online.kernel.errors import RouteUnavailable
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.platform.lists import Window, cut
from online.platform.sql import Connection
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    ExtendRequest,
    MandateRequest,
    MandateRevokeRequest,
    Outcome,
    OutcomeKind,
    PayoutRequest,
    Rail,
    RailRequest,
    RefundRequest,
    ReleaseRequest,
    ReverseRequest,
    VoidRequest,
)

_log = structlog.get_logger(__name__)
_CIRCUIT_OPEN: Final = Outcome(
    kind=OutcomeKind.FAILED,
    code="circuit_open",
    message="not sent: the rail has been failing and rests for a moment",
    retryable=True,
)
_ROUTED: Final = frozenset({"authorize", "mandate"})  # their route was chosen by its breaker
_NOBODY: Final[Mapping[str, Collection[UUID]]] = {}


class RailBook(Protocol):
    """Where rails are found by name."""

    def __getitem__(self, name: str) -> Rail: ...

    @property
    def names(self) -> Sequence[str]: ...


class Watch(Protocol):
    """Told how each call went (routing measures its routes by it).

    `route` is the rail's name where no route leads there, which is so of payouts.
    """

    def rests(self, route: str, operation: str) -> bool: ...

    async def permits(self, route: str, operation: str) -> bool: ...

    def record(self, route: str, operation: str, outcome: Outcome, latency_ms: int) -> None: ...


class Answered(Struct, frozen=True):
    """An outcome with the attempt's own part of the change that records it."""

    outcome: Outcome
    moved: Moved[Attempt]


class Claimed(Struct, frozen=True):
    """An attempt that is ours to ask about until `until`."""

    attempt: Attempt
    until: datetime


class Attempts:
    """Creates attempts, sends them, enquires about them."""

    def __init__(self, rails: RailBook, schedules: Schedules, clock: Clock, watch: Watch) -> None:
        self._rails = rails
        self._schedules = schedules
        self._clock = clock
        self._watch = watch

    def prepare(self, origin: Origin, sent: ev.AttemptSent, metadata: Metadata) -> Moved[Attempt]:
        """The attempt as it is committed before the rail is called."""
        now = self._clock.now()
        sent = structs.replace(sent, next_enquiry_at=self._schedules.of(sent.rail).first(now))
        return ATTEMPTS.create(origin, [sent], now, metadata)

    def refuse_resting(self, attempt: Attempt) -> None:
        """Before the first commit of what a client asks: `RouteUnavailable` where the only rail
        that it can go to rests, so that nothing is begun and the client may ask again."""
        if self._watch.rests(attempt.route or attempt.rail, attempt.operation):
            raise RouteUnavailable(f"the rail takes no {attempt.operation} at the moment")

    async def send(self, attempt: Attempt, request: RailRequest, metadata: Metadata) -> Answered:
        """Calls the rail once. Never raises for trouble at the rail: that is an outcome.

        A route is chosen by its breaker for an authorization. What follows has one rail to go to:
        where its breaker is open, nothing is sent.
        """
        where, operation = attempt.route or attempt.rail, attempt.operation
        if operation not in _ROUTED and not await self._watch.permits(where, operation):
            return self._answered(attempt, _CIRCUIT_OPEN, metadata, enquired=False, latency_ms=None)
        started = perf_counter()
        outcome = await _call(self._rails[attempt.rail], request)
        latency_ms = round((perf_counter() - started) * 1000)
        self._watch.record(where, operation, outcome, latency_ms)
        return self._answered(attempt, outcome, metadata, enquired=False, latency_ms=latency_ms)

    async def learn(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None
    ) -> Answered | None:
        """What became of an attempt: by the rail's word where it gave it, else by asking.

        None: the attempt is over and this moves it no more.
        """
        outcome = told or await self._rails[attempt.rail].enquire(attempt.reference)
        if contradicts(attempt, outcome):
            _log.warning(
                "rail_contradicts_itself",
                attempt=attempt.reference,
                rail=attempt.rail,
                operation=attempt.operation,
                says=outcome.kind,
                code=outcome.code,
            )
        if not is_news(attempt, outcome):
            return None
        return self._answered(attempt, outcome, metadata, enquired=told is None, latency_ms=None)

    def done_here(self, prepared: Moved[Attempt], outcome: Outcome, metadata: Metadata) -> Answered:
        """Of an operation that needs no rail: it begins and ends in one commit."""
        return self.again(prepared.state, Answered(outcome, prepared), metadata)

    def again(self, attempt: Attempt, answered: Answered, metadata: Metadata) -> Answered:
        """The same answer for an attempt that has moved meanwhile, where it is still news."""
        return self._answered(attempt, answered.outcome, metadata, enquired=False, latency_ms=None)

    async def get(self, connection: Connection, attempt_id: UUID) -> Attempt | None:
        return await store.get(connection, attempt_id)

    async def of_payment(self, connection: Connection, payment_id: UUID) -> list[Attempt]:
        """Every attempt for a payment, oldest first; refunds' too."""
        return await store.of_payment(connection, payment_id)

    async def of_order(self, connection: Connection, order_id: str) -> list[Attempt]:
        """Every attempt that something else has ordered (by its TypeID), oldest first."""
        return await store.of_order(connection, order_id)

    async def modes(self, connection: Connection, attempts: Collection[UUID]) -> dict[UUID, bool]:
        """`livemode` of those attempts that there are."""
        return await store.modes(connection, attempts)

    async def open_of(self, connection: Connection, resources: Collection[UUID]) -> set[UUID]:
        """Those payments and refunds of `resources` whose rail has not given its last word."""
        return await store.open_of(connection, resources)

    async def under_way(
        self, connection: Connection, payments: Collection[UUID], operation: str
    ) -> set[UUID]:
        """Those payments for which a rail has not given its last word on that operation."""
        return await store.under_way(connection, payments, operation)

    async def open_before(self, connection: Connection, instant: datetime) -> int:
        """How many attempts that were sent before `instant` have no outcome."""
        return await store.open_before(connection, instant)

    async def claim(
        self, connection: Connection, attempt_id: UUID, claim_until: datetime
    ) -> Attempt | None:
        """An open attempt to enquire about now; None when it is closed or in other hands.

        One that is `sent` has its call still on the line, until it is due.
        """
        return await store.claim(connection, attempt_id, self._clock.now(), claim_until)

    async def due(
        self,
        connection: Connection,
        most: int,
        waiting: Mapping[str, Collection[UUID]] = _NOBODY,
    ) -> list[Claimed]:
        """Claims open attempts whose next enquiry is due; nobody else gets them for a while.

        At most `most` of each rail, together with those that are `waiting` to be asked already.
        """
        now = self._clock.now()
        places = {rail: most - len(waiting.get(rail, ())) for rail in self._rails.names}
        asked = [id_ for ids_ in waiting.values() for id_ in ids_]
        ends = now + CLAIM
        found = await store.due(connection, now, ends, places=places, waiting=asked)
        return [Claimed(attempt, ends) for attempt in found]

    async def take(
        self, connection: Connection, attempt_id: UUID, claim: datetime
    ) -> Attempt | None:
        """The attempt to be asked about under a claim of `due`, claimed anew from now.

        None when the claim is no longer the last one: whoever has it now asks.
        """
        return await store.take(connection, attempt_id, claim, self._clock.now() + CLAIM)

    async def page(
        self, connection: Connection, wanted: Filter, asked: Window
    ) -> tuple[list[Attempt], bool]:
        """Open attempts, newest first, and whether there are more."""
        found = await store.page(connection, wanted, asked, self._limits())
        return cut(found, asked)

    async def standing(self, connection: Connection) -> list[Standing]:
        """How many attempts are open, by mode, rail and status, and since when."""
        return await store.standing(connection, self._limits())

    def is_overdue(self, attempt: Attempt) -> bool:
        """The rail's own enquiries are used up and it has not given its last word."""
        pending = attempt.status is Status.PENDING
        schedule = self._schedules.of(attempt.rail)
        return attempt.is_open and schedule.is_overdue(attempt.enquiries, pending=pending)

    def can_ask(self, rail: str) -> bool:
        """Whether there is such a rail still; attempts may outlive its configuration."""
        return rail in self._rails.names

    def _limits(self) -> store.EnquiryLimits:
        return {
            rail: (schedule.unknown.max_enquiries, schedule.pending.max_enquiries)
            for rail in self._rails.names
            for schedule in (self._schedules.of(rail),)
        }

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
        schedule = self._schedules.of(attempt.rail)
        final = settle(attempt, outcome, schedule, now)
        event = outcome_event(
            attempt, final, schedule, now, enquired=enquired, latency_ms=latency_ms
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
        case ReleaseRequest():
            return await rail.release(request)
        case ExtendRequest():
            return await rail.extend(request)
        case ReverseRequest():
            return await rail.reverse(request)
        case RefundRequest():
            return await rail.refund(request)
        case PayoutRequest():
            return await rail.payout(request)
        case MandateRequest() | MandateRevokeRequest():
            return await _call_of_mandate(rail, request)


async def _call_of_mandate(rail: Rail, request: MandateRequest | MandateRevokeRequest) -> Outcome:
    if isinstance(request, MandateRequest):
        return await rail.create_mandate(request)
    return await rail.revoke_mandate(request)
