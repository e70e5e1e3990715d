"""The choice of a route as a pure function: the same inputs always choose the same route.

Rules come first, then a volume split, then the payment's strategy. Scores are integers, lower is
better. Each measure is brought to the same scale first (basis points of the amount, of failures,
and of a slow call), so that weights mean what they say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, Literal
from uuid import UUID

from msgspec import Struct, structs

from online.kernel.errors import Refused, RouteUnavailable
from online.routing.draws import WHOLE_BPS, chances_of, draw, drawn

Strategy = Literal["cost", "speed", "reliability", "balanced"]
State = Literal["closed", "half_open", "open"]

# A call that takes this long scores as badly as a route whose every call fails.
SLOWEST_MS: Final = 5_000

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


class Figures(Struct, frozen=True):
    """What a window holds; `latency_ms` is that of all its calls together."""

    calls: int = 0
    failures: int = 0
    slow: int = 0
    latency_ms: int = 0


class RouteHealth(Struct, frozen=True, kw_only=True):
    """A route as one operation finds it: its breaker, and its calls of the last minutes.

    `probe`: a half-open breaker has room for one more call.
    """

    state: State = "closed"
    probe: bool = True
    memory: Figures = Figures()


class Prior(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is believed of a route before it is known, as so many calls that count with its own.

    A single failure then moves hardly anything. What is believed is this or, where that is better,
    the best that is known of the others (`among`): a route that nobody uses, or that has just come
    back, is no better than they are, nor so bad that nobody would ever use it again.
    """

    calls: int = 2_000
    failure_bps: int = 200
    latency_calls: int = 10
    latency_ms: int = 500

    def among(self, memories: Iterable[Figures]) -> "Prior":
        known = [each for each in memories if each.calls]
        if not known:
            return self
        return structs.replace(
            self,
            failure_bps=min(self.failure_bps, *map(self.failure, known)),
            latency_ms=min(self.latency_ms, *map(self.latency, known)),
        )

    def failure(self, memory: Figures) -> int:
        """The failure rate in basis points."""
        failures = memory.failures * WHOLE_BPS + self.calls * self.failure_bps
        return failures // (memory.calls + self.calls)

    def latency(self, memory: Figures) -> int:
        """The mean in milliseconds, not a percentile: it costs nothing to keep, weighs a slow
        tail by how slow it is, and is not made by the one worst of a few calls."""
        total = memory.latency_ms + self.latency_calls * self.latency_ms
        return total // (memory.calls + self.latency_calls)


class RouteRequest(Struct, frozen=True, kw_only=True):
    """What is asked; amounts in minor units. What is None is not known and meets no condition."""

    payment_id: UUID  # decides a volume split
    method: str
    amount_minor: int
    currency: str
    operation: Literal["authorize", "mandate"] = "authorize"
    strategy: Strategy = "balanced"
    merchant_id: UUID | None = None
    mcc: str | None = None
    network: str | None = None
    funding: str | None = None
    exclude: frozenset[str] = frozenset()  # routes that this payment has already tried
    spent: frozenset[str] = frozenset()  # routes that get enough of what failed elsewhere
    only: str | None = None  # the one route that can carry it: a mandate lives at one rail


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which payments; what is left open holds for each. Both amounts belong to the range."""

    methods: frozenset[str] | None = None
    currencies: frozenset[str] | None = None
    networks: frozenset[str] | None = None
    fundings: frozenset[str] | None = None
    mccs: frozenset[str] | None = None
    merchants: frozenset[UUID] | None = None
    min_amount_minor: int | None = None
    max_amount_minor: int | None = None

    def holds(self, asked: RouteRequest) -> bool:
        named = (
            (self.methods, asked.method),
            (self.currencies, asked.currency),
            (self.networks, asked.network),
            (self.fundings, asked.funding),
            (self.mccs, asked.mcc),
            (self.merchants, asked.merchant_id),
        )
        if not all(wanted is None or given in wanted for wanted, given in named):
            return False
        if self.min_amount_minor is not None and asked.amount_minor < self.min_amount_minor:
            return False
        return self.max_amount_minor is None or asked.amount_minor <= self.max_amount_minor


class _Dated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In force on business days, first and last included."""

    name: str
    valid_from: date
    valid_to: date | None = None
    when: When = When()

    def fits(self, asked: RouteRequest, day: date) -> bool:
        in_force = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        return in_force and self.when.holds(asked)


class Rule(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`only`: no other route may take the payment. `prefer`: the first of these that can, does;
    where none can, it goes on as without the rule."""

    only: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()


class Split(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Per cent of payments by route; the share of a route that cannot is the others'."""

    shares: dict[str, int]


class Policy(Struct, frozen=True, kw_only=True):
    """`config/routing.yaml`. The first rule and the first split that fit are taken.

    `version` names the file's own version and the content of all that a choice depends on.
    """

    version: str = "0"
    explore_percent: int = 0
    prior: Prior = Prior()
    rules: tuple[Rule, ...] = ()
    splits: tuple[Split, ...] = ()


NO_POLICY: Final = Policy()  # the payment's strategy alone


class Candidate(Struct, frozen=True, kw_only=True):
    """`failure_bps` and `latency_ms` as they were scored; `propensity_bps`: how probable it was,
    over payments like this one, that this route be chosen."""

    name: str
    eligible: bool
    reason: str
    fee_bps: int
    score: int
    failure_bps: int = 0
    latency_ms: int = 0
    state: State = "closed"
    propensity_bps: int = 0


class RouteDecision(Struct, frozen=True, kw_only=True):
    """Stored with the payment as it is, so that somebody can ask later why this route."""

    route: str
    candidates: list[Candidate]
    strategy: Strategy
    reason: str
    rule: str | None = None
    split: str | None = None
    config_version: str = "0"


class _Pick(Struct, frozen=True):
    name: str
    reason: str
    chances: Mapping[str, int]  # basis points by route; those left out have none


def choose(
    request: RouteRequest,
    routes: Sequence[Route],
    health: Mapping[str, RouteHealth],
    policy: Policy = NO_POLICY,
    day: date = date.min,
) -> RouteDecision:
    """The best eligible route. None now raises `RouteUnavailable`, none ever `RouteImpossible`.

    Equal scores go by the configured priority, then by name: never by chance or dict order.
    """
    rule = next((each for each in policy.rules if each.fits(request, day)), None)
    split = next((each for each in policy.splits if each.fits(request, day)), None)
    prior = policy.prior.among(
        health[route.name].memory
        for route in routes
        if route.name in health and request.method in route.methods
    )
    judged = [
        _judge(request, route, health.get(route.name, _UNKNOWN), prior, rule) for route in routes
    ]
    able = [candidate for candidate in judged if candidate.eligible]
    if not able:
        raise _none(request, judged)
    rank = {route.name: (route.priority, route.name) for route in routes}
    able.sort(key=lambda candidate: (candidate.score, rank[candidate.name]))
    picked = _pick(request, able, policy, rule, split)
    return RouteDecision(
        route=picked.name,
        candidates=[
            structs.replace(each, propensity_bps=picked.chances[each.name])
            if each.name in picked.chances
            else each
            for each in judged
        ],
        strategy=request.strategy,
        reason=picked.reason,
        rule=rule.name if rule else None,
        split=split.name if split and picked.reason == "split" else None,
        config_version=policy.version,
    )


_UNKNOWN: Final = RouteHealth()


def _judge(
    request: RouteRequest, route: Route, health: RouteHealth, prior: Prior, rule: Rule | None
) -> Candidate:
    obstacle = _obstacle(request, route, health, rule)
    failure_bps, latency_ms = prior.failure(health.memory), prior.latency(health.memory)
    return Candidate(
        name=route.name,
        eligible=obstacle is None,
        reason=obstacle or "ok",
        fee_bps=route.fee_bps,
        score=_score(request.strategy, route.fee_bps, failure_bps, latency_ms),
        failure_bps=failure_bps,
        latency_ms=latency_ms,
        state=health.state,
    )


def _obstacle(
    request: RouteRequest, route: Route, health: RouteHealth, rule: Rule | None
) -> str | None:
    if request.method not in route.methods:
        return "method_not_supported"
    if request.currency != route.currency:
        return "currency_not_supported"
    if request.amount_minor > route.max_amount_minor:
        return "amount_above_maximum"
    if rule and rule.only and route.name not in rule.only:
        return "excluded_by_rule"
    if request.only is not None and route.name != request.only:
        return "bound_elsewhere"
    if route.name in request.exclude:
        return "already_tried"
    if route.name in request.spent:
        return "retry_budget_spent"
    if health.state == "open":
        return "circuit_open"
    if health.state == "half_open" and not health.probe:
        return "probes_in_use"
    return None


def _score(strategy: Strategy, fee_bps: int, failure_bps: int, latency_ms: int) -> int:
    fee_weight, failure_weight, latency_weight = WEIGHTS[strategy]
    # In steps, so that noise does not outweigh the configured priority of two equal routes.
    failure_bps = failure_bps // 100 * 100
    slowness_bps = min(latency_ms // 100 * 100, SLOWEST_MS) * WHOLE_BPS // SLOWEST_MS
    # 1 % of fee weighs as much as 10 % of failures: a lost sale costs about ten times the fee.
    return fee_weight * fee_bps * 10 + failure_weight * failure_bps + latency_weight * slowness_bps


def _pick(
    request: RouteRequest,
    able: Sequence[Candidate],
    policy: Policy,
    rule: Rule | None,
    split: Split | None,
) -> _Pick:
    """`able`: best first. A route that was down shows what it does by a few probes, so it goes
    before better ones; what a rule or a split says, it obeys like any other."""
    names = [candidate.name for candidate in able]
    preferred = next((n for n in rule.prefer if n in names), None) if rule else None
    if preferred is not None:
        return _certain(preferred, "rule")
    if split:
        shares = {n: part for n, part in split.shares.items() if n in names and part}
        if shares:
            return _Pick(_drawn_by(request, split, shares), "split", chances_of(shares))
    if len(names) == 1:
        return _certain(names[0], "only_eligible")
    probe = next((each.name for each in able if each.state == "half_open"), None)
    if probe is not None:
        return _certain(probe, "probe")
    if policy.explore_percent:
        return _explored(request, names, policy.explore_percent)
    return _certain(names[0], f"best_{request.strategy}")


def _certain(name: str, reason: str) -> _Pick:
    return _Pick(name, reason, {name: WHOLE_BPS})


def _explored(request: RouteRequest, names: Sequence[str], percent: int) -> _Pick:
    """A few payments go to any route, so that there is something to compare the best one with."""
    each = percent * 100 // len(names)
    chances = dict.fromkeys(sorted(names), each) | {names[0]: WHOLE_BPS - each * (len(names) - 1)}
    name = drawn(chances, draw(request.payment_id, "explore", WHOLE_BPS))
    return _Pick(name, f"best_{request.strategy}" if name == names[0] else "explored", chances)


def _drawn_by(request: RouteRequest, split: Split, shares: Mapping[str, int]) -> str:
    """A payment keeps its bucket as long as that route can; only then it is drawn again."""
    first = drawn(split.shares, draw(request.payment_id, split.name, sum(split.shares.values())))
    if first in shares:
        return first
    again = draw(request.payment_id, f"{split.name}:again", sum(shares.values()))
    return drawn(shares, again)


_NEVER: Final = frozenset({"currency_not_supported", "amount_above_maximum", "excluded_by_rule"})


def _none(
    request: RouteRequest, candidates: Sequence[Candidate]
) -> RouteUnavailable | RouteImpossible:
    reasons = {c.reason for c in candidates if c.reason != "method_not_supported"}
    if not reasons <= _NEVER:
        why = ", ".join(sorted(reasons))
        return RouteUnavailable(f"no route can take this payment now ({why})")
    reasons -= {"excluded_by_rule"} if len(reasons) > 1 else set()
    if reasons == {"amount_above_maximum"}:
        return RouteImpossible("the amount is above what any route takes", "amount")
    if reasons and reasons != {"excluded_by_rule"}:
        return RouteImpossible(f"no route takes {request.currency}", "currency")
    return RouteImpossible(f"no route takes {request.method}", "payment_method")
