"""From evidence to reasons: rules, the champion and its explanation, the challenger in shadow.

Belongs here: everything that is computed once the evidence is in hand. No I/O: tens of
microseconds. Does not: thresholds and decisions (`domain`), or which models are in use
(`model_files`).
"""

import math
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

from models.fraud.features import feature_set_hash, vector, vector_hash
from models.fraud.rules import RuleSet, rule_values
from online.platform import metrics
from online.platform.metrics import FailureReason
from online.risk.domain import Challenged, Factor, RiskInput
from online.risk.evidence import Evidence
from online.risk.model_files import Models
from online.risk.reasons import model_factors

log = structlog.get_logger("khata.risk")

_NO_BUNDLE: Final = ("no bundle was published", "switched off")


class Scored(Struct, frozen=True, kw_only=True):
    """The reasons for a score, and what goes into the record of the decision."""

    reasons: tuple[Factor, ...] = ()
    shadow_rules: tuple[str, ...] = ()
    probability: float | None = None
    model_version: str | None = None
    challenger: Challenged | None = None
    vector_hash: str | None = None


class Scorer:
    """Rules and models over the evidence of one payment."""

    def __init__(self, rules: RuleSet, models: Models) -> None:
        self.rules: Final = rules
        self.models: Final = models
        self.feature_set: Final = feature_set_hash()
        self._said: str | None = None

    def score(self, payment: RiskInput, evidence: Evidence) -> Scored:
        """Rules first, then the device's reasons, then the model's by input."""
        named = rule_values(evidence.known, payment.facts, evidence.circumstances)
        reasons = [Factor(r.code, r.description, r.score) for r in self.rules.met(named)]
        reasons += evidence.device_reasons
        shadow = tuple(rule.code for rule in self.rules.shadow_met(named))
        metrics.shadow_rules_met(shadow)
        inputs = vector(evidence.known)
        probability, version, explained = self._champion(inputs)
        return Scored(
            reasons=(*reasons, *explained),
            shadow_rules=shadow,
            probability=probability,
            model_version=version,
            challenger=self._challenger(inputs),
            vector_hash=vector_hash(inputs),
        )

    def _champion(self, inputs: Sequence[float]) -> tuple[float | None, str | None, list[Factor]]:
        """Its probability, its version and its factors; without a good model rules alone decide."""
        bundle = self.models.champion.bundle
        if bundle is None:
            refusal = self.models.champion.refusal or _NO_BUNDLE[0]
            reason: FailureReason = "no_model" if refusal in _NO_BUNDLE else "model_refused"
            return self._by_rules_alone(reason, refusal)
        try:
            probability, contributions = bundle.judge(inputs)
            _require_finite(probability)
            explained = model_factors(bundle.explainer, inputs, contributions, probability)
        except Exception as error:  # noqa: BLE001  a broken model must not stop payments
            return self._by_rules_alone("model_failed", f"model {bundle.version} failed: {error!r}")
        self._said = None
        return probability, bundle.version, explained

    def _challenger(self, inputs: Sequence[float]) -> Challenged | None:
        """What the challenger would say; whatever goes wrong with it goes wrong alone."""
        bundle = self.models.challenger.bundle
        if bundle is None:
            return None
        try:
            probability = bundle.score(inputs)
            _require_finite(probability)
        except Exception:
            metrics.engine_failed("model_failed", "shadow")
            log.exception("challenger_failed", version=bundle.version)
            return None
        return Challenged(bundle.version, probability)

    def _by_rules_alone(self, reason: FailureReason, why: str) -> tuple[None, None, list[Factor]]:
        metrics.engine_failed(reason, "rules")
        if why != self._said:  # once for each reason, not for each payment
            log.warning("risk_by_rules_alone", reason=why)
            self._said = why
        return None, None, []


def _require_finite(probability: float) -> None:
    if not math.isfinite(probability):
        raise ArithmeticError(f"the model answered {probability}")
