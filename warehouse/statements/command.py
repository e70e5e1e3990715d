"""`python -m warehouse statement`: one statement again, from its snapshot alone.

Belongs here: arguments and writing the file. Does not: anything that another module could do.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path

from online.kernel import ids
from warehouse.connection import WarehouseError
from warehouse.doors import add_lake, open_lake
from warehouse.statements.build import Period
from warehouse.statements.render import FORMATS


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands `statement` and `statement-schema`."""
    statement = commands.add_parser(
        "statement", help="make a merchant's statement again from its snapshot"
    )
    add_lake(statement)
    statement.add_argument("--merchant", required=True, metavar="MRC_ID")
    statement.add_argument("--from", dest="start", required=True, type=date.fromisoformat)
    statement.add_argument("--to", dest="end", required=True, type=date.fromisoformat)
    statement.add_argument("--currency", default="INR")
    statement.add_argument(
        "--snapshot", type=int, help="the lake's snapshot; that of the last edition when absent"
    )
    statement.add_argument("--format", choices=FORMATS, default="pdf")
    statement.add_argument("--out", required=True, type=Path, metavar="FILE")
    statement.set_defaults(run=_statement)

    schema = commands.add_parser("statement-schema", help="the JSON form, as a JSON Schema")
    schema.set_defaults(run=_schema)


def _statement(chosen: argparse.Namespace) -> int:
    from warehouse.statements.editions import one
    from warehouse.statements.render import render

    try:
        period = Period(chosen.start, chosen.end, chosen.currency)
        merchant = ids.decode("mrc", chosen.merchant)
        with open_lake(chosen) as warehouse:
            statement = one(warehouse, merchant, period, chosen.snapshot)
    except (WarehouseError, ids.InvalidId) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    chosen.out.write_bytes(render(statement, chosen.format))
    said = {
        "statement": statement.reference,
        "snapshot": statement.snapshot,
        "content_sha256": statement.content_sha256,
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


def _schema(_: argparse.Namespace) -> int:
    from warehouse.statements.render import schema

    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0
