"""An assessment: factors that sum to a score, a score that has a level, and what is decided.

Belongs here: the arithmetic and the named bands. Does not: where features or probabilities
come from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from models.fraud.features import Number, PaymentFacts, epoch_us
from models.fraud.rules import unlinked_trust
from online.devices.trust import Named
from online.screening.domain import FailureMode, RiskTerms

Level = Literal["low", "medium", "high", "critical"]
Decision = Literal["allow", "challenge", "review", "block"]

MAX_SCORE: Final = 100
CAPPED: Final = "capped"
FLOORED: Final = "floored"
UNAVAILABLE: Final = "engine_unavailable"

# From the highest down: a score has the first level it reaches.
LEVELS: Final[tuple[tuple[Level, int], ...]] = (
    ("critical", 75),
    ("high", 50),
    ("medium", 25),
    ("low", 0),
)
# From the mildest to the strictest.
DECISIONS: Final[tuple[Decision, ...]] = ("allow", "challenge", "review", "block")
ON_FAILURE: Final[Mapping[FailureMode, Decision]] = {
    "approve": "allow",
    "review": "review",
    "block": "block",
}


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
    ip_key: str | None = None  # keyed hash of the payer's address
    funding: str | None = None
    card: Mapping[str, Any] | None = None  # what the vault knows of it: network, country, category

    @property
    def card_key(self) -> str | None:
        """The instrument, if it is a card."""
        return self.instrument if self.method == "card" else None

    @property
    def vpa_key(self) -> str | None:
        """The instrument, if it is a VPA."""
        return None if self.method == "card" else self.instrument

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
            has_ip=self.ip_key is not None,
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
    parts: Mapping[str, int] | None = None  # of a linked device: what the score sums,
    scale: int | None = None  # and by which version of the scale


class Challenged(Struct, frozen=True):
    """What the challenger said. It decides nothing."""

    version: str
    probability: float


class Outside(Struct, frozen=True):
    """What the merchant's own scorer said."""

    scorer: str
    score: int


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
    challenger: Challenged | None
    external: Outside | None
    rules_version: int
    rules_hash: str
    shadow_rules: tuple[str, ...]  # codes of the rules that would have counted, were they live
    lists: tuple[str, ...]
    thresholds: Mapping[str, int]
    feature_set: str
    features: Mapping[str, Number]  # the aggregates as read; the model's vector follows from them
    vector_hash: str | None
    snapshot: str | None  # what was visible to the read, as pg_current_snapshot() names it
    failure: str | None  # why the engine, or a part of it, was late or broken
    took_us: int

    @property
    def evidence_read(self) -> bool:
        """Whether anything was read in time; if not, of the device nothing is known either."""
        return self.snapshot is not None

    def as_event_data(self) -> dict[str, Any]:
        """The `risk` field of a payment event."""
        return {
            "score": self.score,
            "level": self.level,
            "decision": self.decision,
            "model_version": self.model_version,
            "probability": self.probability,
            "challenger": self.challenger and msgspec.structs.asdict(self.challenger),
            "external": self.external and msgspec.structs.asdict(self.external),
            "rules_version": self.rules_version,
            "rules_hash": self.rules_hash,
            "shadow_rules": list(self.shadow_rules),
            "lists": list(self.lists),
            "thresholds": dict(self.thresholds),
            "feature_set": self.feature_set,
            "features": dict(self.features),
            "vector_hash": self.vector_hash,
            "factors": [msgspec.structs.asdict(factor) for factor in self.factors],
            "snapshot": self.snapshot,
            "failure": self.failure,
            "assess_us": self.took_us,
            **self._of_device(),
        }

    def _of_device(self) -> dict[str, Any]:
        """Only a linked device was read; any other follows from the features."""
        if self.device_trust.state in {"absent", "unlinked"}:
            return {}
        return {"device_trust": msgspec.structs.asdict(self.device_trust)}


def total(reasons: Sequence[Factor]) -> tuple[int, tuple[Factor, ...]]:
    """The score, from 0 to 100, and the factors that sum to it exactly."""
    found = sum(reason.score for reason in reasons)
    score = min(max(found, 0), MAX_SCORE)
    if found > score:
        return score, (*reasons, Factor(CAPPED, f"A score is at most {MAX_SCORE}", score - found))
    if found < score:
        return score, (*reasons, Factor(FLOORED, "A score is at least 0", score - found))
    return score, tuple(reasons)


def level_of(score: int) -> Level:
    """The band that a score falls into."""
    return next(level for level, least in LEVELS if score >= least)


def decide(score: int, terms: RiskTerms) -> Decision:
    """What the merchant's thresholds make of a score; a lower one leaves the milder no room."""
    if score >= terms.block_at:
        return "block"
    if score >= terms.review_at:
        return "review"
    return "challenge" if score >= terms.challenge_at else "allow"


def decide_without(
    reasons: Sequence[Factor], terms: RiskTerms
) -> tuple[Decision, int, tuple[Factor, ...]]:
    """Decision, score and factors when a part of the engine is late or broken.

    The merchant's failure mode decides, unless what is known asks for more: a card on the block
    list stays blocked. The score rises to that of the decision.
    """
    known, _ = total(reasons)
    mode = ON_FAILURE[terms.failure_mode]
    decision = max(mode, decide(known, terms), key=DECISIONS.index)
    least = {"review": terms.review_at, "block": terms.block_at}.get(mode, 0)
    words = f"Risk was not assessed in full; the merchant's terms then say: {terms.failure_mode}"
    raised = sum(reason.score for reason in reasons)
    factor = Factor(UNAVAILABLE, words, max(0, least - raised))
    return decision, *total((*reasons, factor))


def device_trust(device_key: str | None, known: Mapping[str, float]) -> DeviceTrust:
    """Trust of a device that was never linked: earned by use, lost by being shared.

    Never above medium: a device id alone is a claim, binding it to its owner is what proves it.
    Without features nothing is earned.
    """
    if device_key is None:
        return DeviceTrust(None, "absent", 0, "none")
    score = unlinked_trust(known)
    return DeviceTrust(device_key, "unlinked", score, "medium" if score >= 250 else "low")


def linked_trust(named: Named) -> DeviceTrust:
    """Trust of a device that was linked, as `devices` says."""
    found = named.trust
    parts = {part.code: part.points for part in found.parts}
    return DeviceTrust(
        named.reference, found.state.value, found.score, found.level, parts, found.scale_version
    )
