"""From an event log to a chosen, calibrated, recorded model that can be made again."""

import random

import duckdb
import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.fraud.calibration import Calibrated, calibrated, fit_sigmoid, log_odds
from models.fraud.dataset import build_dataset, latest_split
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.onnx_export import OnnxModel, compare, to_onnx
from models.fraud.recording import recipe_of, record
from models.fraud.tracking import MODEL, TRUSTED_TYPES, Tracking, client_of
from models.fraud.training import ALGORITHMS, TrainingParams, best, fit, fit_estimator
from online.kernel import ids
from online.sandbox.world import World
from tests.unit.models.synthetic import START, Label, Payment, drawn_id, event_log
from tests.unit.models.trained import made_dataset
from warehouse import macros

SMALL = TrainingParams(max_iter=40, trees=20)


@pytest.fixture(scope="module")
def trained():
    return fit(made_dataset(), SMALL)


def test_the_best_on_the_late_days_is_chosen_and_all_are_told_of(trained):
    assert [tried.params.algorithm for tried in trained.tried] == list(ALGORITHMS)
    chosen = max(trained.tried, key=lambda tried: tried.measures["ap"].value)
    assert best(trained.tried) is chosen
    assert trained.params == chosen.params
    assert trained.metrics["auc"] > 0.85
    assert trained.metrics["ap"] > 10 * trained.metrics["fraud_rate"]


def test_candidates_learn_only_what_was_known_at_the_choice():
    dataset = made_dataset()
    early, late = dataset.early, dataset.late
    assert 0 < len(early.targets) < len(dataset.train.targets) - len(late.targets)
    gap_us = int(late.at_us[0] - early.at_us[-1])
    assert gap_us > 0.99 * dataset.split.label_delay.total_seconds() * 1e6
    assert early.targets.sum() <= dataset.train.targets[: len(early.targets)].sum()
    blind = msgspec.structs.replace(dataset, early_targets=np.zeros_like(dataset.early_targets))
    with pytest.raises(ValueError, match="hold no fraud that was known then"):
        fit(blind, SMALL)


@pytest.mark.parametrize("seed", [3, 5])
def test_a_forest_whose_lowest_score_many_share_has_not_drifted(seed):
    """The edge of the lowest bin is a score that ONNX gives with another last digit."""
    params = msgspec.structs.replace(SMALL, algorithm="random_forest", seed=seed)
    assert fit(made_dataset(), params, ("random_forest",)).drift["score"] < 0.5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("slope", [1.0, 0.2, 3.0])
def test_onnx_is_scikit_learn_however_it_is_calibrated(algorithm, slope):
    dataset = made_dataset()
    params = msgspec.structs.replace(SMALL, algorithm=algorithm)
    estimator = fit_estimator(dataset.train.rows, dataset.train.targets, params)
    model = Calibrated(estimator, slope, -1.3)
    onnx = OnnxModel(to_onnx(model, dataset.train.rows.shape[1]))
    # Beyond what was seen, too: each column reaches ten times as far.
    far = np.random.default_rng(5).choice([0.1, 1, 10], dataset.train.rows.shape)
    rows = np.concatenate([dataset.train.rows, dataset.train.rows * far]).astype(np.float32)
    parity = compare(model, onnx.scores, rows)
    assert parity.rows == len(rows) > 7_000
    assert parity.max_abs_diff <= 1e-5
    assert onnx.score(rows[0].tolist()) == pytest.approx(onnx.scores(rows[:1])[0], abs=1e-7)


def test_the_same_seed_gives_the_same_model(trained):
    again = fit(made_dataset(), SMALL)
    assert again.onnx == trained.onnx
    assert again.metrics == trained.metrics
    assert again.measures == trained.measures


def test_the_sigmoid_is_the_likeliest_one():
    """Against scikit-learn's own regression on the same log-odds, without its penalty."""
    random_ = np.random.default_rng(2)
    scores = random_.beta(0.4, 6, 20_000)
    targets = (random_.random(20_000) < calibrated(scores, 0.6, -1.1)).astype(int)
    slope, intercept = fit_sigmoid(scores, targets)
    reference = LogisticRegression(C=1e9, tol=1e-10).fit(log_odds(scores)[:, None], targets)
    assert slope == pytest.approx(float(reference.coef_[0, 0]), abs=0.01)
    assert intercept == pytest.approx(float(reference.intercept_[0]), abs=0.02)
    found = calibrated(scores, slope, intercept)
    assert found.mean() == pytest.approx(targets.mean(), rel=0.01)


def test_calibration_keeps_the_order_and_undoes_a_weighting():
    dataset = made_dataset()
    params = msgspec.structs.replace(
        SMALL, algorithm="hist_gradient_boosting", class_weight="balanced"
    )
    weighted = fit(dataset, params, ("hist_gradient_boosting",))
    raw = weighted.model.estimator.predict_proba(dataset.test.rows.astype(np.float64))[:, 1]
    inside = (raw > 1e-6) & (raw < 1 - 1e-6)
    order = np.argsort(raw[inside], kind="stable")
    assert (np.diff(weighted.scores[inside][order]) >= -1e-6).all()
    rate = float(dataset.test.targets.mean())
    assert abs(weighted.scores.mean() - rate) < abs(raw.mean() - rate)


@pytest.mark.parametrize("frauds", [0, 1, 5])
def test_few_frauds_and_a_reversed_order_give_no_certainty(frauds):
    scores = np.linspace(0.01, 0.99, 200)
    targets = np.zeros(200, int)
    targets[:frauds] = 1  # the lowest scores
    slope, intercept = fit_sigmoid(scores, targets)
    assert slope > 0
    assert calibrated(scores, slope, intercept).max() < 0.2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_stored_without_pickle_and_loads_the_same(algorithm):
    import skops.io

    dataset = made_dataset()
    params = msgspec.structs.replace(SMALL, algorithm=algorithm)
    estimator = fit_estimator(dataset.train.rows, dataset.train.targets, params)
    content = skops.io.dumps(Calibrated(estimator, 0.9, 0.1))
    assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED_TYPES)
    again = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    rows = dataset.test.rows
    expected = Calibrated(estimator, 0.9, 0.1).predict_proba(rows)
    assert np.array_equal(again.predict_proba(rows), expected)


@pytest.mark.slow
def test_a_stranger_finds_everything_in_the_run(trained, tmp_path):
    import mlflow

    tracking = Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")
    dataset = made_dataset()
    recorded = record(trained, dataset, tracking)
    client = client_of(tracking)
    run = client.get_run(recorded.run_id)
    assert run.data.params["feature_set"] == feature_set_hash()
    assert run.data.params["snapshot"] == "12"
    assert run.data.metrics["ap"] == trained.metrics["ap"]
    assert run.data.metrics["ap_low"] <= run.data.metrics["ap"] <= run.data.metrics["ap_high"]
    weeks = client.get_metric_history(recorded.run_id, "week_frauds")
    assert sum(point.value for point in weeks) == dataset.test.targets.sum()
    names = {item.path.removeprefix("plots/") for item in
             client.list_artifacts(recorded.run_id, "plots")}  # fmt: skip
    assert names == {
        "calibration.png", "gain.png", "importance.png", "precision_recall.png",
        "score_distribution.png", "weeks.png",
    }  # fmt: skip
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{recorded.run_id}'"
    )
    assert {child.data.params["algorithm"] for child in children} == set(ALGORITHMS)
    assert "chosen on the late training days" in run.data.tags["mlflow.note.content"]
    assert recipe_of(recorded.run_id, tracking).params == trained.params

    kept = mlflow.sklearn.load_model(f"models:/{MODEL}/{recorded.version}")
    again = kept.predict_proba(dataset.test.rows)[:, 1]
    assert np.abs(again - trained.scores).max() <= 1e-5


@pytest.mark.slow
def test_the_sandbox_world_can_be_learned():
    """40,000 payments of the world that the demo trains on."""
    rng = random.Random(1)
    payments, labels = [], []
    for found in World(seed=1).payments(40_000, START.date(), 60):
        payment = Payment(
            *(drawn_id(rng, found.at), found.at, found.customer_ref),
            *(found.vpa or f"card {found.card}", found.device, ids.derived(found.merchant_ref)),
            *(found.amount_minor, found.method),
        )
        payments.append(payment)
        if found.label_known_at is not None:
            labels.append(Label(payment, found.label_known_at, found.fraud))
    with duckdb.connect() as connection:
        for statement in ("SET TimeZone = 'UTC'", *macros.statements()):
            connection.execute(statement)
        event_log(connection, payments, labels)
        dataset = build_dataset(connection, latest_split(connection))
    found = fit(dataset, TrainingParams())
    print(
        f"world: {found.params.algorithm}, AUC {found.metrics['auc']:.3f},"
        f" AP {found.metrics['ap']:.3f}, calibration {found.metrics['calibration_error']:.4f}"
    )
    assert found.metrics["auc"] > 0.85
    assert found.metrics["calibration_error"] < 0.01
    assert found.parity.max_abs_diff <= 1e-5
    assert len(feature_names()) == found.model.estimator.n_features_in_


def test_only_named_types_are_trusted():
    assert set(TRUSTED_TYPES) == {
        "models.fraud.calibration.Calibrated",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
