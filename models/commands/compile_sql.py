"""`compile`: write the SQL that is generated from the features.

Belongs here: the command. Does not: what is written (`models.fraud.compile_postgres`).
"""

import argparse

from models.commands.arguments import ROOT, Commands

QUERIES = ROOT / "online" / "risk" / "queries.sql"


def add(commands: Commands) -> None:
    """Describe it."""
    parser = commands.add_parser("compile", help="write online/risk/queries.sql")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from models.fraud.compile_postgres import compile_features

    text = compile_features()
    if options.check:
        return 0 if QUERIES.read_text(encoding="utf-8") == text else 1
    QUERIES.write_text(text, encoding="utf-8")
    return 0
