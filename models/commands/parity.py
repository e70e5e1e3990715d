"""`parity`: replay a day's decisions and say whether they were served what training computes.

Belongs here: the command. Does not: replaying (`models.fraud.parity`).
"""

import argparse
from datetime import date

import msgspec

from models.commands import arguments
from models.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Describe it."""
    parser = commands.add_parser("parity", help="replay a day's decisions; 1 if a value differs")
    arguments.data(parser)
    arguments.lake(parser)
    parser.add_argument("--day", type=date.fromisoformat, required=True, help="business day")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from models.fraud.parity import verdict

    with arguments.open_lake(options) as lake:
        found = verdict(lake, options.day)
    print(msgspec.json.encode(found).decode())
    return 0 if found.holds else 1
