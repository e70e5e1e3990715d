"""An assessment: factors that sum to a score, a score that has a level, and what is decided.

Belongs here: the arithmetic and the named bands. Does not: where features or probabilities
come from.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from models.fraud.features import Number, PaymentFacts, epoch_us
from online.devices.trust import Named

Level = Literal["low", "medium", "high", "critical"]
Decision = Literal["allow", "challenge", "review", "block"]

MAX_SCORE: Final = 100
MODEL_FACTOR: Final = "model_score"
CAP_FACTOR: Final = "capped"

# From the highest down: a score has the first level it reaches.
LEVELS: Final[tuple[tuple[Level, int], ...]] = (
    ("critical", 75),
    ("high", 50),
    ("medium", 25),
    ("low", 0),
)
BLOCK_AT: Final = 75
REVIEW_AT: Final = 60
CHALLENGE_AT: Final = 40


class RiskInput(Struct, frozen=True, kw_only=True):
    """A payment as risk sees it. `at` is the time of its `payment.created` event."""

    payment_id: UUID
    at: datetime
    amount_minor: int
    currency: str
    method: str
    merchant_id: UUID
    instrument: str | None  # keyed hash of the VPA or of the card
    customer_key: str | None
    device_key: str | None
    livemode: bool

    @property
    def facts(self) -> PaymentFacts:
        """What the feature function needs of it."""
        return PaymentFacts(
            at_us=epoch_us(self.at),
            amount_minor=self.amount_minor,
            method=self.method,
            currency=self.currency,
            has_customer=self.customer_key is not None,
            has_device=self.device_key is not None,
        )


class Factor(Struct, frozen=True):
    """One reason for the score and what it contributes."""

    code: str
    description: str
    score: int


class DeviceTrust(Struct, frozen=True):
    """How far the device can be trusted, from 0 to 1000."""

    device_id: str | None
    state: str  # absent, unlinked, or the state of the linked device
    score: int
    level: Literal["none", "low", "medium", "high"]


class Assessment(Struct, frozen=True, kw_only=True):
    """The whole decision with everything needed to replay it."""

    payment_id: UUID
    score: int
    level: Level
    decision: Decision
    factors: tuple[Factor, ...]
    device_trust: DeviceTrust
    probability: float | None
    model_version: str | None
    rules_version: int
    feature_set: str
    features: Mapping[str, Number]  # the aggregates as read; the model's vector follows from them
    snapshot: str  # what was visible to the read, as pg_current_snapshot() names it

    def as_event_data(self) -> dict[str, Any]:
        """The `risk` field of a payment event."""
        return {
            "score": self.score,
            "level": self.level,
            "decision": self.decision,
            "model_version": self.model_version,
            "probability": self.probability,
            "rules_version": self.rules_version,
            "feature_set": self.feature_set,
            "features": dict(self.features),
            "factors": [msgspec.structs.asdict(factor) for factor in self.factors],
            "snapshot": self.snapshot,
            **self._of_device(),
        }

    def _of_device(self) -> dict[str, Any]:
        """Only a linked device was read; any other follows from the features."""
        if self.device_trust.state in {"absent", "unlinked"}:
            return {}
        return {"device_trust": msgspec.structs.asdict(self.device_trust)}


def total(rules: Sequence[Factor], probability: float | None) -> tuple[int, tuple[Factor, ...]]:
    """`min(100, Σ rules + ⌊100·p⌋)`, and the factors that sum to it exactly."""
    factors = list(rules)
    if probability is not None:
        points = math.floor(100 * min(max(probability, 0.0), 1.0))
        factors.append(Factor(MODEL_FACTOR, "The fraud model's probability in per cent", points))
    score = sum(factor.score for factor in factors)
    if score > MAX_SCORE:
        over = MAX_SCORE - score
        factors.append(Factor(CAP_FACTOR, f"A score is at most {MAX_SCORE}", over))
        score = MAX_SCORE
    return score, tuple(factors)


def level_of(score: int) -> Level:
    """The band that a score falls into."""
    return next(level for level, least in LEVELS if score >= least)


def decide(score: int, block_at: int = BLOCK_AT) -> Decision:
    """What happens to the payment; a lower threshold leaves less room for the milder decisions."""
    if score >= block_at:
        return "block"
    if score >= REVIEW_AT:
        return "review"
    return "challenge" if score >= CHALLENGE_AT else "allow"


def device_trust(device_key: str | None, known: Mapping[str, float]) -> DeviceTrust:
    """Trust of a device that was never linked: earned by use, lost by being shared.

    Never above medium: a device id alone is a claim, binding it to its owner is what proves it.
    """
    if device_key is None:
        return DeviceTrust(None, "absent", 0, "none")
    earned = min(400, 40 * int(known["device_count_30d"]))
    others = max(0, int(known["device_customers_7d"]) - 1)
    score = max(0, earned - 100 * others)
    return DeviceTrust(device_key, "unlinked", score, "medium" if score >= 250 else "low")


def linked_trust(named: Named) -> DeviceTrust:
    """Trust of a device that was linked, as `devices` says."""
    found = named.trust
    return DeviceTrust(named.reference, found.state.value, found.score, found.level)
