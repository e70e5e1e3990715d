"""What Prometheus is told of a running service.

Belongs here: names, labels and their bounds. Does not: when something is counted, which the slice
that sees it does, or who listens (`metrics_port`).

No label holds anything that a caller may choose: codes come from `config/rules.yaml`, versions
from the model registry. In a process that no listener started (tests, commands) counting works and
nobody is told.
"""

from collections.abc import Iterable
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS_S: Final = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

Role = Literal["champion", "challenger"]
# Why an assessment, or a part of it, could not be made.
FailureReason = Literal[
    "no_model",
    "model_refused",
    "model_failed",
    "late",
    "features_failed",
    "scorer_late",
    "scorer_failed",
    "scorer_open",
    "failed",
]

_detections: Final = Counter(
    "fraud_detections",
    "Assessments, of payments and over the API, that did not simply allow.",
    ("decision", "level"),
)
_assessed: Final = Histogram(
    "risk_assessment_duration_seconds",
    "Time of a whole assessment: features, lists, rules, model. Its count is of every decision.",
    buckets=_BUCKETS_S,
)
_failures: Final = Counter(
    "risk_engine_failures",
    "Assessments that went without the model or without the engine, and what decided instead.",
    ("reason", "mode"),
)
_shadow: Final = Counter(
    "risk_shadow_rule_hits", "Payments that a rule in shadow would have counted for.", ("code",)
)
_model: Final = Gauge(
    "risk_model_info",
    "Workers that score with this version of the model.",
    ("version", "role"),
    multiprocess_mode="livesum",
)
_refused: Final = Counter(
    "risk_model_refusals", "Bundles that were published and must not be used.", ("role",)
)
_cascades: Final = Counter(
    "payment_cascades",
    "Authorizations that a rail definitely failed, and what came next: another rail, or why none.",
    ("rail", "next"),
)
_late: Final = Counter(
    "late_money",
    "Money that came for a payment that was over (came), that went back to its payer (returned), "
    "whose return a rail refused (refused), and what a rail did beyond all room (unplaced).",
    ("rail", "what"),
)
_breakers: Final = Gauge(
    "circuit_breaker_state",
    "0 closed, 1 half-open, 2 open: of workers that do not share their breakers, the worst.",
    ("route", "operation"),
    multiprocess_mode="livemax",
)
_rail_slots: Final = Gauge(
    "rail_slots_in_use",
    "Calls to a rail that are under way, of all workers; its bulkhead allows no more.",
    ("rail", "kind"),
    multiprocess_mode="livesum",
)
_route_calls: Final = Counter(
    "route_calls", "Calls to rails, by how they went.", ("route", "operation", "outcome")
)
_sharing_lost: Final = Counter(
    "circuit_breaker_sharing_lost",
    "Times that a worker went on with breakers of its own since Redis did not answer.",
)
_callbacks: Final = Counter(
    "rail_callbacks",
    "Callbacks of rails that were dealt with, by what came of it.",
    ("rail", "verdict"),
)
_callbacks_refused: Final = Counter(
    "rail_callback_refusals", "Callbacks that nothing was believed or kept of.", ("reason",)
)
_callbacks_repeated: Final = Counter(
    "rail_callback_repeats",
    "Callbacks whose id had come before: the same again, or with another content.",
    ("rail", "content"),
)
_in_use: Final[dict[Role, str]] = {}

_STATES: Final = ("closed", "half_open", "open")

# What comes after a definite technical failure: another try; or none, since there were enough of
# them (or the payer waited long enough), or no other route takes it.
CascadeEnd = Literal["sent", "enough", "no_route"]
LateMoney = Literal["came", "returned", "refused", "unplaced"]


def assessed(decision: str, level: str, seconds: float) -> None:
    """One payment was assessed; both words are those of `online.risk.domain`."""
    _assessed.observe(seconds)
    if decision != "allow":
        _detections.labels(decision, level).inc()


def engine_failed(reason: FailureReason, mode: str) -> None:
    """`mode` is what decided instead: `rules`, the merchant's `approve`, `review`, `block`, or
    `shadow` where nothing was lost but a challenger's answer.
    """
    _failures.labels(reason, mode).inc()


def shadow_rules_met(codes: Iterable[str]) -> None:
    """Rules in shadow that held for a payment, by code."""
    for code in codes:
        _shadow.labels(code).inc()


def model_in_use(role: Role, version: str | None) -> None:
    """This process scores with `version` from now on; None: with no model of this role."""
    before = _in_use.pop(role, None)
    if before is not None:
        _model.labels(before, role).set(0)
    if version is not None:
        _in_use[role] = version
        _model.labels(version, role).set(1)


def model_refused(role: Role) -> None:
    """A bundle was not taken; the one before it stays."""
    _refused.labels(role).inc()


def late_money(rail: str, what: LateMoney) -> None:
    _late.labels(rail, what).inc()


def cascaded(rail: str, after: CascadeEnd) -> None:
    """An authorization failed at `rail`, and this came next."""
    _cascades.labels(rail, after).inc()


def breaker_is(route: str, operation: str, state: Literal["closed", "half_open", "open"]) -> None:
    """What this worker goes by from now on."""
    _breakers.labels(route, operation).set(_STATES.index(state))


def route_called(route: str, operation: str, outcome: str) -> None:
    """`outcome` is a kind of `online.rails.domain`."""
    _route_calls.labels(route, operation, outcome).inc()


def rail_slot_taken(rail: str, kind: str, change: int) -> None:
    """One more call under way (1), or one less (-1); `kind` is operation or enquiry."""
    _rail_slots.labels(rail, kind).inc(change)


def breaker_sharing_lost() -> None:
    """Redis did not answer in time; breakers of this process alone decide until it does."""
    _sharing_lost.inc()


def callback_done(rail: str, verdict: str) -> None:
    """`rail` is one of ours, `verdict` a word of `online.callbacks.domain`."""
    _callbacks.labels(rail, verdict).inc()


def callback_refused(reason: str) -> None:
    """A word of `online.callbacks.signature`; who sent it is not known."""
    _callbacks_refused.labels(reason).inc()


def callback_repeated(rail: str, *, differs: bool) -> None:
    """It was there already; an honest rail repeats the same content."""
    _callbacks_repeated.labels(rail, "other" if differs else "same").inc()
