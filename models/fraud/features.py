"""Features of a payment, defined once: as data, and as one pure function over them.

Belongs here: which aggregates are read (`FEATURES`), what is computed from them (`values`), what
each is called in plain words (`describe`) and what the model sees, in which order (`finish`).
Training and the service call the same. Does not: SQL. `compile_duckdb` and `compile_postgres`
write it from `FEATURES`.

The rules of a window, the same on both sides:
- Events of kind `transaction` are `payment.created`: every attempted payment, whatever became of
  it. Events of kind `label` are `label.recorded`, dated when they became known; a label carries
  the keys and the amount of its payment.
- A window of `w` seconds before `t` is `[t - w, t)`: the payment itself, and all others of the
  same microsecond, are outside.
- A payment without a key for an entity (no customer, no device) has no events for it.
"""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec
from msgspec import Struct

Entity = Literal["customer", "card", "vpa", "device", "merchant", "pair", "ip"]
Kind = Literal["transaction", "label"]
Aggregate = Literal["count", "sum", "sum_squares", "max", "last", "streak", "distinct_customers"]
Number = float | int | None

HOUR: Final = 3_600
DAY: Final = 24 * HOUR

# Columns that must be equal for an event to belong to the entity; an event with a null key belongs
# to none. A pair is a card or a VPA at a merchant: one of the two is null on both sides.
KEYS: Final[Mapping[Entity, tuple[str, ...]]] = {
    "customer": ("customer_key",),
    "card": ("card_key",),
    "vpa": ("vpa_key",),
    "device": ("device_key",),
    "merchant": ("merchant_id",),
    "pair": ("card_key", "vpa_key", "merchant_id"),
    "ip": ("ip_key",),
}

# Which events of its kind a feature counts, as a condition that both dialects of SQL read.
FILTERS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "transaction": {"all": "true"},
    "label": {"all": "true", "fraud": "fraud", "good": "not fraud"},
}

# Entities that a large part of all payments may share. The service keeps sums of them by the hour
# and the day (tiles); others are read event by event.
TILED: Final[frozenset[Entity]] = frozenset({"merchant"})
# What a tile can answer: what is added up can be taken away again at the edges of a window.
MERGEABLE: Final[frozenset[Aggregate]] = frozenset({"count", "sum", "sum_squares"})
LONGEST_DISTINCT_S: Final = 7 * DAY


class Feature(Struct, frozen=True):
    """One aggregate over the events of one entity in one window before the payment.

    `sum`, `sum_squares` and `max` are of the amount in minor units. `last` is the age of the newest
    event in microseconds. `streak` is how many labels satisfy the filter and became known strictly
    after the newest label in the window that does not. `default` stands for an unknown aggregate.
    """

    name: str
    version: int
    entity: Entity
    kind: Kind
    filter: str
    aggregate: Aggregate
    window_s: int
    default: int

    @property
    def empty(self) -> int | None:
        """What the aggregate itself is over no events: counts and sums are zero, others unknown."""
        return None if self.aggregate in ("max", "last") else 0

    @property
    def tiled(self) -> bool:
        """Whether the service reads it from tiles."""
        return self.entity in TILED and self.aggregate in MERGEABLE


_MONTH_US: Final = 30 * DAY * 1_000_000
_PERIODS: Final = {"h": HOUR, "d": DAY}


def _feature(
    entity: Entity, kind: Kind, aggregate: Aggregate, window: str, name: str = "", **other: str
) -> Feature:
    """A feature called `entity_name_window`, so that its name and what it is cannot disagree."""
    window_s = int(window[:-1]) * _PERIODS[window[-1]]
    default = window_s * 1_000_000 if aggregate == "last" else 0
    chosen = other.get("filter", "all")
    full = f"{entity}_{name or aggregate}_{window}"
    return Feature(full, 1, entity, kind, chosen, aggregate, window_s, default)


def _payments(
    entity: Entity, aggregate: Aggregate, *windows: str, name: str = ""
) -> tuple[Feature, ...]:
    return tuple(_feature(entity, "transaction", aggregate, w, name) for w in windows)


def _labels(
    entity: Entity, aggregate: Aggregate, *windows: str, name: str, of: str = "fraud"
) -> tuple[Feature, ...]:
    return tuple(_feature(entity, "label", aggregate, w, name, filter=of) for w in windows)


def _instrument(entity: Entity) -> tuple[Feature, ...]:
    """What is read of a card is read of a VPA: `values` makes one `instrument` of the two."""
    return (
        *_payments(entity, "count", "1h", "24h", "30d"),
        *_payments(entity, "sum", "24h", "30d"),
        *_payments(entity, "max", "30d"),
        *_payments(entity, "last", "30d"),
        *_labels(entity, "count", "90d", name="fraud"),
    )


def validated(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The same features, if both sides can compute each of them; otherwise a ValueError."""
    names = [feature.name for feature in features]
    if len(set(names)) != len(names):
        raise ValueError("two features have the same name")
    for feature in features:
        problem = _problem(feature)
        if problem:
            raise ValueError(f"{feature.name}: {problem}")
    return features


def _problem(feature: Feature) -> str | None:
    if feature.window_s <= 0:
        return "an empty window"
    if feature.filter not in FILTERS[feature.kind]:
        return f"no filter {feature.filter!r} of {feature.kind}s is known"
    if feature.aggregate == "streak":
        if feature.kind != "label" or feature.filter == "all":
            return "a streak is of labels that say one thing"
        if feature.entity in TILED and feature.filter == "good":
            return "a streak of good labels is as long as the entity is busy"
    if feature.aggregate == "max" and feature.entity in TILED:
        return "a largest amount cannot be taken back from a tile"
    if feature.aggregate == "distinct_customers":
        if feature.kind != "transaction" or feature.entity not in ("device", "ip"):
            return "distinct customers are those of a device or of an address"
        if feature.window_s > LONGEST_DISTINCT_S:
            return "distinct customers are read one by one: a week at most"
    return None


FEATURES: Final = validated(
    (
        *_payments("customer", "count", "1h", "24h", "7d", "30d", "90d"),
        *_payments("customer", "sum", "24h", "7d", "30d", "90d"),
        *_payments("customer", "sum_squares", "90d"),
        *_payments("customer", "max", "7d", "30d"),
        *_payments("customer", "last", "30d"),
        *_labels("customer", "count", "90d", name="fraud"),
        *_instrument("card"),
        *_instrument("vpa"),
        *_payments("device", "count", "1h", "24h", "30d"),
        *_payments("device", "distinct_customers", "7d", name="customers"),
        *_payments("device", "last", "30d"),
        *_payments("ip", "count", "1h"),
        *_payments("ip", "distinct_customers", "1h", name="customers"),
        *_payments("merchant", "count", "24h", "30d"),
        *_payments("merchant", "sum", "30d"),
        *_payments("merchant", "sum_squares", "30d"),
        *_payments("pair", "count", "30d"),
        *_payments("pair", "sum", "30d"),
        *_payments("pair", "last", "30d"),
        *_labels("merchant", "count", "7d", "28d", name="fraud"),
        *_labels("merchant", "count", "28d", name="known", of="all"),
        *_labels("merchant", "streak", "90d", name="fraud_streak"),
        *_labels("merchant", "last", "90d", name="fraud_last"),
        *_labels("merchant", "last", "90d", name="good_last", of="good"),
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
    has_ip: bool = False


# Raised by hand when `values` changes what it computes; a golden test fails until it is.
FINISH_VERSION: Final = 4

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
    "customer_count_7d",
    "customer_count_30d",
    "customer_sum_24h_log",
    "customer_last_log",
    "amount_to_customer_mean",
    "amount_to_customer_max",
    "amount_to_customer_mean_90d",
    "amount_customer_z",
    "customer_peak_7d",
    "customer_fraud_90d",
    "instrument_count_1h",
    "instrument_count_24h",
    "instrument_count_30d",
    "instrument_sum_24h_log",
    "instrument_last_log",
    "amount_to_instrument_mean",
    "amount_to_instrument_max",
    "instrument_fraud_90d",
    "device_count_1h",
    "device_count_24h",
    "device_count_30d",
    "device_customers_7d",
    "device_last_log",
    "ip_count_1h",
    "ip_customers_1h",
    "pair_count_30d",
    "pair_last_log",
    "amount_to_pair_mean",
    "merchant_count_24h",
    "amount_to_merchant_mean",
    "amount_merchant_z",
    "merchant_fraud_7d",
    "merchant_fraud_28d",
    "merchant_fraud_trend",
    "merchant_fraud_share",
    "merchant_fraud_streak_90d",
    "merchant_fraud_last_log",
    "merchant_good_last_log",
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


_OF_INSTRUMENTS: Final = tuple(
    feature.name.removeprefix("card_") for feature in FEATURES if feature.entity == "card"
)


def values(raw: Mapping[str, Number], payment: PaymentFacts) -> dict[str, float]:
    """Everything known of a payment as named numbers: aggregates, ratios, time. For the rules.

    Total: every name is present and finite whatever the aggregates are, and booleans are 0 or 1.
    """
    known: dict[str, float] = {}
    for feature in FEATURES:
        value = raw[feature.name]
        known[feature.name] = float(feature.default if value is None else value)
    used = "card" if payment.method == "card" else "vpa"
    for name in _OF_INSTRUMENTS:
        known[f"instrument_{name}"] = known[f"{used}_{name}"]
    amount = float(payment.amount_minor)
    local_s = payment.at_us // 1_000_000 + _IST_OFFSET_S
    known["amount_minor"] = amount
    known["amount_log"] = math.log1p(amount)
    known["hour"] = local_s % DAY / HOUR
    known["weekday"] = float((local_s // DAY + 3) % 7)  # 1970-01-01 was a Thursday; Monday is 0
    known["is_card"] = float(payment.method == "card")
    known["has_customer"] = float(payment.has_customer)
    known["has_device"] = float(payment.has_device)
    known["has_ip"] = float(payment.has_ip)
    for entity in ("customer", "instrument", "pair", "merchant"):
        count, total = known[f"{entity}_count_30d"], known[f"{entity}_sum_30d"]
        known[f"amount_to_{entity}_mean"] = _ratio(amount, total / count if count else 0.0)
    # A month holds too much of a take-over that began in it: three say what is usual.
    count, total = known["customer_count_90d"], known["customer_sum_90d"]
    usual_90d = total / count if count else 0.0
    known["amount_to_customer_mean_90d"] = _ratio(amount, usual_90d)
    known["customer_peak_7d"] = _ratio(known["customer_max_7d"], usual_90d)
    for entity, window in (("customer", "90d"), ("merchant", "30d")):
        known[f"amount_{entity}_z"] = _deviation(payment.amount_minor, raw, entity, window)
    for entity in ("customer", "instrument"):
        known[f"amount_to_{entity}_max"] = _ratio(amount, known[f"{entity}_max_30d"])
        known[f"{entity}_sum_24h_log"] = math.log1p(known[f"{entity}_sum_24h"])
    for entity in ("customer", "instrument", "device", "pair"):
        known[f"{entity}_last_log"] = math.log1p(known[f"{entity}_last_30d"] / 1e6)
    for said in ("fraud", "good"):
        known[f"merchant_{said}_last_log"] = math.log1p(known[f"merchant_{said}_last_90d"] / 1e6)
    # Above 1 when fraud at the merchant became known faster this week than in the four before.
    recent, usual = known["merchant_fraud_7d"], known["merchant_fraud_28d"] / 4
    known["merchant_fraud_trend"] = (recent + 1) / (usual + 1)
    # Pulled towards one in a hundred: the first label of a merchant says little.
    judged = known["merchant_known_28d"]
    known["merchant_fraud_share"] = (known["merchant_fraud_28d"] + 0.1) / (judged + 10)
    known["new_customer"] = float(payment.has_customer and not known["customer_count_30d"])
    known["new_instrument"] = float(not known["instrument_count_30d"])
    known["new_device"] = float(payment.has_device and not known["device_count_30d"])
    known["new_pair"] = float(not known["pair_count_30d"])
    return known


def _ratio(amount: float, usual: float) -> float:
    # Nothing to compare with reads as usual; the count beside it says how much to believe that.
    return amount / usual if usual > 0 else 1.0


def _deviation(amount_minor: int, raw: Mapping[str, Number], entity: str, window: str) -> float:
    """How many standard deviations the amount lies above what is usual over the window.

    In integers up to the root, since sums of squares pass what a float holds exactly. Who always
    pays the same has no deviation: a tenth of the mean is the least that is taken for one.
    """
    count = int(raw[f"{entity}_count_{window}"] or 0)
    total = int(raw[f"{entity}_sum_{window}"] or 0)
    squares = int(raw[f"{entity}_sum_squares_{window}"] or 0)
    if count < 2 or total <= 0:
        return 0.0
    spread = math.sqrt(max(0, count * squares - total * total))  # n times the deviation
    return (count * amount_minor - total) / max(spread, total / 10)


def value_names() -> frozenset[str]:
    """The names that `values` gives, for checking rules before any payment comes."""
    return frozenset(values(empty_raw(), PaymentFacts(0, 1, "upi", "INR", False, False)))


def empty_raw() -> dict[str, Number]:
    """The aggregates of a payment that nothing came before."""
    return {feature.name: feature.empty for feature in FEATURES}


def vector(known: Mapping[str, float]) -> list[float]:
    """The model's inputs, picked from `values` in order."""
    return [known[name] for name in _INPUTS]


def vector_hash(made: Sequence[float]) -> str:
    """Names a vector: 16 hex digits over its numbers in single precision, as a model takes them."""
    packed = struct.pack(f"<{len(made)}f", *made)
    return hashlib.sha256(packed).hexdigest()[:16]


def finish(raw: Mapping[str, Number], payment: PaymentFacts) -> list[float]:
    """Aggregates and the payment itself, made into the vector that the model sees."""
    return vector(values(raw, payment))


def by_entity(
    kind: Kind, among: Sequence[Feature] = FEATURES
) -> Sequence[tuple[Entity, tuple[Feature, ...]]]:
    """The features of one kind grouped by entity, in the order in which they are given."""
    groups: dict[Entity, list[Feature]] = {}
    for feature in among:
        if feature.kind == kind:
            groups.setdefault(feature.entity, []).append(feature)
    return [(entity, tuple(features)) for entity, features in groups.items()]
