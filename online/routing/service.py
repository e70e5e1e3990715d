"""The configured routes, their breakers, and the choice between them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from typing import Final

from online.kernel.clock import Clock, SystemClock, business_date
from online.platform import metrics
from online.platform.settings import PaymentRoute
from online.rails.domain import Operation, Outcome, OutcomeKind
from online.routing.breakers import Book, LocalBreakers, Reading
from online.routing.domain import (
    NO_POLICY,
    Policy,
    Route,
    RouteDecision,
    RouteHealth,
    RouteRequest,
    State,
    choose,
)

# What a payment's own route is asked; a payout goes to a rail without one.
OPERATIONS: Final = tuple(each.value for each in Operation if each is not Operation.PAYOUT)
_SHOWN_EVERY_S: Final = 1.0
_FAILURES: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.UNKNOWN, OutcomeKind.DEEMED})


class Routing:
    """Chooses, and learns from how each call went."""

    def __init__(
        self,
        routes: Sequence[Route],
        book: Book | None = None,
        policy: Policy = NO_POLICY,
        clock: Clock | None = None,
    ) -> None:
        self._routes = list(routes)
        self._book = book or LocalBreakers()
        self._book.expect(product(self.names, OPERATIONS))
        self._policy = policy
        self._clock = clock or SystemClock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._book.start()
        self._task = asyncio.create_task(self._show(), name="breaker-states")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._book.stop()

    async def choose(self, request: RouteRequest) -> RouteDecision:
        """The route to take; `RouteUnavailable` when there is none.

        Of a half-open route this takes a probe: `give_back` it if nothing is sent.
        """
        health = dict(self._book.health(request.operation))
        day = business_date(self._clock.now())
        while True:
            decision = choose(request, self._routes, health, self._policy, day)
            state = health.get(decision.route, _UNKNOWN).state
            if state == "closed" or await self.permits(decision.route, request.operation):
                return decision
            # Somebody else took the last probe meanwhile.
            health[decision.route] = RouteHealth(state=state, probe=False)

    def rests(self, route: str, operation: str) -> bool:
        """Whether `permits` would refuse at this moment; takes nothing."""
        health = self._book.health(operation).get(route, _UNKNOWN)
        return health.state == "open" or (health.state == "half_open" and not health.probe)

    async def permits(self, route: str, operation: str) -> bool:
        """Whether this operation may be called now where there is no other route to take."""
        return await self._book.claim((route, operation))

    def give_back(self, route: str, operation: str = "authorize") -> None:
        """What was chosen or permitted is not sent: somebody else may probe instead."""
        self._book.give_back((route, operation))

    def record(self, route: str, operation: str, outcome: Outcome, latency_ms: int) -> None:
        """How a call went; `route` is the rail's name where no route leads there (payouts).

        A decline is an answer; no answer, or a technical failure, is not.
        """
        failed = outcome.kind in _FAILURES
        self._book.record((route, operation), failed=failed, latency_ms=latency_ms)
        metrics.route_called(route, operation, outcome.kind.value)

    @property
    def routes(self) -> Sequence[Route]:
        return self._routes

    @property
    def names(self) -> list[str]:
        return [route.name for route in self._routes]

    @property
    def version(self) -> str:
        """Of the rules, splits and routes that decisions are made by."""
        return self._policy.version

    @property
    def shared(self) -> bool:
        """Whether breakers are those of all workers at this moment."""
        return self._book.shared

    def readings(self) -> Sequence[Reading]:
        """The breaker of every route and operation, and of what else was called (payouts)."""
        return self._book.readings()

    def rail_of(self, route: str) -> str:
        """The rail behind a route. Today each route is a rail of the same name."""
        return route

    async def _show(self) -> None:
        """A breaker becomes half-open by time alone, so the gauge is looked after by time too."""
        shown: dict[tuple[str, str], State] = {}
        while True:
            for each in self.readings():
                key = (each.route, each.operation)
                if shown.get(key) != each.state:
                    shown[key] = each.state
                    metrics.breaker_is(*key, each.state)
            await asyncio.sleep(_SHOWN_EVERY_S)


_UNKNOWN: Final = RouteHealth()


def routes_of(configured: Sequence[PaymentRoute]) -> list[Route]:
    """As configured, best priority first, whatever their order in the file."""
    routes = [
        Route(
            name=route.name,
            provider=route.provider,
            methods=frozenset(route.methods),
            max_amount_minor=route.max_amount_minor,
            priority=route.priority,
            fee_bps=route.fee_bp,
            currency=route.currency,
        )
        for route in configured
    ]
    return sorted(routes, key=lambda route: (route.priority, route.name))
