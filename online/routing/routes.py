"""`/api/v1/routes`: the ways to the rails, and how each is doing, for people of the house."""

from datetime import datetime, timedelta

from litestar import Router, get
from litestar.di import NamedDependency
from msgspec import Struct

from online.kernel.clock import Clock
from online.routing.breakers import Reading
from online.routing.domain import Route, State
from online.routing.service import Routing
from online.security.domain import allow


class BreakerView(Struct, frozen=True, kw_only=True):
    """`calls` to `latency_ms` are of the window; `latency_ms` is the mean, null without calls.

    `open_since` stays while it is half-open; `next_probe_at` is when an open one lets calls try.
    """

    operation: str
    state: State
    calls: int
    failures: int
    slow: int
    latency_ms: int | None
    open_since: datetime | None
    next_probe_at: datetime | None

    @classmethod
    def of(cls, reading: Reading, now: datetime) -> "BreakerView":
        window, ago, wait = reading.window, reading.opened_ago, reading.probe_in
        return cls(
            operation=reading.operation,
            state=reading.state,
            calls=window.calls,
            failures=window.failures,
            slow=window.slow,
            latency_ms=window.latency_ms // window.calls if window.calls else None,
            open_since=None if ago is None else now - timedelta(seconds=ago),
            next_probe_at=None if wait is None else now + timedelta(seconds=wait),
        )


class RouteView(Struct, frozen=True, kw_only=True):
    """A route as configured; `max_amount` in minor units, `fee_bps` in basis points."""

    name: str
    provider: str
    rail: str
    methods: list[str]
    currency: str
    priority: int
    max_amount: int
    fee_bps: int
    breakers: list[BreakerView]

    @classmethod
    def of(cls, route: Route, rail: str, breakers: list[BreakerView]) -> "RouteView":
        return cls(
            name=route.name,
            provider=route.provider,
            rail=rail,
            methods=sorted(route.methods),
            currency=route.currency,
            priority=route.priority,
            max_amount=route.max_amount_minor,
            fee_bps=route.fee_bps,
            breakers=breakers,
        )


class RailView(Struct, frozen=True, kw_only=True):
    """A rail that no route leads to: payouts."""

    rail: str
    breakers: list[BreakerView]


class RouteList(Struct, frozen=True, kw_only=True):
    """`shared`: all workers have these breakers; otherwise they are those of the one that answers.

    `config_version` is what decisions made now are stored with.
    """

    data: list[RouteView]
    payouts: list[RailView]
    shared: bool
    config_version: str


@get(
    "/routes",
    summary="Routes and how each is doing",
    description="Every configured route by priority, with the circuit breaker of each operation: "
    "`closed` (calls go out), `open` (it failed or was slow too often and rests) or `half_open` "
    "(a few calls try whether it is well again).",
    tags=["operations"],
    opt=allow("routes:read", "admin"),
)
async def list_routes(
    routing: NamedDependency[Routing], clock: NamedDependency[Clock]
) -> RouteList:
    now = clock.now()
    by_name: dict[str, list[BreakerView]] = {}
    for reading in routing.readings():
        by_name.setdefault(reading.route, []).append(BreakerView.of(reading, now))
    data = [
        RouteView.of(route, routing.rail_of(route.name), by_name.pop(route.name, []))
        for route in routing.routes
    ]
    return RouteList(
        data=data,
        payouts=[RailView(rail=rail, breakers=breakers) for rail, breakers in by_name.items()],
        shared=routing.shared,
        config_version=routing.version,
    )


router = Router("/api/v1", route_handlers=[list_routes])
