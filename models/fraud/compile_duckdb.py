"""Writes the DuckDB query that computes every feature of every payment at its own time.

Belongs here: training's half of the feature compiler. Does not: what a feature is (`features`).

Inputs are two relations:
- payments `(payment_id, at_us BIGINT, customer_key, instrument, device_key, merchant_id,
  amount_minor)`, one row a payment;
- labels `(instrument, merchant_id, fraud BOOLEAN, known_us BIGINT)`, one row a label.
Time is microseconds in whole numbers, so that `RANGE BETWEEN w PRECEDING AND 1 PRECEDING` is
exactly `[t - w, t)`. One pass a window: 200,000 payments take a second or two.
"""

from models.fraud.features import FEATURES, KEYS, Entity, Feature, by_entity

_US = 1_000_000


def compile_features(payments: str = "payments", labels: str = "labels") -> str:
    """One SELECT: `payment_id` and a column for each of `FEATURES`, by their names."""
    ctes = []
    joins = []
    for entity, features in by_entity("transaction"):
        ctes.append(_transactions(entity, features, payments))
        joins.append(f"of_{entity}")
    for entity, features in by_entity("label"):
        ctes.append(_labels(entity, features, payments, labels))
        joins.append(f"labels_of_{entity}")
    columns = ",\n".join(f"    {_output(feature)}" for feature in FEATURES)
    with_parts = ",\n".join(ctes)
    joined = "\n".join(f"LEFT JOIN {name} USING (payment_id)" for name in joins)
    selected = f"SELECT\n    p.payment_id,\n{columns}"
    return f"WITH\n{with_parts}\n{selected}\nFROM {payments} AS p\n{joined}\n"


def _output(feature: Feature) -> str:
    # No row was made for a payment without the key: its aggregates are those of no events.
    if feature.empty is None:
        return feature.name
    return f"coalesce({feature.name}, {feature.empty}) AS {feature.name}"


def _transactions(entity: Entity, features: tuple[Feature, ...], payments: str) -> str:
    columns = ",\n".join(f"        {_aggregate(f)} AS {f.name}" for f in features)
    present = " AND ".join(f"{key} IS NOT NULL" for key in KEYS[entity])
    return (
        f"of_{entity} AS (\n    SELECT\n        payment_id,\n{columns}\n"
        f"    FROM {payments}\n    WHERE {present}\n{_windows(entity, features)}\n)"
    )


def _labels(entity: Entity, features: tuple[Feature, ...], payments: str, labels: str) -> str:
    """Payments and labels on one time line; a payment then looks back at the labels alone."""
    key = ", ".join(KEYS[entity])
    columns = ",\n".join(f"        {_label_aggregate(f)} AS {f.name}" for f in features)
    return (
        f"labels_of_{entity} AS (\n    SELECT\n        payment_id,\n{columns}\n"  # noqa: S608
        f"    FROM (\n"
        f"        SELECT payment_id, {key}, at_us, NULL::BIGINT AS known_us FROM {payments}\n"
        f"        UNION ALL\n"
        f"        SELECT NULL, {key}, known_us, known_us FROM {labels} WHERE fraud\n"
        f"    )\n{_windows(entity, features)}\n    QUALIFY payment_id IS NOT NULL\n)"
    )


def _windows(entity: Entity, features: tuple[Feature, ...]) -> str:
    lengths = sorted({feature.window_s for feature in features})
    windows = ",\n".join(
        f"        w{length} AS (PARTITION BY {', '.join(KEYS[entity])} ORDER BY at_us"
        f" RANGE BETWEEN {length * _US} PRECEDING AND 1 PRECEDING)"
        for length in lengths
    )
    return f"    WINDOW\n{windows}"


def _aggregate(feature: Feature) -> str:
    window = f"OVER w{feature.window_s}"
    match feature.measure:
        case "count":
            return f"count(*) {window}"
        case "sum":
            return f"CAST(coalesce(sum(amount_minor) {window}, 0) AS BIGINT)"
        case "max":
            return f"max(amount_minor) {window}"
        case "last":
            return f"at_us - max(at_us) {window}"
        case "customers":
            return f"count(DISTINCT customer_key) {window}"


def _label_aggregate(feature: Feature) -> str:
    window = f"OVER w{feature.window_s}"
    if feature.measure == "count":
        return f"count(known_us) {window}"
    return f"at_us - max(known_us) {window}"
