"""`python -m pipelines demo | dev | train | settle`.

Belongs here: arguments. Does not: anything else. Each command imports what it needs.
"""

import argparse
import os
import sys
from datetime import date
from pathlib import Path


def _demo(arguments: argparse.Namespace) -> int:
    from pipelines import demo

    return demo.main(arguments)


def _dev(arguments: argparse.Namespace) -> int:
    from pipelines import commands

    return commands.dev(Path(arguments.data).absolute(), port=arguments.port)


def _train(arguments: argparse.Namespace) -> int:
    from pipelines import commands

    config = {
        asset: {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
        for asset, names in _TRAINING.items()
    }
    return commands.train(Path(arguments.data).absolute(), config)


def _settle(arguments: argparse.Namespace) -> int:
    from pipelines import commands

    return commands.settle(Path(arguments.data).absolute(), arguments.date)


# Parameters of the assets, as the launchpad has them; what is not given keeps its default there.
_TRAINING = {
    "fraud_training_set": ("livemode", "train_days", "test_days", "label_delay_days", "max_rows"),
    "fraud_model": ("algorithm", "class_weight", "seed"),
    "fraud_promotion": ("rehearsal",),
}


def _add_training(train: argparse.ArgumentParser) -> None:
    train.argument_default = argparse.SUPPRESS
    for name in ("train_days", "test_days", "label_delay_days", "max_rows", "seed"):
        train.add_argument(f"--{name.replace('_', '-')}", type=int)
    train.add_argument("--livemode", action="store_true", help="real payments, not those of tests")
    train.add_argument("--algorithm", help="one candidate alone, or `best` of all")
    train.add_argument("--class-weight", choices=("none", "balanced"))
    train.add_argument("--rehearsal", action="store_true", help="judge the form alone")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True)
    demo = commands.add_parser("demo", help="a day of payments, settled and reconciled")
    demo.add_argument("--data", default="var/demo", help="folder of its own, emptied first")
    demo.add_argument(
        "--history",
        type=int,
        default=int(os.environ.get("HISTORY") or 40_000),
        help="payments before the day (or HISTORY in the environment)",
    )
    demo.add_argument("--payments", type=int, default=300, help="payments of the day")
    demo.set_defaults(run=_demo)
    dev = commands.add_parser("dev", help="service, sandbox banks, Dagster UI and MLflow UI")
    dev.add_argument("--data", default="var/dev")
    dev.add_argument("--port", type=int, default=8080, help="of the service")
    dev.set_defaults(run=_dev)
    train = commands.add_parser("train", help="train, judge and promote on a running data folder")
    train.add_argument("--data", default="var/dev")
    _add_training(train)
    train.set_defaults(run=_train)
    settle = commands.add_parser("settle", help="settle a closed business day")
    settle.add_argument("--data", default="var/dev")
    settle.add_argument("--date", type=date.fromisoformat, required=True)
    settle.set_defaults(run=_settle)
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    found: int = arguments.run(arguments)
    return found


if __name__ == "__main__":
    sys.exit(main())
