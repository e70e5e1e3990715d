"""Writes the PostgreSQL query that reads every feature of one payment in one round trip.

Belongs here: serving's half of the feature compiler; `python -m models compile` puts its text
into `online/risk/queries.sql`, and a test compares the two. Does not: what a feature is.

Each entity is one index range scan over its own rows of the longest window. That costs
O(events of the entity in the window), which is right for customers, cards and devices; tiles
(hourly and daily sums kept by the writer, exact at the edges) will replace it for hot ones.
"""

from models.fraud.features import KEYS, Entity, Feature, Kind, by_entity

_TYPES = {"customer_key": "text", "instrument": "text", "device_key": "text", "merchant_id": "uuid"}
_HEAD = """\
-- Written by `python -m models compile` from models/fraud/features.py: do not edit.

-- name: raw_features
-- Every aggregate of one payment, and the snapshot under which they were read.
-- Windows are [at - w, at). A null key has no events. No join: each line is one index scan.
"""


def compile_features() -> str:
    """The whole text of `online/risk/queries.sql`."""
    parts: list[tuple[str, str]] = []
    for entity, features in by_entity("transaction"):
        parts.append((f"of_{entity}", _subquery(entity, "transaction", features)))
    for entity, features in by_entity("label"):
        parts.append((f"labels_of_{entity}", _subquery(entity, "label", features)))
    columns = ",\n".join(f"    {name}.*" for name, _ in parts)
    sources = ",\n".join(f"(\n{sql}\n) as {name}" for name, sql in parts)
    selected = f"    pg_current_snapshot()::text as snapshot,\n{columns}"
    return f"{_HEAD}select\n{selected}\nfrom\n{sources};\n"


def _subquery(entity: Entity, kind: Kind, features: tuple[Feature, ...]) -> str:
    time, table = ("at", "risk_activity") if kind == "transaction" else ("known_at", "risk_labels")
    longest = max(feature.window_s for feature in features)
    columns = ",\n".join(f"        {_aggregate(f, time, longest)} as {f.name}" for f in features)
    conditions = [f"{key} = %({key})s::{_TYPES[key]}" for key in KEYS[entity]]
    conditions += [_since(time, longest), f"{time} < %(at)s::timestamptz"]
    conditions.append("livemode = %(livemode)s::boolean")
    if kind == "label":
        conditions.append("fraud")
    return f"    select\n{columns}\n    from {table}\n    where " + "\n      and ".join(conditions)


def _since(time: str, window_s: int) -> str:
    # Seconds, not days: an interval of days follows the session's time zone over a clock change.
    return f"{time} >= %(at)s::timestamptz - interval '{window_s} seconds'"


def _aggregate(feature: Feature, time: str, longest: int) -> str:
    inside = f" filter (where {_since(time, feature.window_s)})"
    if feature.window_s == longest:
        inside = ""  # the WHERE clause says it already
    match feature.measure:
        case "count":
            return f"count(*){inside}"
        case "sum":
            return f"coalesce(sum(amount_minor){inside}, 0)::bigint"
        case "max":
            return f"max(amount_minor){inside}"
        case "last":
            newest = f"max({time}){inside}"
            return f"(extract(epoch from %(at)s::timestamptz - {newest}) * 1000000)::bigint"
        case "customers":
            return f"count(distinct customer_key){inside}"
