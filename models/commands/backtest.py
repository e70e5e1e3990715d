"""`backtest`: train on some days of a labelled log, score later ones, say how good the scores are.

Belongs here: the command. Does not: reading the log, learning, measuring (`models.fraud`).
"""

import argparse
import sys
from datetime import date
from pathlib import Path

import msgspec

from models.commands.arguments import Commands

_ALGORITHMS = ("random_forest", "hist_gradient_boosting", "logistic_regression")


def add(commands: Commands) -> None:
    """Describe it."""
    parser = commands.add_parser("backtest", help="train and test on a labelled log in files")
    for name in ("transactions", "labels"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="Parquet or CSV")
    for name in ("train-from", "train-to", "test-from", "test-to"):
        parser.add_argument(f"--{name}", type=date.fromisoformat, required=True, help="day in UTC")
    parser.add_argument("--out", type=Path, required=True, help="where transaction_id, score go")
    parser.add_argument(
        "--weeks", type=int, default=1, choices=range(1, 27), metavar="N",
        help="measure N tests, each a week before the last",
    )  # fmt: skip
    parser.add_argument("--algorithm", default="random_forest", choices=_ALGORITHMS)
    parser.add_argument("--seed", type=int, default=7)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0, or 2 when the files or the days cannot be tested on."""
    from models.fraud.backtest import PARAMS, Days, Fold, backtest
    from models.fraud.log import LogRefused

    try:
        fold = Fold(
            Days(options.train_from, options.train_to), Days(options.test_from, options.test_to)
        )
        given = {"algorithm": options.algorithm, "seed": options.seed}
        params = msgspec.convert({**msgspec.to_builtins(PARAMS), **given}, type=type(PARAMS))
        report = backtest(
            options.transactions,
            options.labels,
            fold,
            options.out,
            weeks=options.weeks,
            params=params,
        )
    except LogRefused as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.encode(report).decode())
    return 0
