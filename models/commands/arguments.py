"""Arguments that several commands share.

Belongs here: the data folder, the lake and MLflow as arguments, and opening them. Does not: a
command.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from models.fraud.tracking import Tracking
    from warehouse.connection import Warehouse

Commands: TypeAlias = Any  # what `add_subparsers` returns, a name of argparse's own

ROOT = Path(__file__).resolve().parents[2]


def data(parser: argparse.ArgumentParser) -> None:
    """Where everything is that no other argument names."""
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "dev", help="data folder")


def records(parser: argparse.ArgumentParser) -> None:
    """Where models are recorded and published."""
    data(parser)
    parser.add_argument("--tracking", help="MLflow URI; default: a SQLite file in the data folder")
    parser.add_argument("--publish", type=Path, help="the file that the service reads")


def lake(parser: argparse.ArgumentParser) -> None:
    """Where the warehouse is."""
    parser.add_argument(
        "--warehouse", "--catalog", help="DuckLake catalog; default: that of the data folder"
    )
    parser.add_argument("--lake-data", "--data-path", help="where the lake keeps its files")


def open_lake(options: argparse.Namespace) -> "Warehouse":
    """The lake that the arguments name, else that of the data folder; read only.

    Raises `WarehouseError` with what is missing or cannot be reached.
    """
    from warehouse.doors import lake_config, opened

    config = lake_config(options.data, options.warehouse, options.lake_data)
    return opened(replace(config, temp_directory=str(options.data / "tmp")))


def tracking(options: argparse.Namespace) -> "Tracking":
    """MLflow's records that the arguments name, else those of the data folder."""
    from models.fraud.tracking import Tracking

    folder: Path = options.data / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    file = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    uri = options.tracking or _written(options, "mlflow_uri", file)
    return Tracking(uri=uri, artifacts=folder / "artifacts")


def published(options: argparse.Namespace) -> Path:
    """The champion's file that the service reads."""
    if options.publish:
        return Path(options.publish)
    default = str(options.data / "models" / "fraud.bundle")
    return Path(_written(options, "model_bundle_path", default))


def _written(options: argparse.Namespace, name: str, default: str) -> str:
    """What a running `online dev` wrote of itself into its data folder."""
    about: Path = options.data / "dev.json"
    known: dict[str, str] = json.loads(about.read_text("utf-8")) if about.exists() else {}
    return known.get(name) or default
