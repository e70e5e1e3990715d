"""`rules-backtest` and `rules-names`: what rules would have done, and what they may ask.

Belongs here: the commands. Does not: history, counting, tables (`models.fraud.rules_…`).
"""

import argparse
import sys
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.commands import arguments
from models.commands.arguments import ROOT, Commands

if TYPE_CHECKING:
    from models.fraud.rules_history import Days, History

RULES = ROOT / "config" / "rules.yaml"
PAGE = ROOT / "docs" / "rules.md"


def add(commands: Commands) -> None:
    """Describe them."""
    parser = commands.add_parser("rules-backtest", help="what rules would have done to history")
    parser.add_argument("--rules", type=Path, default=RULES, help="rules file")
    parser.add_argument("--against", type=Path, help="another rules file: what changes from it")
    for name in ("from", "to"):
        parser.add_argument(
            f"--{name}",
            type=date.fromisoformat,
            required=True,
            dest=f"{name}_day",
            help="day in India",
        )
    parser.add_argument(
        "--known-until", type=date.fromisoformat, help="labels of later days do not count"
    )
    arguments.data(parser)
    arguments.lake(parser)
    parser.add_argument(
        "--livemode", action="store_true", help="live payments, not the test mode's"
    )
    parser.add_argument("--transactions", type=Path, help="a log instead: Parquet or CSV")
    parser.add_argument("--labels", type=Path, help="labels of the log")
    for name, default in (("challenge", 40), ("review", 60), ("block", 75)):
        parser.add_argument(f"--{name}-at", type=int, default=default, help="threshold")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.set_defaults(run=run)
    names = commands.add_parser("rules-names", help="write docs/rules.md")
    names.add_argument("--check", action="store_true", help="only say whether it is up to date")
    names.set_defaults(run=write_names)


def run(options: argparse.Namespace) -> int:
    """0, or 2 when the rules, the days or the files cannot be used."""
    from models.fraud.log import LogRefused
    from models.fraud.rules import RulesRefused, load_rules
    from models.fraud.rules_backtest import Thresholds, backtest_rules
    from models.fraud.rules_history import Days
    from models.fraud.rules_report import page

    try:
        days = Days(options.from_day, options.to_day)
        until = Days(options.known_until, options.known_until) if options.known_until else None
        rules = load_rules(options.rules)
        against = load_rules(options.against) if options.against else None
        bounds = Thresholds(options.challenge_at, options.review_at, options.block_at)
        with ExitStack() as stack:
            history = _history(options, days, stack)
            report = backtest_rules(
                history.payments(until.until_us if until else None),
                rules,
                days=(str(days.first), str(days.last)),
                against=against,
                thresholds=bounds,
            )
    except (LogRefused, RulesRefused, ValueError) as error:
        print(f"rules-backtest: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.encode(report).decode() if options.json else page(report), end="")
    return 0


def _history(options: argparse.Namespace, days: "Days", stack: ExitStack) -> "History":
    from models.fraud.rules_history import history_of_lake, history_of_log

    if options.transactions and options.labels:
        return stack.enter_context(history_of_log(options.transactions, options.labels, days))
    if options.transactions or options.labels:
        raise ValueError("a log is two files: --transactions and --labels")
    lake = stack.enter_context(arguments.open_lake(options))
    return history_of_lake(lake.connection, days, livemode=options.livemode)


def write_names(options: argparse.Namespace) -> int:
    from models.fraud.rules_page import page

    if options.check:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0
