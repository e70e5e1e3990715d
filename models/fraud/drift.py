"""A day's decisions in the bins of the models that made them.

Belongs here: features of stored decisions back to what the model saw, counted in bins. Does not:
what the counts mean (`watching`), or which day (`assets.fraud_watch`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from models.fraud.bundle import Binned, Reference
from models.fraud.features import PaymentFacts, epoch_us, feature_names, feature_set_hash, finish
from models.fraud.watching import count_bins, psi_of_counts, verdict
from warehouse.connection import sql_text

if TYPE_CHECKING:
    from warehouse.connection import Lake

SCORE: Final = "score"
# So many of a day's decisions, of each model, tell its distribution to a tenth of a per cent.
SAMPLED: Final = 50_000
_AT_ONCE: Final = 10_000


class Watched(Struct, frozen=True):
    """One model in one role, in one mode of the books."""

    livemode: bool
    role: str
    version: str


class Counted:
    """A model's decisions of a day in the bins of its reference, by input."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.bins: dict[str, Binned] = {SCORE: reference.score, **reference.inputs}
        self.counts = {name: [0] * len(found.shares) for name, found in self.bins.items()}
        self.missing = dict.fromkeys(self.bins, 0)

    def add(self, columns: Mapping[str, Any]) -> None:
        """Count some more rows; an input that the reference does not name is not looked at."""
        for name, found in self.bins.items():
            counts, missing = count_bins(found.edges, columns[name])
            self.counts[name] = [a + b for a, b in zip(self.counts[name], counts, strict=True)]
            self.missing[name] += missing


def count_day(
    lake: "Lake", day: date, references: Mapping[str, Reference], *, sampled: int = SAMPLED
) -> dict[Watched, Counted]:
    """The day's decisions, or a sample that is the same each time, for every model that has a
    reference. Decisions with features of another set are left out: nobody can finish them now."""
    import numpy as np

    made: dict[Watched, Counted] = {}
    names = feature_names()
    for block in _blocks(lake, day, sampled):
        rows = np.array([_vector(row) for row in block], dtype=np.float32)
        inputs = dict(zip(names, rows.T, strict=True))
        for watched, found in _by_model(block).items():
            reference = references.get(watched.version)
            if reference is None:
                continue
            places, scores = found
            columns = {name: inputs[name][places] for name in reference.inputs}
            columns[SCORE] = np.array(scores, dtype=np.float64)
            made.setdefault(watched, Counted(reference)).add(columns)
    return made


def store_day(lake: "Lake", day: date, counted: Mapping[Watched, Counted]) -> list[dict[str, Any]]:
    """Replace the day in `fraud_drift`; call it inside a transaction. Returns its rows."""
    import polars as pl

    before = {
        (Watched(row["livemode"], row["role"], row["model_version"]), row["input"]): row["counts"]
        for row in lake.query("fraud_drift_week", day=day).iter_rows(named=True)
    }
    rows = [
        _row(day, watched, found, name, before.get((watched, name)))
        for watched, found in counted.items()
        for name in found.bins
    ]
    lake.execute("DELETE FROM fraud_drift WHERE business_date = $day", day=day)
    if rows:
        types = {"psi": pl.Float64, "week_psi": pl.Float64}
        lake.append("fraud_drift", pl.DataFrame(rows, schema_overrides=types))
    return rows


def _row(
    day: date, watched: Watched, found: Counted, name: str, before: Sequence[int] | None
) -> dict[str, Any]:
    bins, reference_rows = found.bins[name], found.reference.rows
    counts = found.counts[name]
    week = counts
    if before is not None and len(before) == len(counts):
        week = [a + b for a, b in zip(counts, before, strict=True)]
    index = psi_of_counts(bins, reference_rows, week)
    return {
        "business_date": day,
        "livemode": watched.livemode,
        "role": watched.role,
        "model_version": watched.version,
        "input": name,
        "rows": sum(counts),
        "missing": found.missing[name],
        "counts": counts,
        "psi": psi_of_counts(bins, reference_rows, counts),
        "week_rows": sum(week),
        "week_psi": index,
        "verdict": verdict(index),
    }


def _blocks(lake: "Lake", day: date, sampled: int) -> Iterator[list[dict[str, Any]]]:
    result = lake.connection.execute(
        sql_text("fraud_served_vectors"),
        {"day": day, "feature_set": feature_set_hash(), "sampled": sampled},
    )
    columns = [column[0] for column in result.description]
    while chunk := result.fetchmany(_AT_ONCE):
        yield [dict(zip(columns, row, strict=True)) for row in chunk]


def _vector(row: Mapping[str, Any]) -> Sequence[float]:
    facts = PaymentFacts(
        at_us=epoch_us(row["created_at"]),
        amount_minor=row["amount_minor"],
        method=row["method"],
        currency=row["currency"],
        has_customer=row["has_customer"],
        has_device=row["has_device"],
        has_ip=row["has_ip"],
    )
    return finish(json.loads(row["features"]), facts)


def _by_model(block: Sequence[Mapping[str, Any]]) -> dict[Watched, tuple[list[int], list[float]]]:
    """Which rows of a block each model scored, and how."""
    found: dict[Watched, tuple[list[int], list[float]]] = {}
    for place, row in enumerate(block):
        for role, version, score in (
            ("champion", row["model_version"], row["probability"]),
            ("challenger", row["challenger_version"], row["challenger_probability"]),
        ):
            if version is not None and score is not None:
                places, scores = found.setdefault(Watched(row["livemode"], role, version), ([], []))
                places.append(place)
                scores.append(score)
    return found
