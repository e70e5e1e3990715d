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
_in_use: Final[dict[Role, str]] = {}


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
