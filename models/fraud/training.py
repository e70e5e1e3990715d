"""Fitting one model, measuring it and turning it into ONNX.

Belongs here: from a `Dataset` to a model with its evidence. Does not: reading the warehouse
(`dataset`), recording (`registry`) or deciding (`promotion`).

Only numbers in float32 go in: categories and isotonic calibration convert to ONNX without an
error and answer wrongly. Classes are not reweighted, so that a score stays a probability.
"""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from models.fraud.bundle import Bundle, Manifest, Parity, Probe, write_bundle
from models.fraud.dataset import Dataset
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.metrics import evaluate

Algorithm = Literal["hist_gradient_boosting", "logistic_regression"]

_PARITY_ROWS: Final = 20_000
_PROBES: Final = 8
_LATENCY_ROWS: Final = 500


class TrainingParams(Struct, frozen=True, kw_only=True):
    """Everything that decides what is fitted; with the same data, the same model."""

    algorithm: Algorithm = "hist_gradient_boosting"
    seed: int = 7
    learning_rate: float = 0.05
    max_iter: int = 150
    max_leaf_nodes: int = 8
    min_samples_leaf: int = 40
    l2_regularization: float = 5.0
    threads: int = 1  # trees this small wait for one another; on a busy machine for very long


class Trained(Struct):
    """A fitted model, its ONNX form and what was measured of both."""

    params: TrainingParams
    estimator: Any
    onnx: bytes
    metrics: dict[str, float]
    scores: Any  # of the test rows
    parity: Parity
    latency_us: float
    seconds: float


def fit(dataset: Dataset, params: TrainingParams) -> Trained:
    """Fit on the training part, measure on the test part, convert and compare."""
    train, test = dataset.train, dataset.test
    if not 0 < int(train.targets.sum()) < len(train.targets):
        raise ValueError("the training part holds no fraud, or nothing else")
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    started = time.perf_counter()
    estimator = _estimator(params)
    with threadpool_limits(params.threads, user_api="openmp"):
        estimator.fit(train.rows, train.targets)
        scores = estimator.predict_proba(test.rows)[:, 1]
    metrics = evaluate(test.targets, scores, test.at_us, test.instruments)
    onnx = to_onnx(estimator, train.rows.shape[1])
    trained = Trained(
        params=params,
        estimator=estimator,
        onnx=onnx,
        metrics=metrics,
        scores=scores,
        parity=Parity(0, 1.0),
        latency_us=0.0,
        seconds=0.0,
    )
    bundle = Bundle(_manifest(trained, dataset, version="0", run_id=""), onnx)
    trained.parity = compare(estimator, bundle, test.rows[-_PARITY_ROWS:])
    trained.latency_us = latency_us(bundle, test.rows[:_LATENCY_ROWS])
    trained.seconds = time.perf_counter() - started
    return trained


def _estimator(params: TrainingParams) -> Any:
    if params.algorithm == "logistic_regression":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        regression = LogisticRegression(
            C=1 / params.l2_regularization, max_iter=2_000, random_state=params.seed
        )
        return make_pipeline(StandardScaler(), regression)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=params.learning_rate,
        max_iter=params.max_iter,
        max_leaf_nodes=params.max_leaf_nodes,
        min_samples_leaf=params.min_samples_leaf,
        l2_regularization=params.l2_regularization,
        early_stopping=False,  # its validation rows are drawn at random, which mixes the days
        random_state=params.seed,
    )


def to_onnx(estimator: Any, width: int) -> bytes:
    """The model as an ONNX graph: float32 rows in, labels and probabilities out."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    graph = convert_sklearn(
        estimator,
        name="khata_fraud",  # otherwise a random one: the same training gives the same bytes
        initial_types=[("input", FloatTensorType([None, width]))],
        options={id(estimator): {"zipmap": False}},
    )
    return bytes(graph.SerializeToString())


def compare(estimator: Any, bundle: Bundle, rows: Any) -> Parity:
    """The largest distance of ONNX from scikit-learn over `rows`."""
    import numpy as np

    difference = np.abs(bundle.scores(rows) - estimator.predict_proba(rows)[:, 1])
    return Parity(len(rows), float(difference.max()))


def latency_us(bundle: Bundle, rows: Any) -> float:
    """The 99th percentile of scoring one row, in microseconds."""
    import numpy as np

    vectors = [row.tolist() for row in rows]
    for vector in vectors[:20]:
        bundle.score(vector)
    taken = []
    for vector in vectors:
        started = time.perf_counter()
        bundle.score(vector)
        taken.append(time.perf_counter() - started)
    return float(np.percentile(taken, 99) * 1e6)


def save_bundle(
    trained: Trained, dataset: Dataset, path: Path, *, version: str, run_id: str
) -> Manifest:
    """Write the model as the file that the service reads."""
    manifest = _manifest(trained, dataset, version=version, run_id=run_id)
    write_bundle(path, manifest, trained.onnx)
    return manifest


def _manifest(trained: Trained, dataset: Dataset, *, version: str, run_id: str) -> Manifest:
    rows = dataset.test.rows[:: max(1, len(dataset.test.rows) // _PROBES)][:_PROBES]
    expected = trained.estimator.predict_proba(rows)[:, 1]
    split = dataset.split
    return Manifest(
        version=version,
        # When its data ended, not when the file was written: the same run gives the same bytes.
        created_at=_text(split.test_until),
        feature_set=feature_set_hash(),
        features=list(feature_names()),
        model_sha256=hashlib.sha256(trained.onnx).hexdigest(),
        run_id=run_id,
        trained_from=_text(dataset.trained_from),
        trained_to=_text(split.train_until - split.label_delay),
        metrics={name: trained.metrics[name] for name in ("auc", "ap", "cp100")},
        parity=trained.parity,
        probes=[
            Probe(row.tolist(), float(probability))
            for row, probability in zip(rows, expected, strict=True)
        ],
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
