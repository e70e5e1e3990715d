"""`python -m warehouse`: parse bank files, reconcile plain files, read the lake.

Belongs here: arguments and printing. Does not: anything that another module could do.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from warehouse.breaks import command as breaks
from warehouse.doors import add_lake, open_lake
from warehouse.proof import command as proof
from warehouse.statements import command as statements

if TYPE_CHECKING:
    from warehouse.connection import Lake


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    return int(chosen.run(chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m warehouse", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    parse = commands.add_parser("parse", help="print each bank file as one JSON document a line")
    parse.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parse.set_defaults(run=_parse)

    reconcile = commands.add_parser("reconcile", help="match three CSV files, write the breaks")
    for name in ("ledger", "rail", "bank"):
        reconcile.add_argument(f"--{name}", required=True, type=Path, metavar="CSV")
    reconcile.add_argument("--out", required=True, type=Path, metavar="DIR")
    reconcile.add_argument("--config", type=Path, metavar="YAML", help="windows and words")
    reconcile.set_defaults(run=_reconcile)

    journal = commands.add_parser("journal", help="a month of the ledger as CSV for an ERP")
    journal.add_argument("--month", required=True, help="such as 2026-11")
    journal.add_argument("--out", required=True, type=Path, metavar="FILE")
    journal.add_argument("--detail", action="store_true", help="a journal a posting, not a day")
    journal.add_argument("--livemode", action="store_true", help="live books, not the test mode's")
    add_lake(journal)
    journal.set_defaults(run=_journal)

    statements.add_to(commands)
    proof.add_to(commands)
    breaks.add_to(commands)

    sql = commands.add_parser("sql", help="run one query on the lake, read only")
    sql.add_argument("query")
    add_lake(sql)
    sql.add_argument("--at-version", type=int, help="as the lake was at this snapshot")
    sql.add_argument("--format", choices=("table", "csv", "json"), default="table")
    sql.set_defaults(run=_sql)
    return parser


def _parse(chosen: argparse.Namespace) -> int:
    from warehouse.bank_files.parse import document, parse_path

    for path in chosen.files:
        # A file with problems is an answer, not a failure of this command.
        sys.stdout.buffer.write(msgspec.json.encode(document(parse_path(path))) + b"\n")
    sys.stdout.flush()
    return 0


def _reconcile(chosen: argparse.Namespace) -> int:
    import yaml

    from warehouse.connection import WarehouseError
    from warehouse.reconciliation.files import reconcile_files
    from warehouse.reconciliation.rules import load_rules

    try:
        rules = load_rules(chosen.config) if chosen.config else load_rules()
        summary = reconcile_files(chosen.ledger, chosen.rail, chosen.bank, chosen.out, rules=rules)
    except (WarehouseError, msgspec.ValidationError, yaml.YAMLError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({key: summary[key] for key in ("matches", "breaks", "unexplained")}))
    return 0 if summary["unexplained"] == 0 else 1


def _journal(chosen: argparse.Namespace) -> int:
    from online.kernel.months import InvalidMonth, Month
    from warehouse.connection import WarehouseError
    from warehouse.journal import export_journal

    try:
        month = Month.parse(chosen.month)
        with open_lake(chosen) as lake:
            made = export_journal(
                lake, month, chosen.out, detail=chosen.detail, livemode=chosen.livemode
            )
    except (InvalidMonth, OSError, WarehouseError) as error:
        print(error, file=sys.stderr)
        return 2
    print(msgspec.json.encode(made).decode())
    return 0


def _sql(chosen: argparse.Namespace) -> int:
    import duckdb

    from warehouse.connection import WarehouseError, is_query

    if not is_query(chosen.query):
        print("only one query (SELECT, FROM, DESCRIBE, EXPLAIN) is allowed", file=sys.stderr)
        return 2
    try:
        with open_lake(chosen) as warehouse:
            if chosen.at_version is None:
                _show(warehouse, chosen.query, chosen.format)
            else:
                with warehouse.at_version(chosen.at_version) as lake:
                    _show(lake, chosen.query, chosen.format)
    except (WarehouseError, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _show(lake: "Lake", query: str, form: str) -> None:
    found = lake.connection.execute(query)
    if form == "table":
        print(lake.connection.sql(query))
        return
    columns = [column[0] for column in found.description or []]
    rows: list[tuple[Any, ...]] = found.fetchall()
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        return
    for row in rows:
        print(json.dumps(dict(zip(columns, row, strict=True)), default=str))


if __name__ == "__main__":
    sys.exit(main())
