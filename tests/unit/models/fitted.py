"""Models as the pipeline fits them, on made-up aggregates, as bundles that the service can read."""

import hashlib
import random
from functools import cache
from pathlib import Path

import numpy as np

from models.fraud.bundle import Manifest, Parity, Probe, write_bundle
from models.fraud.calibration import Calibrated
from models.fraud.explainer import export
from models.fraud.features import (
    FEATURES,
    Feature,
    PaymentFacts,
    feature_names,
    feature_set_hash,
    finish,
)
from models.fraud.onnx_export import to_onnx
from models.fraud.training import Algorithm, TrainingParams, fit_estimator

_START_US = 1_790_000_000_000_000


def drawn_raw(rng: random.Random) -> dict[str, int | None]:
    """Aggregates of a payment whose entities are new, usual or busy, each by itself."""
    busy = {entity: rng.choice((0, 0.2, 1, 1, 5)) for entity in {f.entity for f in FEATURES}}
    return {feature.name: _drawn(feature, busy[feature.entity], rng) for feature in FEATURES}


def _drawn(feature: Feature, busy: float, rng: random.Random) -> int | None:
    if not busy:
        return feature.empty
    days = feature.window_s / 86_400
    match feature.aggregate:
        case "count" | "streak" | "distinct_customers":
            rare = 0.02 if feature.filter == "fraud" else 1
            return int(rng.expovariate(1 / (1 + busy * days * rare)))
        case "last":
            return int(rng.uniform(0, feature.window_s) * 1_000_000)
        case "sum_squares":
            return int(rng.lognormvariate(22, 2) * (1 + busy * days))
        case _:
            return int(rng.lognormvariate(10.5, 1) * (1 + busy * days))


def drawn_facts(rng: random.Random) -> PaymentFacts:
    return PaymentFacts(
        at_us=_START_US + int(rng.uniform(0, 30 * 86_400) * 1_000_000),
        amount_minor=int(rng.lognormvariate(10.5, 1.2)) + 1,
        method=rng.choice(("card", "upi")),
        currency="INR",
        has_customer=rng.random() < 0.9,
        has_device=rng.random() < 0.8,
        has_ip=rng.random() < 0.9,
    )


@cache
def fitted(algorithm: Algorithm, rows: int = 6_000) -> tuple[Calibrated, np.ndarray]:
    """The calibrated model, and the rows that it learned from."""
    rng = random.Random(3)
    made = [finish(drawn_raw(rng), drawn_facts(rng)) for _ in range(rows)]
    matrix = np.array(made, dtype=np.float32)
    at = {name: matrix[:, index] for index, name in enumerate(feature_names())}
    odds = at["amount_to_customer_mean"].clip(0, 20) + 4 * (at["instrument_fraud_90d"] > 0)
    odds = odds - 0.3 * at["customer_last_log"] + 2 * (at["hour"] < 5) - 2.5
    noise = np.random.default_rng(3).logistic(size=rows)
    targets = (odds + noise > 3).astype(np.int8)
    estimator = fit_estimator(matrix, targets, TrainingParams(algorithm=algorithm))
    return Calibrated(estimator, slope=0.9, intercept=-0.2), matrix


def fitted_bundle(path: Path, algorithm: Algorithm, version: str = "1") -> Path:
    model, rows = fitted(algorithm)
    onnx, explainer = to_onnx(model, rows.shape[1]), export(model)
    probes = rows[:: len(rows) // 12][:12]
    manifest = Manifest(
        version=version,
        created_at="2026-11-16T00:00:00+00:00",
        feature_set=feature_set_hash(),
        features=list(feature_names()),
        model_sha256=hashlib.sha256(onnx).hexdigest(),
        explainer_sha256=hashlib.sha256(explainer).hexdigest(),
        run_id="run",
        trained_from="2026-09-01T00:00:00+00:00",
        trained_to="2026-11-01T00:00:00+00:00",
        metrics={"auc": 0.9},
        parity=Parity(len(rows), 0.0),
        probes=[
            Probe(row.tolist(), float(found))
            for row, found in zip(probes, model.predict_proba(probes)[:, 1], strict=True)
        ],
    )
    write_bundle(path, manifest, onnx, explainer)
    return path
