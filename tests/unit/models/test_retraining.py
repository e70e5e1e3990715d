"""A logged training made again: from the snapshot of its time, number by number."""

from datetime import timedelta

import pytest

from models.__main__ import main
from models.fraud.dataset import build_dataset
from models.fraud.recording import record
from models.fraud.retraining import CannotRetrain, retrain
from models.fraud.tracking import Tracking, client_of
from models.fraud.training import TrainingParams, fit
from tests.unit.models.synthetic import Label, event_log, history
from tests.unit.models.trained import SPLIT
from warehouse.connection import LakeConfig, Warehouse

pytestmark = pytest.mark.slow

PARAMS = TrainingParams(
    algorithm="hist_gradient_boosting", seed=11, max_iter=20, class_weight="balanced"
)


def test_the_same_model_comes_from_the_same_run_whatever_came_since(tmp_path, capsys):
    catalog, files = str(tmp_path / "lake.ducklake"), str(tmp_path / "lake")
    tracking = Tracking(
        uri=f"sqlite:///{tmp_path}/mlflow/mlflow.db", artifacts=tmp_path / "artifacts"
    )
    (tmp_path / "mlflow").mkdir()
    payments, labels = history(5_000, 55, seed=9)
    with Warehouse(LakeConfig(catalog=catalog, data_path=files)) as lake:
        event_log(lake.connection, payments, labels)
        snapshot = lake.snapshot_id()
        with lake.at_version(snapshot) as past:
            dataset = build_dataset(past.connection, SPLIT, snapshot=str(snapshot), max_rows=2_000)
        assert len(dataset.train.targets) == 2_000, "the newest of them"
        trained = fit(dataset, PARAMS, ("hist_gradient_boosting",))
        run_id = record(trained, dataset, tracking, max_rows=2_000).run_id

        # What became known since would change what is learned.
        early = [
            payment for payment in payments if payment.at < SPLIT.train_until - SPLIT.label_delay
        ]
        late = [Label(p, p.at + timedelta(hours=1), fraud=True) for p in early[::20]]
        event_log(lake.connection, payments, [*labels, *late])
        assert build_dataset(lake.connection, SPLIT).train.targets.sum() > 100
        found = retrain(run_id, tracking, lake)
    assert found.equal, found.differences
    assert found.compared > 20
    assert found.libraries == ""

    client_of(tracking).log_metric(run_id, "ap", 0.123)
    command = ["retrain", "--data", str(tmp_path), "--run", run_id]
    where = ["--warehouse", catalog, "--lake-data", files, "--tracking", tracking.uri]
    assert main([*command, *where]) == 1
    said = capsys.readouterr()
    assert f"differs: ap was 0.123, is now {trained.metrics['ap']}" in said.err
    assert "1 differ" in said.out


def test_a_run_of_other_features_or_of_no_snapshot_is_not_made_again(tmp_path):
    tracking = Tracking(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")
    client = client_of(tracking)
    experiment = client.create_experiment("fraud")
    run_id = client.create_run(experiment).info.run_id
    logged = {
        **{name: getattr(PARAMS, name) for name in PARAMS.__struct_fields__},
        "candidates": "hist_gradient_boosting",
        "train_until": SPLIT.train_until.isoformat(),
        "test_until": SPLIT.test_until.isoformat(),
        "trained_from": (SPLIT.train_until - timedelta(days=30)).isoformat(),
        "label_delay_days": 7.0,
        "livemode": False,
        "max_rows": 10,
        "snapshot": "3",
        "feature_set": "of another time",
    }
    for name, value in logged.items():
        client.log_param(run_id, name, value)
    with (
        Warehouse(
            LakeConfig(catalog=str(tmp_path / "l.ducklake"), data_path=str(tmp_path))
        ) as lake,
        pytest.raises(CannotRetrain, match="of another time"),
    ):
        retrain(run_id, tracking, lake)
