"""Writes the DuckDB query that computes every feature of payments, each at its own time.

Belongs here: the set-wise half of the feature compiler, for training, back-tests and replay. Does
not: what a feature is (`features`).

Inputs are relations, with time as microseconds in whole numbers:
- payments `(payment_id, at_us, amount_minor, customer_key, card_key, vpa_key, device_key, ip_key,
  merchant_id)`, one row a payment;
- labels: the same keys and `amount_minor` of the labelled payment, `fraud BOOLEAN` and `known_us`,
  one row a label;
- wanted `(payment_id)`: the payments for which rows come out, all of them when it is left out.

`RANGE BETWEEN w PRECEDING AND 1 PRECEDING` is exactly `[t - w, t)` in microseconds. All windows of
one entity share one sort. With `wanted`, only events are read that share a key with a wanted
payment and lie in the longest window of one, so that a day costs a day's entities, not the log.
"""

from collections.abc import Sequence

from models.fraud.features import FEATURES, FILTERS, KEYS, Entity, Feature, by_entity

_US = 1_000_000
_ALL_KEYS = tuple(dict.fromkeys(key for keys in KEYS.values() for key in keys))


def compile_features(
    payments: str = "payments",
    labels: str = "labels",
    wanted: str | None = None,
    closing: str = "1",
    features: Sequence[Feature] = FEATURES,
) -> str:
    """One SELECT: `payment_id` and a column for each of the features, by their names.

    `closing` may name a column of payments: how many microseconds before the payment its windows
    end, instead of right before it. Replay closes them at what a decision could not see.
    """
    parts = []
    asked = payments
    if wanted is not None:
        asked = "asked"
        parts.append(_asked(payments, wanted, closing))
    names = []
    for entity, group in by_entity("transaction", features):
        names.append(f"of_{entity}")
        select = _transactions(entity, group, payments, asked, closing)
        parts.append(f"of_{entity} AS (\n{select}\n)")
    for entity, group in by_entity("label", features):
        names.append(f"labels_of_{entity}")
        select = _labels(entity, group, labels, asked, closing)
        parts.append(f"labels_of_{entity} AS (\n{select}\n)")
    columns = ",\n".join(f"    {_output(feature)}" for feature in features)
    joins = "\n".join(f"LEFT JOIN {name} USING (payment_id)" for name in names)
    with_parts = ",\n".join(parts)
    return f"WITH\n{with_parts}\nSELECT\n    payment_id,\n{columns}\nFROM {asked}\n{joins}\n"


def _asked(payments: str, wanted: str, closing: str) -> str:
    columns = ", ".join(("payment_id", "at_us", *_ALL_KEYS, *([] if closing == "1" else [closing])))
    return (
        f"asked AS MATERIALIZED (\n    SELECT {columns}\n"
        f"    FROM {payments} SEMI JOIN {wanted} USING (payment_id)\n)"
    )


def _output(feature: Feature) -> str:
    # No row was made for a payment without the key: its aggregates are those of no events.
    if feature.empty is None:
        return feature.name
    return f"coalesce({feature.name}, {feature.empty}) AS {feature.name}"


def _transactions(
    entity: Entity, features: tuple[Feature, ...], payments: str, asked: str, closing: str
) -> str:
    conditions = [_present(entity)]
    qualify = ""
    if asked != payments:
        conditions += _near(entity, features, "at_us", payments)
        qualify = "\n    QUALIFY payment_id IN (SELECT payment_id FROM asked)"
    return (
        f"    SELECT\n        payment_id,\n{_columns(features)}\n    FROM {payments}\n"
        f"    WHERE {_and(conditions)}\n{_windows(entity, features, closing)}{qualify}"
    )


def _labels(
    entity: Entity, features: tuple[Feature, ...], labels: str, asked: str, closing: str
) -> str:
    """Payments and labels on one time line; a payment then looks back at the labels alone."""
    keys = ", ".join(KEYS[entity])
    conditions = [_present(entity), *_needed(features)]
    if asked == "asked":
        conditions += _near(entity, features, "known_us", labels)
    streaks = sorted({feature.filter for feature in features if feature.aggregate == "streak"})
    counted = "".join(
        f",\n            count(*) FILTER (WHERE {FILTERS['label'][name]})"
        f" OVER (PARTITION BY {keys} ORDER BY at_us) AS {name}_so_far"
        for name in streaks
    )
    return (
        f"    SELECT\n        payment_id,\n{_columns(features)}\n"
        f"    FROM (\n        SELECT\n            *{counted}\n        FROM (\n"
        f"            SELECT payment_id, {keys}, at_us, NULL::BIGINT AS known_us,\n"
        f"                NULL::BOOLEAN AS fraud, NULL::BIGINT AS amount_minor,\n"
        f"                {closing} AS closing\n"
        f"            FROM {asked}\n            WHERE {_present(entity)}\n"
        f"            UNION ALL\n"
        f"            SELECT NULL, {keys}, known_us, known_us, fraud, amount_minor, 1\n"
        f"            FROM {labels}\n"
        f"            WHERE {_and(conditions, 12)}\n        )\n    )\n"
        f"{_windows(entity, features, closing)}\n    QUALIFY payment_id IS NOT NULL"
    )


def _present(entity: Entity) -> str:
    if entity == "pair":  # a card or a VPA, and the other is null
        return "coalesce(card_key, vpa_key) IS NOT NULL AND merchant_id IS NOT NULL"
    return " AND ".join(f"{key} IS NOT NULL" for key in KEYS[entity])


def _needed(features: tuple[Feature, ...]) -> list[str]:
    """Nine in ten labels are good: they are left out where only the others are counted."""
    filters = sorted({FILTERS["label"][feature.filter] for feature in features})
    if "true" in filters or any(feature.aggregate == "streak" for feature in features):
        return []
    return [f"({' OR '.join(filters)})"]


def _near(entity: Entity, features: tuple[Feature, ...], time: str, events: str) -> list[str]:
    longest = max(feature.window_s for feature in features) * _US
    same = " AND ".join(f"asked.{key} IS NOT DISTINCT FROM {events}.{key}" for key in KEYS[entity])
    return [
        f"{time} >= (SELECT min(at_us) FROM asked) - {longest}",
        f"{time} <= (SELECT max(at_us) FROM asked)",
        f"EXISTS (SELECT 1 FROM asked WHERE {same})",
    ]


def _and(conditions: list[str], indent: int = 4) -> str:
    return ("\n" + " " * indent + "  AND ").join(conditions)


def _windows(entity: Entity, features: tuple[Feature, ...], closing: str) -> str:
    keys = ", ".join(KEYS[entity])
    windows = ",\n".join(
        f"        w{length} AS (PARTITION BY {keys} ORDER BY at_us"
        f" RANGE BETWEEN {length * _US} PRECEDING AND {closing} PRECEDING)"
        for length in sorted({feature.window_s for feature in features})
    )
    return f"    WINDOW\n{windows}"


def _columns(features: tuple[Feature, ...]) -> str:
    return ",\n".join(f"        {_aggregate(f)} AS {f.name}" for f in features)


def _aggregate(feature: Feature) -> str:
    condition = FILTERS[feature.kind][feature.filter]
    time = "at_us" if feature.kind == "transaction" else "known_us"
    over = f"OVER w{feature.window_s}"
    if condition != "true":
        over = f"FILTER (WHERE {condition}) {over}"
    match feature.aggregate:
        case "count":
            return f"count({time}) {over}"
        case "sum":
            return f"CAST(coalesce(sum(amount_minor) {over}, 0) AS BIGINT)"
        case "sum_squares":
            return f"coalesce(sum(amount_minor::HUGEINT * amount_minor) {over}, 0)"
        case "max":
            return f"max(amount_minor) {over}"
        case "last":
            return f"at_us - max({time}) {over}"
        case "distinct_customers":
            return f"count(DISTINCT customer_key) {over}"
        case "streak":
            return _streak(feature, condition)


def _streak(feature: Feature, condition: str) -> str:
    """Matching labels ever, less those ever up to the newest of the window that does not match.

    `..._so_far` counts the label's own microsecond too, so that labels known at the same time as
    the one that breaks the streak are before it. Without such a one: all matching in the window.
    """
    so_far, window = f"{feature.filter}_so_far", f"OVER w{feature.window_s}"
    broken = f"max({so_far}) FILTER (WHERE NOT ({condition})) {window}"
    return (
        f"coalesce(max({so_far}) {window} - {broken},"
        f" count(known_us) FILTER (WHERE {condition}) {window})"
    )
