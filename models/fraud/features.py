"""Features of a payment, defined once: as data, and as one pure function over them.

Belongs here: which aggregates are read (`FEATURES`), what is computed from them (`values`) and
what the model sees, in which order (`finish`). Both the training set and the service call these.
Does not: SQL. `compile_duckdb` and `compile_postgres` write it from `FEATURES`.

The rules of a window, the same on both sides:
- The events of a transaction feature are `payment.created`: every attempted payment, whatever
  became of it. Those of a label feature are labels that say fraud, dated when they became known.
- A window of `w` seconds before `t` is `[t - w, t)`: the payment itself, and all others of the
  same microsecond, are outside.
- A payment without a key for an entity (no customer, no device) has no events for it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec
from msgspec import Struct

Entity = Literal["customer", "instrument", "device", "merchant", "pair"]
Kind = Literal["transaction", "label"]
Measure = Literal["count", "sum", "max", "last", "customers"]
Number = float | int | None

HOUR: Final = 3_600
DAY: Final = 24 * HOUR

# Columns that must be equal for an event to belong to the entity. A pair is an instrument at a
# merchant: customers are a merchant's own records, an instrument is the same everywhere.
KEYS: Final[Mapping[Entity, tuple[str, ...]]] = {
    "customer": ("customer_key",),
    "instrument": ("instrument",),
    "device": ("device_key",),
    "merchant": ("merchant_id",),
    "pair": ("instrument", "merchant_id"),
}


class Feature(Struct, frozen=True):
    """One aggregate over the events of one entity in one window before the payment.

    `sum` and `max` are of the amount in minor units, `last` is the age of the newest event in
    microseconds, `customers` counts distinct customers. `default` stands for an empty window.
    """

    name: str
    version: int
    entity: Entity
    kind: Kind
    measure: Measure
    window_s: int
    default: int

    @property
    def empty(self) -> int | None:
        """What the aggregate itself is over no events: counts and sums are zero, others unknown."""
        return 0 if self.measure in ("count", "sum", "customers") else None


def _tx(name: str, measure: Measure, window_s: int, default: int = 0) -> Feature:
    return Feature(name, 1, _entity(name), "transaction", measure, window_s, default)


def _label(name: str, measure: Measure, window_s: int, default: int = 0) -> Feature:
    return Feature(name, 1, _entity(name), "label", measure, window_s, default)


def _entity(name: str) -> Entity:
    # A feature is called after its entity, so that the two cannot disagree.
    return next(entity for entity in KEYS if name.startswith(f"{entity}_"))


def _validated(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    names = [feature.name for feature in features]
    if len(set(names)) != len(names):
        raise ValueError("two features have the same name")
    for feature in features:
        if feature.window_s <= 0:
            raise ValueError(f"{feature.name}: an empty window")
        if feature.kind == "label" and feature.measure not in ("count", "last"):
            raise ValueError(f"{feature.name}: a label has no {feature.measure}")
        if feature.kind == "label" and feature.entity not in ("instrument", "merchant"):
            raise ValueError(f"{feature.name}: a label names an instrument and a merchant")
        # A merchant may take thousands of payments a second: reading them all for each payment
        # is what tiles (hourly and daily sums kept by the writer) are for. Labels are few.
        if feature.kind == "transaction" and feature.entity == "merchant":
            raise ValueError(f"{feature.name}: merchants have label features only")
    return features


_MONTH_US: Final = 30 * DAY * 1_000_000

FEATURES: Final = _validated(
    (
        _tx("customer_count_1h", "count", HOUR),
        _tx("customer_count_24h", "count", DAY),
        _tx("customer_count_30d", "count", 30 * DAY),
        _tx("customer_sum_24h", "sum", DAY),
        _tx("customer_sum_30d", "sum", 30 * DAY),
        _tx("customer_max_30d", "max", 30 * DAY),
        _tx("customer_last_30d", "last", 30 * DAY, _MONTH_US),
        _tx("instrument_count_1h", "count", HOUR),
        _tx("instrument_count_24h", "count", DAY),
        _tx("instrument_count_30d", "count", 30 * DAY),
        _tx("instrument_sum_24h", "sum", DAY),
        _tx("instrument_sum_30d", "sum", 30 * DAY),
        _tx("instrument_max_30d", "max", 30 * DAY),
        _tx("instrument_last_30d", "last", 30 * DAY, _MONTH_US),
        _tx("device_count_1h", "count", HOUR),
        _tx("device_count_24h", "count", DAY),
        _tx("device_count_30d", "count", 30 * DAY),
        _tx("device_customers_7d", "customers", 7 * DAY),
        _tx("device_last_30d", "last", 30 * DAY, _MONTH_US),
        _tx("pair_count_30d", "count", 30 * DAY),
        _tx("pair_sum_30d", "sum", 30 * DAY),
        _tx("pair_last_30d", "last", 30 * DAY, _MONTH_US),
        _label("instrument_fraud_90d", "count", 90 * DAY),
        _label("merchant_fraud_7d", "count", 7 * DAY),
        _label("merchant_fraud_28d", "count", 28 * DAY),
    )
)


class PaymentFacts(Struct, frozen=True):
    """What is known of a payment by itself, before anything is read."""

    at_us: int
    amount_minor: int
    method: str
    currency: str
    has_customer: bool
    has_device: bool


# Raised by hand when `values` changes what it computes; a golden test fails until it is.
FINISH_VERSION: Final = 1

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IST_OFFSET_S: Final = 19_800  # one zone, no daylight saving time

# What the model sees, in this order.
_INPUTS: Final[tuple[str, ...]] = (
    "amount_log",
    "hour",
    "weekday",
    "is_card",
    "has_customer",
    "has_device",
    "customer_count_1h",
    "customer_count_24h",
    "customer_count_30d",
    "customer_sum_24h_log",
    "customer_last_log",
    "amount_to_customer_mean",
    "amount_to_customer_max",
    "instrument_count_1h",
    "instrument_count_24h",
    "instrument_count_30d",
    "instrument_sum_24h_log",
    "instrument_last_log",
    "amount_to_instrument_mean",
    "amount_to_instrument_max",
    "device_count_1h",
    "device_count_24h",
    "device_count_30d",
    "device_customers_7d",
    "device_last_log",
    "pair_count_30d",
    "pair_last_log",
    "amount_to_pair_mean",
    "instrument_fraud_90d",
    "merchant_fraud_7d",
    "merchant_fraud_28d",
    "merchant_fraud_trend",
)


def feature_names() -> tuple[str, ...]:
    """The names of the model's inputs, in order."""
    return _INPUTS


def feature_set_hash() -> str:
    """Names a feature set: two sides with the same hash compute the same vectors."""
    definition = (FINISH_VERSION, _INPUTS, [msgspec.structs.astuple(f) for f in FEATURES])
    return hashlib.sha256(msgspec.json.encode(definition)).hexdigest()[:16]


def epoch_us(at: datetime) -> int:
    """Microseconds since 1970, exactly (a float of seconds would not be)."""
    return (at - EPOCH) // timedelta(microseconds=1)


def values(raw: Mapping[str, Number], payment: PaymentFacts) -> dict[str, float]:
    """Everything known of a payment as named numbers: aggregates, ratios, time. For the rules.

    Total: every name is present and finite whatever the aggregates are, and booleans are 0 or 1.
    """
    known: dict[str, float] = {}
    for feature in FEATURES:
        value = raw[feature.name]
        known[feature.name] = float(feature.default if value is None else value)
    amount = float(payment.amount_minor)
    local_s = payment.at_us // 1_000_000 + _IST_OFFSET_S
    known["amount_minor"] = amount
    known["amount_log"] = math.log1p(amount)
    known["hour"] = local_s % DAY / HOUR
    known["weekday"] = float((local_s // DAY + 3) % 7)  # 1970-01-01 was a Thursday; Monday is 0
    known["is_card"] = float(payment.method == "card")
    known["has_customer"] = float(payment.has_customer)
    known["has_device"] = float(payment.has_device)
    for entity in ("customer", "instrument", "pair"):
        count, total = known[f"{entity}_count_30d"], known[f"{entity}_sum_30d"]
        known[f"amount_to_{entity}_mean"] = _ratio(amount, total / count if count else 0.0)
    for entity in ("customer", "instrument"):
        known[f"amount_to_{entity}_max"] = _ratio(amount, known[f"{entity}_max_30d"])
        known[f"{entity}_sum_24h_log"] = math.log1p(known[f"{entity}_sum_24h"])
    for entity in ("customer", "instrument", "device", "pair"):
        known[f"{entity}_last_log"] = math.log1p(known[f"{entity}_last_30d"] / 1e6)
    # Above 1 when fraud at the merchant became known faster this week than in the four before.
    recent, usual = known["merchant_fraud_7d"], known["merchant_fraud_28d"] / 4
    known["merchant_fraud_trend"] = (recent + 1) / (usual + 1)
    known["new_customer"] = float(payment.has_customer and not known["customer_count_30d"])
    known["new_instrument"] = float(not known["instrument_count_30d"])
    known["new_device"] = float(payment.has_device and not known["device_count_30d"])
    known["new_pair"] = float(not known["pair_count_30d"])
    return known


def _ratio(amount: float, usual: float) -> float:
    # Nothing to compare with reads as usual; the count beside it says how much to believe that.
    return amount / usual if usual > 0 else 1.0


def value_names() -> frozenset[str]:
    """The names that `values` gives, for checking rules before any payment comes."""
    return frozenset(values(empty_raw(), PaymentFacts(0, 1, "upi", "INR", False, False)))


def empty_raw() -> dict[str, Number]:
    """The aggregates of a payment that nothing came before."""
    return {feature.name: feature.empty for feature in FEATURES}


def vector(known: Mapping[str, float]) -> list[float]:
    """The model's inputs, picked from `values` in order."""
    return [known[name] for name in _INPUTS]


def finish(raw: Mapping[str, Number], payment: PaymentFacts) -> list[float]:
    """Aggregates and the payment itself, made into the vector that the model sees."""
    return vector(values(raw, payment))


def by_entity(kind: Kind) -> Sequence[tuple[Entity, tuple[Feature, ...]]]:
    """The features of one kind grouped by entity, in the order of `FEATURES`."""
    groups: dict[Entity, list[Feature]] = {}
    for feature in FEATURES:
        if feature.kind == kind:
            groups.setdefault(feature.entity, []).append(feature)
    return [(entity, tuple(features)) for entity, features in groups.items()]
