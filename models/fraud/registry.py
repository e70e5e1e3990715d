"""The record of models: MLflow runs, versions and the alias `champion`.

Belongs here: all use of MLflow, and publishing the champion's bundle. Does not: fitting
(`training`) or deciding (`promotion`).

A version holds its evidence in its run: parameters, metrics, plots, `candidate.json` (what the
gates are held against), and `bundle/fraud-<version>.bundle`, the file that the service reads.
The scikit-learn model is stored by skops, which loads named types only, never by pickle.
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from models.fraud.bundle import BundleRefused, publish, read_bundle
from models.fraud.dataset import Dataset
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.metrics import draw_calibration, draw_precision_recall, evaluate
from models.fraud.promotion import Candidate, Champion, Decision, Evaluation, Gates, promote
from models.fraud.training import Trained, save_bundle

MODEL: Final = "khata-fraud"
CHAMPION: Final = "champion"

# skops refuses to load a type that is not named here.
TRUSTED_TYPES: Final = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
_REQUIREMENTS: Final = ["scikit-learn", "skops", "numpy"]
_EXPERIMENT_NOTE: Final = (
    "Fraud models of Khata. One run a training: features as of each payment, labels as known at "
    "the end of the training days, measured on later days. See the plots and candidate.json."
)


class Tracking(Struct, frozen=True, kw_only=True):
    """Where MLflow keeps its records, e.g. `sqlite:////…/mlflow.db`, and their files."""

    uri: str
    artifacts: Path
    experiment: str = "fraud"


class Recorded(Struct, frozen=True, kw_only=True):
    """A model version as it was recorded."""

    version: str
    run_id: str
    metrics: dict[str, float]
    candidate: Candidate
    champion: Champion | None


def record(trained: Trained, dataset: Dataset, tracking: Tracking) -> Recorded:
    """Log a run with all its evidence and register it as a new version."""
    mlflow = _mlflow(tracking)
    champion = _champion_on(dataset, tracking)
    with mlflow.start_run(experiment_id=_experiment(tracking)) as run:
        run_id = str(run.info.run_id)
        mlflow.log_params(_params(trained, dataset))
        mlflow.set_tags({"feature_set": feature_set_hash(), "snapshot": dataset.snapshot})
        mlflow.log_metrics(_metrics(trained, champion))
        info = mlflow.sklearn.log_model(
            trained.estimator,
            name="model",
            registered_model_name=MODEL,
            serialization_format="skops",
            skops_trusted_types=TRUSTED_TYPES,
            pip_requirements=_REQUIREMENTS,
        )
        version = str(info.registered_model_version)
        candidate = _candidate(trained, version, run_id)
        with tempfile.TemporaryDirectory() as folder:
            _write_evidence(trained, dataset, candidate, champion, Path(folder))
            mlflow.log_artifacts(folder)
    return Recorded(
        version=version,
        run_id=run_id,
        metrics=trained.metrics,
        candidate=candidate,
        champion=champion,
    )


def promote_version(
    version: str, tracking: Tracking, published: Path, gates: Gates | None = None
) -> Decision:
    """Hold a version against the gates; if it passes, make it champion and publish its bundle."""
    client = _client(tracking)
    run_id = str(client.get_model_version(MODEL, version).run_id)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(client.download_artifacts(run_id, "candidate.json", folder))
        evidence = msgspec.json.decode(kept.read_bytes(), type=_Evidence)
        decision = promote(evidence.candidate, evidence.champion, gates or Gates())
        client.log_dict(run_id, msgspec.to_builtins(decision), "decision.json")
        verdict = "promoted" if decision.promote else "refused"
        client.set_model_version_tag(MODEL, version, "decision", verdict)
        for number, reason in enumerate(decision.reasons, start=1):
            client.set_model_version_tag(MODEL, version, f"reason_{number}", reason)
        if decision.promote:
            bundle = _download_bundle(client, version, run_id, folder)
            read_bundle(bundle, feature_names(), feature_set_hash())  # what the service will do
            publish(bundle, published)
            client.set_registered_model_alias(MODEL, CHAMPION, version)
    return decision


def champion_version(tracking: Tracking) -> str | None:
    """The version that the alias names, or None before the first promotion."""
    from mlflow.exceptions import MlflowException

    try:
        return str(_client(tracking).get_model_version_by_alias(MODEL, CHAMPION).version)
    except MlflowException:
        return None


def versions(tracking: Tracking) -> list[dict[str, Any]]:
    """Every version with its metrics and decision, newest first."""
    client = _client(tracking)
    champion = champion_version(tracking)
    rows = []
    for found in client.search_model_versions(f"name = '{MODEL}'"):
        metrics = client.get_run(str(found.run_id)).data.metrics
        rows.append(
            {
                "version": str(found.version),
                "run_id": str(found.run_id),
                "champion": str(found.version) == champion,
                "decision": found.tags.get("decision", "none yet"),
                **{name: round(metrics[name], 4) for name in ("auc", "ap", "cp100")},
            }
        )
    return sorted(rows, key=lambda row: -int(row["version"]))


class _Evidence(Struct, frozen=True):
    candidate: Candidate
    champion: Champion | None


def _write_evidence(
    trained: Trained,
    dataset: Dataset,
    candidate: Candidate,
    champion: Champion | None,
    folder: Path,
) -> None:
    plots, bundles = folder / "plots", folder / "bundle"
    plots.mkdir()
    targets = dataset.test.targets
    draw_precision_recall(
        plots / "precision_recall.png", targets, trained.scores, trained.metrics["ap"]
    )
    draw_calibration(plots / "calibration.png", targets, trained.scores)
    name = f"fraud-{candidate.version}.bundle"
    save_bundle(
        trained, dataset, bundles / name, version=candidate.version, run_id=candidate.run_id
    )
    evidence = msgspec.json.encode(_Evidence(candidate, champion))
    (folder / "candidate.json").write_bytes(msgspec.json.format(evidence))


def _candidate(trained: Trained, version: str, run_id: str) -> Candidate:
    return Candidate(
        version=version,
        run_id=run_id,
        feature_set=feature_set_hash(),
        evaluation=msgspec.convert(trained.metrics, Evaluation),
        parity_rows=trained.parity.rows,
        parity_max_abs_diff=trained.parity.max_abs_diff,
        latency_us=trained.latency_us,
    )


def _champion_on(dataset: Dataset, tracking: Tracking) -> Champion | None:
    """The champion measured on the candidate's test rows: other days would be no comparison."""
    version = champion_version(tracking)
    if version is None:
        return None
    client = _client(tracking)
    run_id = str(client.get_model_version(MODEL, version).run_id)
    with tempfile.TemporaryDirectory() as folder:
        path = _download_bundle(client, version, run_id, folder)
        try:
            bundle = read_bundle(path, feature_names(), feature_set_hash())
        except BundleRefused:
            return None  # made for another feature set: it cannot score these rows, nor serve
    test = dataset.test
    scores = bundle.scores(test.rows)
    metrics = evaluate(test.targets, scores, test.at_us, test.instruments)
    return Champion(version=version, evaluation=msgspec.convert(metrics, Evaluation))


def _download_bundle(client: Any, version: str, run_id: str, folder: str) -> Path:
    return Path(client.download_artifacts(run_id, f"bundle/fraud-{version}.bundle", folder))


def _params(trained: Trained, dataset: Dataset) -> dict[str, Any]:
    split = dataset.split
    return {
        **msgspec.structs.asdict(trained.params),
        "trained_from": dataset.trained_from.isoformat(),
        "train_until": split.train_until.isoformat(),
        "test_until": split.test_until.isoformat(),
        "label_delay_days": split.label_delay.total_seconds() / 86_400,
        "train_rows": len(dataset.train.targets),
        "train_frauds": int(dataset.train.targets.sum()),
        "test_rows": len(dataset.test.targets),
        "feature_set": feature_set_hash(),
        "snapshot": dataset.snapshot,
    }


def _metrics(trained: Trained, champion: Champion | None) -> dict[str, float]:
    metrics = {
        **trained.metrics,
        "onnx_max_abs_diff": trained.parity.max_abs_diff,
        "onnx_latency_p99_us": trained.latency_us,
        "fit_seconds": trained.seconds,
    }
    if champion is not None:
        metrics["champion_auc"] = champion.evaluation.auc
        metrics["champion_ap"] = champion.evaluation.ap
    return metrics


def _experiment(tracking: Tracking) -> str:
    client = _client(tracking)
    found = client.get_experiment_by_name(tracking.experiment)
    if found is not None:
        return str(found.experiment_id)
    tracking.artifacts.mkdir(parents=True, exist_ok=True)
    created = client.create_experiment(
        tracking.experiment, artifact_location=tracking.artifacts.resolve().as_uri()
    )
    client.set_experiment_tag(created, "mlflow.note.content", _EXPERIMENT_NOTE)
    return str(created)


def _client(tracking: Tracking) -> Any:
    return _mlflow(tracking).MlflowClient(tracking.uri, registry_uri=tracking.uri)


def _mlflow(tracking: Tracking) -> Any:
    # Nothing is to leave the machine. Read when MLflow is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    import mlflow.sklearn

    mlflow.set_tracking_uri(tracking.uri)
    mlflow.set_registry_uri(tracking.uri)
    return mlflow
