"""The configured routes, their health, and the choice between them."""

from collections.abc import Sequence

from online.platform.settings import PaymentRoute
from online.rails.domain import Outcome, OutcomeKind
from online.routing.domain import Route, RouteDecision, RouteHealth, RouteRequest, choose
from online.routing.health import BreakerState, HealthBook


class Routing:
    """Chooses, and learns from how each call went."""

    def __init__(self, routes: Sequence[Route], health: HealthBook | None = None) -> None:
        self._routes = list(routes)
        self._book = health or HealthBook([route.name for route in routes])

    def choose(self, request: RouteRequest) -> RouteDecision:
        """The route to take; `RouteUnavailable` when there is none."""
        return choose(request, self._routes, self._book.health())

    def rail_of(self, route: str) -> str:
        """The rail behind a route. Today each route is a rail of the same name."""
        return route

    def record(self, route: str, outcome: Outcome, latency_ms: int) -> None:
        """A decline is an answer; no answer, or a technical failure, is not."""
        failed = outcome.kind in (OutcomeKind.FAILED, OutcomeKind.UNKNOWN)
        self._book[route].record(failed=failed, latency_ms=latency_ms)

    def health(self) -> dict[str, RouteHealth]:
        return self._book.health()

    def breakers(self) -> dict[str, BreakerState]:
        return {route.name: self._book[route.name].state for route in self._routes}


def routes_of(configured: Sequence[PaymentRoute]) -> list[Route]:
    return [
        Route(
            name=route.name,
            provider=route.provider,
            methods=frozenset(route.methods),
            max_amount_minor=route.max_amount_minor,
            priority=route.priority,
            fee_bps=route.fee_bp,
        )
        for route in configured
    ]
