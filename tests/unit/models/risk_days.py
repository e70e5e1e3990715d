"""Days of decisions in a lake, as the service writes them into its log."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl

from models.fraud.features import FEATURES, feature_set_hash
from online.kernel import ids
from tests.unit.warehouse.books import MERCHANT, noon
from warehouse.connection import Warehouse

THRESHOLDS = {"challenge": 40, "review": 60, "block": 75}


def features_of(**known: int) -> dict[str, int]:
    """Raw features as read: defaults, but for what is named."""
    return {**{feature.name: feature.default for feature in FEATURES}, **known}


def decided(score: int, thresholds: Mapping[str, int] = THRESHOLDS) -> str:
    words = [word for word in ("block", "review", "challenge") if score >= thresholds[word]]
    return words[0] if words else "allow"


class RiskDays:
    """Writes events; payments are numbered, so that a test can name one."""

    def __init__(self, lake: Warehouse) -> None:
        self.lake = lake
        self.made = 0
        self._rows: list[dict[str, Any]] = []

    def pay(
        self,
        day: date,
        *,
        rules: int = 0,
        probability: float | None = 0.1,
        model: str | None = "1",
        challenger: tuple[str, float] | None = None,
        features: Mapping[str, Any] | None = None,
        **risk: Any,
    ) -> UUID:
        """A payment and its decision, a second after the one before."""
        self.made += 1
        at = noon(day) + timedelta(seconds=self.made)
        payment = ids.derived("payment", str(self.made))
        points = 0 if probability is None else int(100 * probability)
        factors = [{"code": "rule", "description": "a rule", "score": rules}] if rules else []
        if probability is not None:
            factors.append({"code": "model_base", "description": "the model", "score": points})
        if rules + points > 100:
            over = 100 - rules - points
            factors.append({"code": "capped", "description": "at most 100", "score": over})
        score = min(100, rules + points)
        record = {
            "score": score,
            "level": "low",
            "decision": decided(score),
            "model_version": model if probability is not None else None,
            "probability": probability,
            "rules_version": 1,
            "rules_hash": "r1",
            "feature_set": feature_set_hash(),
            "features": dict(features if features is not None else features_of()),
            "factors": factors,
            "snapshot": "1:1:",
            "shadow_rules": ["watched"],
            "lists": [],
            "challenger": challenger and {"version": challenger[0], "probability": challenger[1]},
            "thresholds": THRESHOLDS,
            "failure": None,
            "external": None,
            "assess_us": 2_000,
            **risk,
        }
        created = {"amount": 10_000, "currency": "INR", "method": "upi", "customer_id": "cus"}
        self.event(payment, 1, "payment.created", at, created)
        name = "payment.blocked" if record["decision"] == "block" else "payment.processing"
        self.event(payment, 2, name, at, {"risk": record})
        return payment

    def label(self, payment: UUID, *, fraud: bool, at: datetime) -> None:
        named = ids.encode("pay", payment)
        label = ids.derived("label", named, str(at), str(fraud))
        data = {"payment_id": named, "fraud": fraud, "source": "dispute"}
        self.event(label, 1, "label.recorded", at, data)

    def event(
        self, of: UUID, version: int, kind: str, at: datetime, data: Mapping[str, Any]
    ) -> None:
        self._rows.append(
            {
                "id": str(ids.derived("event", str(of), str(version))),
                "aggregate_id": str(of),
                "aggregate_type": kind.split(".", maxsplit=1)[0],
                "event_type": kind,
                "version": version,
                "timestamp": at,
                "merchant_id": str(MERCHANT),
                "data": json.dumps(data),
                "livemode": False,
                "xid": 1,
            }
        )

    def write(self) -> None:
        """Everything since the last time, into raw_events."""
        self.lake.append("raw_events", pl.DataFrame(self._rows))
        self._rows = []
