"""The choice of a route as a pure function: the same inputs always choose the same route.

Scores are integers, lower is better. Each measure is brought to the same scale first (basis
points of the amount, of failures, and of a slow call), so that weights mean what they say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from msgspec import Struct

from online.kernel.errors import Refused, RouteUnavailable

Strategy = Literal["cost", "speed", "reliability", "balanced"]

# A call this slow scores as badly as a route whose every call fails.
SLOW_CALL_MS: Final = 5_000

# Parts of ten: what each strategy makes of fee, failures and latency.
WEIGHTS: Final[Mapping[Strategy, tuple[int, int, int]]] = {
    "cost": (10, 0, 0),
    "speed": (0, 0, 10),
    "reliability": (0, 10, 0),
    "balanced": (4, 4, 2),
}


@dataclass(eq=False)
class RouteImpossible(Refused):
    """No route would ever take this payment: the same code, but trying again will not help."""

    code: ClassVar[str] = "route_unavailable"


class Route(Struct, frozen=True, kw_only=True):
    """A way to a rail, as configured."""

    name: str
    provider: str
    methods: frozenset[str]
    max_amount_minor: int
    priority: int
    fee_bps: int
    currency: str = "INR"


class RouteHealth(Struct, frozen=True, kw_only=True):
    """What the last minutes say about a route; a route nobody has used yet counts as good."""

    available: bool = True
    failure_bps: int = 0
    latency_ms: int = 0
    calls: int = 0


class RouteRequest(Struct, frozen=True, kw_only=True):
    method: str
    amount_minor: int
    currency: str
    strategy: Strategy = "balanced"
    exclude: frozenset[str] = frozenset()  # routes that this payment has already tried


class Candidate(Struct, frozen=True, kw_only=True):
    name: str
    eligible: bool
    reason: str
    fee_bps: int
    score: int


class RouteDecision(Struct, frozen=True, kw_only=True):
    """Stored with the payment as it is, so that somebody can ask later why this route."""

    route: str
    candidates: list[Candidate]
    strategy: Strategy
    reason: str


def choose(
    request: RouteRequest, routes: Sequence[Route], health: Mapping[str, RouteHealth]
) -> RouteDecision:
    """The best eligible route. None now raises `RouteUnavailable`, none ever `RouteImpossible`.

    Equal scores go by the configured priority, then by name: never by chance or dict order.
    """
    candidates = [_judge(request, route, health.get(route.name, RouteHealth())) for route in routes]
    rank = {route.name: (route.priority, route.name) for route in routes}
    eligible = [candidate for candidate in candidates if candidate.eligible]
    if not eligible:
        raise _none(request, candidates)
    best = min(eligible, key=lambda candidate: (candidate.score, rank[candidate.name]))
    reason = "only_eligible" if len(eligible) == 1 else f"best_{request.strategy}"
    return RouteDecision(
        route=best.name, candidates=candidates, strategy=request.strategy, reason=reason
    )


def _judge(request: RouteRequest, route: Route, health: RouteHealth) -> Candidate:
    obstacle = _obstacle(request, route, health)
    return Candidate(
        name=route.name,
        eligible=obstacle is None,
        reason=obstacle or "ok",
        fee_bps=route.fee_bps,
        score=_score(request.strategy, route, health),
    )


def _obstacle(request: RouteRequest, route: Route, health: RouteHealth) -> str | None:
    if request.method not in route.methods:
        return "method_not_supported"
    if request.currency != route.currency:
        return "currency_not_supported"
    if request.amount_minor > route.max_amount_minor:
        return "amount_above_maximum"
    if route.name in request.exclude:
        return "already_tried"
    if not health.available:
        return "circuit_open"
    return None


def _score(strategy: Strategy, route: Route, health: RouteHealth) -> int:
    fee_weight, failure_weight, latency_weight = WEIGHTS[strategy]
    # In steps, so that noise does not outweigh the configured priority of two equal routes.
    failure_bps = health.failure_bps // 100 * 100
    latency_ms = min(health.latency_ms // 100 * 100, SLOW_CALL_MS)
    slowness_bps = latency_ms * 10_000 // SLOW_CALL_MS
    # 1 % of fee weighs as much as 10 % of failures: a lost sale costs about ten times the fee.
    return (
        fee_weight * route.fee_bps * 10
        + failure_weight * failure_bps
        + latency_weight * slowness_bps
    )


def _none(
    request: RouteRequest, candidates: Sequence[Candidate]
) -> RouteUnavailable | RouteImpossible:
    reasons = {c.reason for c in candidates if c.reason != "method_not_supported"}
    if not reasons:
        return RouteImpossible(f"no route takes {request.method}", "payment_method")
    if reasons == {"amount_above_maximum"}:
        return RouteImpossible("the amount is above what any route takes", "amount")
    if reasons <= {"currency_not_supported", "amount_above_maximum"}:
        return RouteImpossible(f"no route takes {request.currency}", "currency")
    why = ", ".join(sorted(reasons))
    return RouteUnavailable(f"no route can take this payment now ({why})")
