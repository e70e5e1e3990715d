"""A training and its evidence as MLflow keeps them, told so that a stranger can follow.

Belongs here: what is logged and how it is named, and reading it back. Does not: measuring
(`training`), drawing (`plots`), or which version is in use (`registry`).

A run holds parameters, metrics, plots, the ONNX graph, `candidate.json` (what the gates are held
against) and `bundle/fraud-<version>.bundle`, the file that the service reads. The scikit-learn
model is stored by skops, which loads named types only, never by pickle.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from models.fraud import plots, report
from models.fraud.bundle import FORMAT, Manifest, Probe, write_bundle
from models.fraud.dataset import MAX_ROWS, Dataset, Split
from models.fraud.explainer import export
from models.fraud.explanation import importance
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.promotion import Candidate, Comparison, Evaluation
from models.fraud.tracking import (
    MODEL,
    TRUSTED_TYPES,
    Tracking,
    client_of,
    experiment_of,
    mlflow_of,
    registered_model,
)
from models.fraud.training import Algorithm, Trained, TrainingParams, Tried

LIBRARIES: Final = ("scikit-learn", "numpy", "skl2onnx", "onnx", "onnxruntime", "duckdb", "mlflow")
_REQUIREMENTS: Final = ["scikit-learn", "skops", "numpy"]
_PROBES: Final = 8
_DAY: Final = timedelta(days=1)


class Recorded(Struct, frozen=True, kw_only=True):
    """A model version as it was recorded."""

    version: str
    run_id: str
    metrics: dict[str, float]
    candidate: Candidate


class Recipe(Struct, frozen=True, kw_only=True):
    """All that decides what a training gives, as it is logged."""

    params: TrainingParams
    candidates: tuple[Algorithm, ...]
    split: Split
    livemode: bool
    max_rows: int
    snapshot: str
    feature_set: str


def record(
    trained: Trained,
    dataset: Dataset,
    tracking: Tracking,
    against: Comparison | None = None,
    *,
    max_rows: int = MAX_ROWS,
) -> Recorded:
    """Log a run with all its evidence and register it as a new version."""
    mlflow = mlflow_of(tracking)
    name = report.run_name(trained, dataset)
    ranked = importance(trained, dataset.test)
    experiment = experiment_of(tracking)
    with mlflow.start_run(experiment_id=experiment, run_name=name) as run:
        run_id = str(run.info.run_id)
        mlflow.log_params(_params(trained, dataset, max_rows))
        mlflow.set_tags(_tags(trained, dataset))
        mlflow.log_metrics(_metrics(trained, against))
        _log_weeks(mlflow, trained)
        for tried in trained.tried:
            _log_candidate(mlflow, experiment, tried, dataset)
        info = mlflow.sklearn.log_model(
            trained.model,
            name="model",
            signature=_signature(mlflow),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            pip_requirements=_REQUIREMENTS,
        )
        # Not by `log_model`, which would tell the terminal each time that the model is known.
        registered = client_of(tracking).create_model_version(
            registered_model(tracking), info.model_uri, run_id, model_id=info.model_id
        )
        version = str(registered.version)
        mlflow.set_tag("mlflow.runName", f"v{version} {name}")
        candidate = _candidate(trained, version, run_id, against)
        with tempfile.TemporaryDirectory() as folder:
            _write_evidence(trained, dataset, candidate, ranked, Path(folder))
            mlflow.log_artifacts(folder)
        mlflow.set_tag("mlflow.note.content", report.run_note(trained, dataset, candidate, ranked))
    client_of(tracking).update_model_version(
        MODEL, version, report.version_note(trained, dataset, candidate)
    )
    return Recorded(version=version, run_id=run_id, metrics=trained.metrics, candidate=candidate)


def recipe_of(run_id: str, tracking: Tracking) -> Recipe:
    """What a logged training was made from."""
    logged: Mapping[str, str] = client_of(tracking).get_run(run_id).data.params
    fields = {name: logged[name] for name in TrainingParams.__struct_fields__}
    return Recipe(
        params=msgspec.convert(fields, TrainingParams, strict=False),
        candidates=msgspec.convert(logged["candidates"].split(", "), tuple[Algorithm, ...]),
        split=Split(
            datetime.fromisoformat(logged["train_until"]),
            datetime.fromisoformat(logged["test_until"]),
            timedelta(days=float(logged["label_delay_days"])),
            datetime.fromisoformat(logged["trained_from"]),
        ),
        livemode=logged["livemode"] == "True",
        max_rows=int(logged["max_rows"]),
        snapshot=logged["snapshot"],
        feature_set=logged["feature_set"],
    )


def plots_of(run_id: str, tracking: Tracking) -> dict[str, bytes]:
    """The pictures of a logged training, as PNG, by name."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(client_of(tracking).download_artifacts(run_id, "plots", folder))
        return {path.stem: path.read_bytes() for path in sorted(found.glob("*.png"))}


def logged_results(run_id: str, tracking: Tracking) -> dict[str, Any]:
    """The numbers of a logged training that another one with the same recipe must reach."""
    data = client_of(tracking).get_run(run_id).data
    return {**_comparable(data.metrics), **{name: data.tags[name] for name in _HASHES}}


def results(trained: Trained, dataset: Dataset) -> dict[str, Any]:
    """The same numbers of a training that was just made."""
    return {**_comparable(_metrics(trained, None)), **_hashes(trained, dataset)}


_HASHES: Final = ("onnx_sha256", "training_set")
_OF_THE_MACHINE: Final = ("onnx_latency_p99_us", "fit_seconds")


def _hashes(trained: Trained, dataset: Dataset) -> dict[str, str]:
    return {
        "onnx_sha256": hashlib.sha256(trained.onnx).hexdigest(),
        "training_set": dataset.digest(),
    }


def _comparable(metrics: Mapping[str, float]) -> dict[str, float]:
    """Without times, and without the champion, which is not of this training."""
    return {
        name: value
        for name, value in metrics.items()
        if name not in _OF_THE_MACHINE and not name.startswith(("champion_", "week_"))
    }


def _params(trained: Trained, dataset: Dataset, max_rows: int) -> dict[str, Any]:
    split = dataset.split
    return {
        **msgspec.structs.asdict(trained.params),
        "candidates": ", ".join(found.params.algorithm for found in trained.tried),
        "trained_from": dataset.trained_from.isoformat(),
        "choose_from": dataset.choose_from.isoformat(),
        "train_until": split.train_until.isoformat(),
        "test_until": split.test_until.isoformat(),
        "label_delay_days": split.label_delay / _DAY,
        "max_rows": max_rows,
        "train_rows": len(dataset.train.targets),
        "train_frauds": int(dataset.train.targets.sum()),
        "test_rows": len(dataset.test.targets),
        "feature_set": feature_set_hash(),
        "livemode": dataset.livemode,
        "snapshot": dataset.snapshot,
    }


def _tags(trained: Trained, dataset: Dataset) -> dict[str, str]:
    versions = ", ".join(f"{name} {installed(name)}" for name in LIBRARIES)
    return {
        "feature_set": feature_set_hash(),
        "snapshot": dataset.snapshot,
        "code": code_hash(),
        "libraries": versions,
        **_hashes(trained, dataset),
    }


def code_hash() -> str:
    """Names the code that makes a model: this package's files."""
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def _metrics(trained: Trained, against: Comparison | None) -> dict[str, float]:
    metrics = {
        **trained.metrics,
        "onnx_max_abs_diff": trained.parity.max_abs_diff,
        "onnx_latency_p99_us": trained.latency_us,
        "fit_seconds": trained.seconds,
        "calibration_slope": trained.calibration.slope,
        "calibration_intercept": trained.calibration.intercept,
    }
    for name, found in trained.measures.items():
        metrics |= {f"{name}_low": found.low, f"{name}_high": found.high}
    if "score" in trained.drift:
        metrics["drift_of_score"] = trained.drift["score"]
    if against is not None:
        metrics |= {
            "champion_auc": against.evaluation.auc,
            "champion_ap": against.evaluation.ap,
            "champion_cp100": against.evaluation.cp100,
        }
    return metrics


def _log_weeks(mlflow: Any, trained: Trained) -> None:
    """A curve over ISO weeks: step 202634 is week 34 of 2026."""
    for week in trained.weeks:
        step = int(week.week.replace("-W", ""))
        numbers = {"week_rows": float(week.rows), "week_frauds": float(week.frauds)}
        for name, found in week.measures.items():
            numbers |= {
                f"week_{name}": found.value,
                f"week_{name}_low": found.low,
                f"week_{name}_high": found.high,
            }
        mlflow.log_metrics(numbers, step=step)


def _log_candidate(mlflow: Any, experiment: str, tried: Tried, dataset: Dataset) -> None:
    name = report.candidate_name(tried)
    with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True):
        mlflow.log_params(msgspec.structs.asdict(tried.params))
        mlflow.log_metrics(dict(_late_metrics(tried)))
        mlflow.set_tag("mlflow.note.content", report.candidate_note(tried, dataset))


def _late_metrics(tried: Tried) -> Iterator[tuple[str, float]]:
    """Named apart from those of the test days: they are not to be compared with them."""
    for name, found in tried.measures.items():
        yield f"late_{name}", found.value
        yield f"late_{name}_low", found.low
        yield f"late_{name}_high", found.high
    yield "fit_seconds", tried.seconds


def _signature(mlflow: Any) -> Any:
    from mlflow.types import ColSpec, DataType, Schema

    inputs = Schema([ColSpec(DataType.float, name) for name in feature_names()])
    return mlflow.models.ModelSignature(inputs=inputs)


def _candidate(
    trained: Trained, version: str, run_id: str, against: Comparison | None
) -> Candidate:
    return Candidate(
        version=version,
        run_id=run_id,
        algorithm=trained.params.algorithm,
        feature_set=feature_set_hash(),
        evaluation=msgspec.convert(trained.metrics, Evaluation),
        measures=trained.measures,
        drift=trained.drift,
        parity_rows=trained.parity.rows,
        parity_max_abs_diff=trained.parity.max_abs_diff,
        latency_us=trained.latency_us,
        against=against,
    )


def _write_evidence(
    trained: Trained,
    dataset: Dataset,
    candidate: Candidate,
    ranked: list[tuple[str, float]],
    folder: Path,
) -> None:
    targets, scores = dataset.test.targets, trained.scores
    pictures = folder / "plots"
    pictures.mkdir()
    plots.precision_recall(
        pictures / "precision_recall.png", targets, scores, trained.measures["ap"]
    )
    plots.calibration(pictures / "calibration.png", targets, scores)
    plots.gain(pictures / "gain.png", targets, scores)
    plots.score_distribution(pictures / "score_distribution.png", targets, scores)
    plots.importance(pictures / "importance.png", report.in_words(ranked))
    plots.weeks(pictures / "weeks.png", trained.weeks)
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(trained.onnx)
    write_bundle(
        folder / "bundle" / f"fraud-{candidate.version}.bundle",
        manifest(trained, dataset, version=candidate.version, run_id=candidate.run_id),
        trained.onnx,
        export(trained.model),
    )
    for name, content in (
        ("candidate.json", candidate),
        ("weeks.json", trained.weeks),
        ("importance.json", dict(ranked)),
        ("drift.json", trained.drift),
    ):
        (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(content)))


def manifest(trained: Trained, dataset: Dataset, *, version: str, run_id: str) -> Manifest:
    """What the bundle says of itself."""
    test = dataset.test
    # The likeliest and the unlikeliest too: a probe that answers the same to everything is none.
    order = trained.scores.argsort(kind="stable")
    places = order[:: max(1, (len(order) - 1) // (_PROBES - 1))][:_PROBES]
    expected = trained.model.predict_proba(test.rows[places])[:, 1]
    split = dataset.split
    return Manifest(
        format=FORMAT,
        version=version,
        # When its data ended, not when the file was written: the same run gives the same bytes.
        created_at=_text(split.test_until),
        feature_set=feature_set_hash(),
        features=list(feature_names()),
        model_sha256=hashlib.sha256(trained.onnx).hexdigest(),
        explainer_sha256=hashlib.sha256(export(trained.model)).hexdigest(),
        run_id=run_id,
        trained_from=_text(dataset.trained_from),
        trained_to=_text(split.train_until - split.label_delay),
        metrics={name: trained.metrics[name] for name in ("auc", "ap", "cp100")},
        parity=trained.parity,
        probes=[
            Probe(row.tolist(), float(probability))
            for row, probability in zip(test.rows[places], expected, strict=True)
        ],
        calibration=trained.calibration,
        reference=trained.reference,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
