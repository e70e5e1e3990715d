"""`python -m models`: train, promote and show fraud models, and write the generated SQL.

python -m models train --warehouse postgres:dbname=khata_lake --lake-data var/lake
python -m models promote --version 3
python -m models show
python -m models compile
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from models.fraud.registry import Tracking

ROOT = Path(__file__).resolve().parents[1]
QUERIES = ROOT / "online" / "risk" / "queries.sql"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 when a model was refused."""
    options = _parser().parse_args(arguments)
    command = {"train": _train, "promote": _promote, "show": _show, "compile": _compile}
    return command[options.command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    records = argparse.ArgumentParser(add_help=False)
    records.add_argument("--data", type=Path, default=ROOT / "var", help="data folder")
    records.add_argument("--tracking", help="MLflow URI; default: a SQLite file in the data folder")
    records.add_argument("--publish", type=Path, help="the file that the service reads")
    train = commands.add_parser("train", parents=[records], help="train and record a new version")
    train.add_argument("--warehouse", required=True, help="DuckLake catalog")
    train.add_argument("--lake-data", required=True, help="where the lake keeps its files")
    train.add_argument("--test-days", type=int, default=10)
    train.add_argument("--label-delay-days", type=int, help="default: that of models.fraud.dataset")
    train.add_argument("--algorithm", default="hist_gradient_boosting")
    train.add_argument("--promote", action="store_true", help="promote it if it passes the gates")
    train.add_argument("--seed", type=int, default=7)
    promote = commands.add_parser("promote", parents=[records], help="hold a version to the gates")
    promote.add_argument("--version", required=True)
    commands.add_parser("show", parents=[records], help="list the recorded versions")
    compile_ = commands.add_parser("compile", help="write online/risk/queries.sql")
    compile_.add_argument("--check", action="store_true", help="only say whether it is up to date")
    return parser


def _train(options: argparse.Namespace) -> int:
    from models.fraud.dataset import LABEL_DELAY, build_dataset, latest_split
    from models.fraud.registry import record
    from models.fraud.training import TrainingParams, fit
    from warehouse.connection import LakeConfig, Warehouse

    params = msgspec.convert(
        {"algorithm": options.algorithm, "seed": options.seed}, type=TrainingParams
    )
    config = LakeConfig(catalog=options.warehouse, data_path=options.lake_data, read_only=True)
    with Warehouse(config) as lake:
        delay = LABEL_DELAY
        if options.label_delay_days is not None:
            delay = timedelta(days=options.label_delay_days)
        split = latest_split(lake.connection, test_days=options.test_days, label_delay=delay)
        dataset = build_dataset(lake.connection, split, snapshot=str(lake.snapshot_id()))
    recorded = record(fit(dataset, params), dataset, _tracking(options))
    _print(recorded)
    if not options.promote:
        return 0
    options.version = recorded.version
    return _promote(options)


def _promote(options: argparse.Namespace) -> int:
    from models.fraud.registry import promote_version

    published = options.publish or options.data / "models" / "fraud.bundle"
    decision = promote_version(options.version, _tracking(options), published)
    for gate in decision.gates:
        print(gate, file=sys.stderr)
    _print(decision)
    return 0 if decision.promote else 1


def _show(options: argparse.Namespace) -> int:
    from models.fraud.registry import versions

    for row in versions(_tracking(options)):
        print(json.dumps(row))
    return 0


def _compile(options: argparse.Namespace) -> int:
    from models.fraud.compile_postgres import compile_features

    text = compile_features()
    if options.check:
        return 0 if QUERIES.read_text(encoding="utf-8") == text else 1
    QUERIES.write_text(text, encoding="utf-8")
    return 0


def _tracking(options: argparse.Namespace) -> "Tracking":
    from models.fraud.registry import Tracking as Settings

    uri = options.tracking or f"sqlite:///{(options.data / 'mlflow' / 'mlflow.db').resolve()}"
    (options.data / "mlflow").mkdir(parents=True, exist_ok=True)
    return Settings(uri=uri, artifacts=options.data / "mlflow" / "artifacts")


def _print(found: object) -> None:
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    sys.exit(main())
