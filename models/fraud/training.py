"""Fitting candidates, choosing one on later days, making its scores probabilities, measuring it.

Belongs here: from a `Dataset` to a model with its evidence. Does not: reading the warehouse
(`dataset`), recording (`recording`) or deciding on promotion (`promotion`).

Candidates learn from the early training days and are compared on the late ones; the test days see
only the one that was chosen. Its sigmoid is fitted on the scores of the late days, which it had not
seen; then it is fitted once more on all training days, as scikit-learn's own calibration does with
`ensemble=False`, but with time in place of folds.

Frauds are few. No payment is left out or copied; by default none weighs more than another, so that
a score stays near a probability, and the sigmoid corrects what is left, or what a weighting did.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from models.fraud.bundle import Calibration, Parity, Reference
from models.fraud.calibration import Calibrated, calibrated, fit_sigmoid
from models.fraud.dataset import Dataset, Part
from models.fraud.features import feature_names
from models.fraud.metrics import Week, by_week, evaluate, intervals
from models.fraud.onnx_export import OnnxModel, compare, latency_us, to_onnx
from models.fraud.watching import Interval, binned, count_bins, psi_of_counts

Algorithm = Literal["logistic_regression", "hist_gradient_boosting", "random_forest"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

_LATENCY_ROWS: Final = 500
# Many payments share the lowest score, an edge of a bin: ONNX's last digit must not move them all.
_SCORE_DIGITS: Final = 6
_IST_US: Final = 19_800 * 1_000_000  # an analyst's day begins at midnight in India


class TrainingParams(Struct, frozen=True, kw_only=True):
    """Everything that decides what is fitted; with the same data, the same model."""

    algorithm: Algorithm = "hist_gradient_boosting"
    seed: int = 7
    class_weight: Literal["none", "balanced"] = "none"
    learning_rate: float = 0.05
    max_iter: int = 150
    max_leaf_nodes: int = 8
    min_samples_leaf: int = 40
    l2_regularization: float = 5.0
    trees: int = 100
    forest_leaf: int = 5
    forest_features: float = 0.3
    threads: int = 1  # trees this small wait for one another; on a busy machine for very long


class Tried(Struct, frozen=True, kw_only=True):
    """A candidate as it did on the late training days."""

    params: TrainingParams
    measures: dict[str, Interval]
    seconds: float


class Trained(Struct, kw_only=True):
    """A fitted model, its ONNX form and what was measured of both."""

    params: TrainingParams
    tried: tuple[Tried, ...]
    model: Calibrated
    calibration: Calibration
    reference: Reference
    onnx: bytes
    metrics: dict[str, float]  # of the test days
    measures: dict[str, Interval]
    weeks: list[Week]
    drift: dict[str, float]  # stability index of the test days against the late ones, by input
    scores: Any  # of the test rows
    parity: Parity
    latency_us: float
    seconds: float


def fit(
    dataset: Dataset, params: TrainingParams, candidates: Sequence[Algorithm] = ALGORITHMS
) -> Trained:
    """Try the candidates, fit the best, measure it on the test days, convert and compare it."""
    started = time.perf_counter()
    tried, late_scores = _try(dataset, params, candidates)
    chosen = best(tried).params
    late = dataset.late
    slope, intercept = fit_sigmoid(late_scores[chosen.algorithm], late.targets)
    model = Calibrated(
        fit_estimator(dataset.train.rows, dataset.train.targets, chosen), slope, intercept
    )
    onnx = OnnxModel(to_onnx(model, dataset.train.rows.shape[1]))
    test = dataset.test
    scores = onnx.scores(test.rows)
    late_calibrated = calibrated(late_scores[chosen.algorithm], slope, intercept)
    before = _reference(late, late_calibrated.round(_SCORE_DIGITS))
    return Trained(
        params=chosen,
        tried=tried,
        model=model,
        calibration=Calibration(
            method="sigmoid",
            slope=slope,
            intercept=intercept,
            rows=len(late.targets),
            frauds=int(late.targets.sum()),
        ),
        reference=_reference(test, scores),
        onnx=onnx.content,
        metrics=evaluate(test.targets, scores, local_us(test), test.cards),
        measures=intervals(test.targets, scores, local_us(test), test.cards, seed=params.seed),
        weeks=by_week(test.targets, scores, local_us(test), test.cards, seed=params.seed),
        drift=_drift(before, test, scores.round(_SCORE_DIGITS)),
        scores=scores,
        parity=_parity(model, onnx, dataset),
        latency_us=latency_us(onnx.score, test.rows[:_LATENCY_ROWS]),
        seconds=time.perf_counter() - started,
    )


def fit_estimator(rows: Any, targets: Any, params: TrainingParams) -> Any:
    """A fitted scikit-learn classifier. `rows` is a float32 matrix, `targets` are 0 and 1."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if not 0 < int(targets.sum()) < len(targets):
        raise ValueError("the days to learn from hold no fraud, or nothing else")
    if params.algorithm == "logistic_regression":
        rows = rows.astype("float64")  # scikit-learn would count in float32, and end elsewhere
    with threadpool_limits(params.threads, user_api="openmp"):
        return _estimator(params).fit(rows, targets)


def best(tried: Sequence[Tried]) -> Tried:
    """The highest average precision, then the highest card precision, then the first."""
    return max(tried, key=lambda found: (found.measures["ap"].value, found.measures["cp100"].value))


def local_us(part: Part) -> Any:
    """Times whose days are Indian days."""
    return part.at_us + _IST_US


def _try(
    dataset: Dataset, params: TrainingParams, candidates: Sequence[Algorithm]
) -> tuple[tuple[Tried, ...], dict[Algorithm, Any]]:
    """Every candidate fitted on the early days, and its scores of the late ones."""
    early, late = dataset.early, dataset.late
    if not 0 < int(early.targets.sum()) < len(early.targets):
        raise ValueError(
            f"the {len(early.targets)} payments before {dataset.choose_from:%Y-%m-%d} hold no fraud"
            " that was known then: candidates need a longer past to be compared on"
        )
    tried, scores = [], {}
    for algorithm in candidates:
        started = time.perf_counter()
        candidate = msgspec.structs.replace(params, algorithm=algorithm)
        estimator = fit_estimator(early.rows, early.targets, candidate)
        seconds = time.perf_counter() - started
        found = estimator.predict_proba(late.rows.astype("float64"))[:, 1]
        scores[algorithm] = found
        measures = intervals(late.targets, found, local_us(late), late.cards, seed=params.seed)
        tried.append(Tried(params=candidate, measures=measures, seconds=seconds))
    return tuple(tried), scores


def _estimator(params: TrainingParams) -> Any:
    weight = None if params.class_weight == "none" else params.class_weight
    if params.algorithm == "logistic_regression":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        regression = LogisticRegression(
            C=1 / params.l2_regularization,
            class_weight=weight,
            max_iter=2_000,
            random_state=params.seed,
        )
        return make_pipeline(StandardScaler(), regression)
    if params.algorithm == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=params.trees,
            min_samples_leaf=params.forest_leaf,
            max_features=params.forest_features,
            class_weight=weight,
            n_jobs=params.threads,
            random_state=params.seed,
        )
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=params.learning_rate,
        max_iter=params.max_iter,
        max_leaf_nodes=params.max_leaf_nodes,
        min_samples_leaf=params.min_samples_leaf,
        l2_regularization=params.l2_regularization,
        class_weight=weight,
        early_stopping=False,  # its validation rows are drawn at random, which mixes the days
        random_state=params.seed,
    )


def _parity(model: Calibrated, onnx: OnnxModel, dataset: Dataset) -> Parity:
    """Over every row that there is: those that were learned from hold the split points."""
    parts = [compare(model, onnx.scores, part.rows) for part in (dataset.train, dataset.test)]
    return Parity(sum(part.rows for part in parts), max(part.max_abs_diff for part in parts))


def _reference(part: Part, scores: Any) -> Reference:
    columns = zip(feature_names(), part.rows.T, strict=True)
    return Reference(
        rows=len(part.targets),
        score=binned(scores),
        inputs={name: binned(column) for name, column in columns},
    )


def _drift(before: Reference, test: Part, scores: Any) -> dict[str, float]:
    """How far the test days are from those before them, by input and for the `score`.

    Left out is what so few rows cannot tell.
    """
    columns = dict(zip(feature_names(), test.rows.T, strict=True))
    found = {}
    for name, bins, column in [
        ("score", before.score, scores),
        *((name, bins, columns[name]) for name, bins in before.inputs.items()),
    ]:
        counts, _ = count_bins(bins.edges, column)
        index = psi_of_counts(bins, before.rows, counts)
        if index is not None:
            found[name] = index
    return found
