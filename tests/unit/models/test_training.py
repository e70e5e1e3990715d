"""From an event log to a published bundle, with a real MLflow on a SQLite file."""

import random

import duckdb
import msgspec
import numpy as np
import pytest

from models.fraud.bundle import read_bundle
from models.fraud.dataset import build_dataset, latest_split
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import Gates
from models.fraud.registry import (
    MODEL,
    TRUSTED_TYPES,
    Tracking,
    champion_version,
    promote_version,
    record,
    versions,
)
from models.fraud.training import TrainingParams, fit
from online.kernel import ids
from online.sandbox.world import World
from tests.unit.models.synthetic import START, Label, Payment, drawn_id, event_log, history
from tests.unit.models.test_dataset import SPLIT

SMALL = TrainingParams(max_iter=40)
EASY = Gates(max_latency_us=1e6)  # the machine that runs tests may be busy


@pytest.fixture(scope="module")
def dataset():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        event_log(connection, *history(6_000, 45, seed=9))
        return build_dataset(connection, SPLIT, snapshot="12")


@pytest.fixture(scope="module")
def trained(dataset):
    return fit(dataset, SMALL)


@pytest.fixture
def tracking(tmp_path):
    return Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")


@pytest.mark.slow
def test_train_record_promote_and_score(dataset, trained, tracking, tmp_path):
    import mlflow

    published = tmp_path / "models" / "champion.bundle"
    recorded = record(trained, dataset, tracking)
    assert champion_version(tracking) is None

    decision = promote_version(recorded.version, tracking, published, EASY)
    assert decision.promote, decision.reasons
    assert champion_version(tracking) == recorded.version == "1"

    bundle = read_bundle(published, feature_names(), feature_set_hash())
    rows = dataset.test.rows
    ours = np.array([bundle.score(row.tolist()) for row in rows])
    kept = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
    assert np.abs(ours - kept.predict_proba(rows)[:, 1]).max() <= 1e-5
    assert bundle.manifest.run_id == recorded.run_id

    run = mlflow.MlflowClient(tracking.uri).get_run(recorded.run_id)
    assert run.data.params["feature_set"] == feature_set_hash()
    assert run.data.params["snapshot"] == "12"
    assert run.data.metrics["auc"] == pytest.approx(trained.metrics["auc"])
    names = {item.path for item in mlflow.MlflowClient().list_artifacts(recorded.run_id, "plots")}
    assert names == {"plots/calibration.png", "plots/precision_recall.png"}

    # A second, worse one is refused, and nothing moves.
    worse = fit(dataset, TrainingParams(max_iter=1, max_leaf_nodes=2))
    second = record(worse, dataset, tracking)
    assert second.champion is not None
    assert second.champion.version == "1"
    before = published.read_bytes()
    refused = promote_version(second.version, tracking, published, EASY)
    assert not refused.promote
    assert any("ap_against_champion" in reason for reason in refused.reasons)
    assert champion_version(tracking) == "1"
    assert published.read_bytes() == before
    listed = versions(tracking)
    assert [row["decision"] for row in listed] == ["refused", "promoted"]
    assert [row["champion"] for row in listed] == [False, True]


def test_metrics_and_parity(trained):
    assert trained.metrics["auc"] > 0.85
    assert trained.metrics["ap"] > 10 * trained.metrics["fraud_rate"]
    assert trained.parity.rows > 0
    assert trained.parity.max_abs_diff <= 1e-5


def test_the_same_seed_gives_the_same_model(dataset, trained):
    again = fit(dataset, SMALL)
    assert again.onnx == trained.onnx
    assert again.metrics == trained.metrics


def test_logistic_regression_converts_too(dataset):
    trained = fit(dataset, TrainingParams(algorithm="logistic_regression"))
    assert trained.parity.max_abs_diff <= 1e-5
    assert trained.metrics["auc"] > 0.85


def test_history_without_fraud_is_refused(dataset):
    empty = msgspec.structs.replace(dataset.train, targets=np.zeros_like(dataset.train.targets))
    with pytest.raises(ValueError, match="no fraud"):
        fit(msgspec.structs.replace(dataset, train=empty), SMALL)


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
        connection.execute("SET TimeZone = 'UTC'")
        event_log(connection, payments, labels)
        dataset = build_dataset(connection, latest_split(connection))
    trained = fit(dataset, TrainingParams())
    print(f"world: AUC {trained.metrics['auc']:.3f}, AP {trained.metrics['ap']:.3f}")
    assert trained.metrics["auc"] > 0.85


def test_only_named_types_are_trusted():
    assert len(TRUSTED_TYPES) == 1
