"""The fraud model: training set, model, promotion.

Belongs here: the three steps and their evidence in Dagster. Does not: features, fitting, gates or
MLflow (`models.fraud`), or watching what is in use (`fraud_watch`).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from assets import charts, display, training_table
from assets.groups import DATA_SCIENCE, FRAUD
from assets.ports import Folders
from models.fraud import report
from models.fraud.comparison import against_champion
from models.fraud.dataset import MAX_ROWS, Dataset, build_dataset, latest_split
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import REHEARSAL, Decision, Gates
from models.fraud.recording import Recorded, plots_of, record
from models.fraud.registry import Change, challenge, promote_version, sync
from models.fraud.served import served
from models.fraud.tracking import MODEL, Tracking
from models.fraud.training import ALGORITHMS, Trained, TrainingParams, fit
from models.fraud.words import describe
from online.kernel.clock import Clock
from warehouse.connection import Warehouse


class TrainingSetConfig(dg.Config):
    """Which payments are learned from, and which are kept for the test."""

    livemode: bool = Field(default=False, description="Real payments; else those of test mode.")
    train_days: int = Field(
        default=0, ge=0, description="Days to learn from; 0: as far back as there are payments."
    )
    test_days: int = Field(default=10, ge=1, description="Newest days, kept for the test.")
    label_delay_days: int = Field(
        default=7,
        ge=0,
        description="Days after which a payment of which nothing bad was heard counts as good.",
    )
    max_rows: int = Field(
        default=MAX_ROWS,
        ge=1,
        description="Of the payments to learn from, the newest so many: a million take 0.4 GB.",
    )


class FitConfig(dg.Config):
    """What is fitted; with the same training set, the same model."""

    algorithm: Literal["best", "logistic_regression", "hist_gradient_boosting", "random_forest"] = (
        Field(
            default="best",
            description="`best` tries all and takes the one with the highest average precision on"
            " the late training days.",
        )
    )
    class_weight: Literal["none", "balanced"] = Field(
        default="none",
        description="Whether frauds, which are few, weigh as much in total as good payments while"
        " fitting. Scores are calibrated afterwards in either case.",
    )
    seed: int = Field(default=7, ge=0, description="Of all that is drawn at random.")


class GateConfig(dg.Config):
    """How strictly the model is judged."""

    rehearsal: bool = Field(
        default=False,
        description="Judge only whether the model can be served (its file, ONNX, latency): the past"
        " of a rehearsal is too short to judge a model by. Never in production.",
    )

    def gates(self) -> Gates:
        return REHEARSAL if self.rehearsal else Gates()


@dg.asset(deps=["raw_events"], group_name=FRAUD, owners=DATA_SCIENCE, kinds={"duckdb"})
def fraud_training_set(
    config: TrainingSetConfig, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Every payment as the service would have seen it at the time, with what is known of it since:
    older days to learn from, later days to be judged on."""
    snapshot = warehouse.snapshot_id()
    with warehouse.at_version(snapshot) as past:
        split = latest_split(
            past.connection,
            livemode=config.livemode,
            train_days=config.train_days or None,
            test_days=config.test_days,
            label_delay=timedelta(days=config.label_delay_days),
        )
        dataset = build_dataset(
            past.connection,
            split,
            livemode=config.livemode,
            snapshot=str(snapshot),
            max_rows=config.max_rows,
        )
    rows = training_table.store(warehouse, dataset)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "parts": _parts(dataset),
            "trained_from": dataset.trained_from.isoformat(),
            "train_until": split.train_until.isoformat(),
            "test_until": split.test_until.isoformat(),
            "label_delay_days": config.label_delay_days,
            "warehouse_snapshot": str(snapshot),
            "feature_set": feature_set_hash(),
            "content": dataset.digest(),
            "inputs": display.table(
                ("input", "is"), [(name, describe(name)) for name in feature_names()]
            ),
        }
    )


@dg.asset(
    deps=["fraud_training_set"],
    group_name=FRAUD,
    owners=DATA_SCIENCE,
    kinds={"scikitlearn", "mlflow"},
)
def fraud_model(
    context: dg.AssetExecutionContext,
    config: FitConfig,
    warehouse: dg.ResourceParam[Warehouse],
    tracking: dg.ResourceParam[Tracking],
    folders: dg.ResourceParam[Folders],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """The best of the candidates, fitted on the training set and measured on the later days,
    recorded in MLflow with its evidence and registered as a new version. If its form is right, it
    scores in shadow from now on, as challenger."""
    sync(tracking, folders.champion_bundle)
    dataset = training_table.load(warehouse)
    candidates = ALGORITHMS if config.algorithm == "best" else (config.algorithm,)
    params = TrainingParams(
        algorithm=candidates[0], seed=config.seed, class_weight=config.class_weight
    )
    trained = fit(dataset, params, candidates)
    recorded = record(trained, dataset, tracking, against_champion(trained, dataset, tracking))
    change = Change(by="dagster", why=f"run {context.run_id}", at=clock.now())
    form = challenge(recorded.version, tracking, folders.champion_bundle, change)
    for gate in form:
        if not gate.passed:
            context.log.warning("%s", gate)
    return dg.MaterializeResult(
        metadata=_model(trained, recorded, tracking)
        | {"challenger": all(gate.passed for gate in form)}
    )


@dg.asset(
    deps=["fraud_model", "fraud_parity", "fraud_drift"],
    group_name=FRAUD,
    owners=DATA_SCIENCE,
    kinds={"mlflow", "onnx"},
)
def fraud_promotion(
    context: dg.AssetExecutionContext,
    config: GateConfig,
    warehouse: dg.ResourceParam[Warehouse],
    tracking: dg.ResourceParam[Tracking],
    folders: dg.ResourceParam[Folders],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """The newest version held against every gate. If all hold, it becomes champion and its bundle
    is published for the service; if one does not, the old champion stays and this says why."""
    version = _newest_version(context)
    decision = promote_version(
        version,
        tracking,
        folders.champion_bundle,
        Change(by="dagster", why=f"run {context.run_id}", at=clock.now()),
        served=served(warehouse, version),
        gates=config.gates(),
    )
    for reason in decision.reasons:
        context.log.warning(reason)
    return dg.MaterializeResult(metadata=_decided(decision, folders, config))


def _newest_version(context: dg.AssetExecutionContext) -> str:
    event = context.instance.get_latest_materialization_event(dg.AssetKey("fraud_model"))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        raise dg.Failure("no model was trained yet: materialize fraud_model first")
    return str(materialization.metadata["version"].value)


def _parts(dataset: Dataset) -> dg.MarkdownMetadataValue:
    parts = (
        ("training", dataset.train),
        ("of it early: candidates learn", dataset.early),
        ("of it late: candidates are compared, scores calibrated", dataset.late),
        ("test", dataset.test),
    )
    rows = [
        (name, len(part.targets), int(part.targets.sum()), int(part.amounts.sum()))
        for name, part in parts
    ]
    return display.table(("part", "payments", "frauds", "amount_minor"), rows)


def _model(trained: Trained, recorded: Recorded, tracking: Tracking) -> dict[str, Any]:
    return {
        "model": MODEL,
        "version": recorded.version,
        "algorithm": trained.params.algorithm,
        "mlflow_run": recorded.run_id,
        "candidates": display.table(
            ("candidate", "average precision", "95 %", "card precision", "95 %", "seconds"),
            [(t.params.algorithm, *_cells(t.measures), round(t.seconds, 1)) for t in trained.tried],
        ),
        "weeks": display.table(
            ("week", "payments", "frauds", "average precision", "95 %", "card precision", "95 %"),
            [(w.week, w.rows, w.frauds, *_cells(w.measures)) for w in trained.weeks],
        ),
        **{
            name: charts.picture(name.replace("_", " "), png)
            for name, png in plots_of(recorded.run_id, tracking).items()
        },
        **{name: round(value, 6) for name, value in sorted(recorded.metrics.items())},
        "onnx_max_abs_diff": trained.parity.max_abs_diff,
        "onnx_latency_p99_us": round(trained.latency_us, 1),
        "fit_seconds": round(trained.seconds, 2),
    }


def _cells(measures: Any) -> Iterator[str]:
    for name in ("ap", "cp100"):
        found = measures.get(name)
        yield f"{found.value:.4f}" if found else "–"
        yield f"{found.low:.4f} to {found.high:.4f}" if found else "no fraud, or nothing else"


def _decided(decision: Decision, folders: Folders, config: GateConfig) -> dict[str, Any]:
    return {
        "promoted": decision.promote,
        "version": decision.candidate,
        "champion_before": decision.champion or "none",
        "rehearsal": config.rehearsal,
        "gates": dg.MetadataValue.md(report.decision_note(decision)),
        "bundle": dg.MetadataValue.path(str(folders.champion_bundle)),
    }
