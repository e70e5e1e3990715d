"""The fraud model: training set, model, promotion.

Belongs here: the three steps and their evidence in Dagster. Does not: features, fitting, gates or
MLflow (`models.fraud`).
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from assets import display, training_table
from assets.groups import DATA_SCIENCE, FRAUD
from assets.ports import Folders
from models.fraud.dataset import Part, build_dataset, latest_split
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import Decision, Gates
from models.fraud.registry import MODEL, Tracking, promote_version, record
from models.fraud.training import Algorithm, TrainingParams, fit
from warehouse.connection import Warehouse


class TrainingSetConfig(dg.Config):
    """How much of the newest past is kept for the test, and how long a label may take."""

    test_days: int = 10
    label_delay_days: int = 7


class FitConfig(dg.Config):
    """What is fitted; with the same training set, the same model."""

    algorithm: str = "hist_gradient_boosting"
    seed: int = 7


class GateConfig(dg.Config):
    """A rehearsal has too short a past to judge a model by: then only its form has to be right
    (parity, latency), which is enough to try the machinery and never enough for production."""

    rehearsal: bool = False

    def gates(self) -> Gates:
        if not self.rehearsal:
            return Gates()
        return Gates(min_test_frauds=1, min_auc=0.0, min_lift=0.0, max_calibration_error=1.0)


@dg.asset(deps=["raw_events"], group_name=FRAUD, owners=DATA_SCIENCE, kinds={"duckdb"})
def fraud_training_set(
    config: TrainingSetConfig, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Every payment as the service would have seen it at the time, with what is known of it since:
    older days to learn from, later days to be judged on."""
    split = latest_split(
        warehouse.connection,
        test_days=config.test_days,
        label_delay=timedelta(days=config.label_delay_days),
    )
    snapshot = str(warehouse.snapshot_id())
    dataset = build_dataset(warehouse.connection, split, snapshot=snapshot)
    rows = training_table.store(warehouse, dataset)
    parts = (("training", dataset.train), ("test", dataset.test))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "parts": display.table(
                ("part", "payments", "frauds", "amount_minor"),
                [(name, *_counts(part)) for name, part in parts],
            ),
            "trained_from": dataset.trained_from.isoformat(),
            "train_until": split.train_until.isoformat(),
            "test_until": split.test_until.isoformat(),
            "label_delay_days": config.label_delay_days,
            "warehouse_snapshot": snapshot,
            "feature_set": feature_set_hash(),
            "features": ", ".join(feature_names()),
        }
    )


@dg.asset(
    deps=["fraud_training_set"],
    group_name=FRAUD,
    owners=DATA_SCIENCE,
    kinds={"scikitlearn", "mlflow"},
)
def fraud_model(
    config: FitConfig,
    warehouse: dg.ResourceParam[Warehouse],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """A model fitted on the training set and measured on the later days, recorded in MLflow with
    its evidence and registered as a new version."""
    dataset = training_table.load(warehouse)
    algorithm: Algorithm = config.algorithm  # type: ignore[assignment]
    trained = fit(dataset, TrainingParams(algorithm=algorithm, seed=config.seed))
    recorded = record(trained, dataset, tracking)
    return dg.MaterializeResult(
        metadata={
            "model": MODEL,
            "version": recorded.version,
            "mlflow_run": recorded.run_id,
            **{name: round(value, 6) for name, value in sorted(recorded.metrics.items())},
            "onnx_max_abs_diff": trained.parity.max_abs_diff,
            "onnx_latency_p99_us": round(trained.latency_us, 1),
            "fit_seconds": round(trained.seconds, 2),
        }
    )


@dg.asset(deps=["fraud_model"], group_name=FRAUD, owners=DATA_SCIENCE, kinds={"mlflow", "onnx"})
def fraud_promotion(
    context: dg.AssetExecutionContext,
    config: GateConfig,
    tracking: dg.ResourceParam[Tracking],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """The newest version held against every gate. If all hold, it becomes champion and its bundle
    is published for the service; if one does not, the old champion stays and this says why."""
    version = _newest_version(context)
    decision = promote_version(version, tracking, folders.champion_bundle, config.gates())
    for reason in decision.reasons:
        context.log.warning(reason)
    return dg.MaterializeResult(metadata=_shown(decision, folders))


def _newest_version(context: dg.AssetExecutionContext) -> str:
    event = context.instance.get_latest_materialization_event(dg.AssetKey("fraud_model"))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        raise dg.Failure("no model was trained yet: materialize fraud_model first")
    return str(materialization.metadata["version"].value)


def _counts(part: Part) -> tuple[int, int, int]:
    return len(part.targets), int(part.targets.sum()), int(part.amounts.sum())


def _shown(decision: Decision, folders: Folders) -> dict[str, Any]:
    gates = [
        (
            gate.name,
            round(gate.value, 6),
            f"{gate.must} {gate.limit:g}",
            "yes" if gate.passed else "NO",
        )
        for gate in decision.gates
    ]
    return {
        "promoted": decision.promote,
        "version": decision.candidate,
        "champion_before": decision.champion or "none",
        "gates": display.table(("gate", "value", "must be", "passed"), gates),
        "bundle": dg.MetadataValue.path(str(folders.champion_bundle)),
    }
