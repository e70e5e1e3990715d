"""Where models are recorded: MLflow's runs and registry, and their names there.

Belongs here: opening MLflow, names, what a stranger reads about the whole. Does not: what is logged
(`recording`), or which version is in use (`registry`).
"""

import os
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

MODEL: Final = "khata-fraud"

# skops refuses to load a type that is not named here. Trees hold indices that scikit-learn follows
# without looking: only files of our own registry are loaded, and never by the service.
TRUSTED_TYPES: Final = (
    "models.fraud.calibration.Calibrated",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

# MLflow breaks a line where the text does: a paragraph is one line.
_EXPERIMENT_NOTE: Final = (
    "Fraud models of Khata, a payment gateway. **One run is one training**; inside it is a run for"
    " each candidate algorithm, as it did on the late training days.\n\n"
    "A row is a payment, its inputs as they were at that moment. Candidates learn from the early"
    " training days and are compared on later ones; the best is fitted again on all of them and"
    " measured on test days that nothing has seen. A payment counts as good once nothing bad was"
    " heard of it for the label delay.\n\n"
    "Read the run's description first, then `plots/` and `decision.json` among its artifacts."
)
_MODEL_NOTE: Final = (
    "Probability that a payment is fraud, from what was known at its moment.\n\n"
    "- **champion** decides on payments: the service reads its bundle file.\n"
    "- **challenger** scores the same payments in shadow and decides nothing.\n\n"
    "Tags `change_…` list every promotion and rollback, who made it and why. A version's tags say"
    " what was decided on it; its run holds the evidence."
)


class Tracking(Struct, frozen=True, kw_only=True):
    """Where MLflow keeps its records, e.g. `sqlite:////…/mlflow.db`, and their files."""

    uri: str
    artifacts: Path
    experiment: str = "fraud"


def mlflow_of(tracking: Tracking) -> Any:
    """The module, set to these records."""
    # Nothing is to leave the machine. Read when MLflow is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    import mlflow.sklearn

    mlflow.set_tracking_uri(tracking.uri)
    mlflow.set_registry_uri(tracking.uri)
    return mlflow


def client_of(tracking: Tracking) -> Any:
    """A client of its runs and its registry."""
    return mlflow_of(tracking).MlflowClient(tracking.uri, registry_uri=tracking.uri)


def experiment_of(tracking: Tracking) -> str:
    """The id of the experiment, made and described if it is not there."""
    client = client_of(tracking)
    found = client.get_experiment_by_name(tracking.experiment)
    if found is not None:
        return str(found.experiment_id)
    tracking.artifacts.mkdir(parents=True, exist_ok=True)
    created = client.create_experiment(
        tracking.experiment, artifact_location=tracking.artifacts.resolve().as_uri()
    )
    client.set_experiment_tag(created, "mlflow.note.content", _EXPERIMENT_NOTE)
    return str(created)


def registered_model(tracking: Tracking) -> str:
    """The name of the registered model, made and described if it is not there."""
    from mlflow.exceptions import MlflowException

    client = client_of(tracking)
    try:
        client.get_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(MODEL, description=_MODEL_NOTE)
    return MODEL
