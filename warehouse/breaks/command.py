"""`python -m warehouse breaks`: what stood open at the end of a day, as now or then known."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from online.kernel.clock import IST
from online.kernel.money import format_minor
from warehouse.doors import add_lake, open_lake

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = (
    *("age_bucket", "age_days", "business_date", "side", "rail", "kind", "cause", "owner", "state"),
    *("reference", "at_stake_minor", "suspense_minor", "tat_minor", "currency"),
)


def add_to(commands: Any) -> None:
    """The subcommand."""
    parser = commands.add_parser("breaks", help="which breaks stood open at the end of a day")
    parser.add_argument("--as-of", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument(
        "--known-at",
        type=_instant,
        metavar="TIME",
        help="leave out what the lake learned later, such as 2026-11-18T10:00+05:30",
    )
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    add_lake(parser)
    parser.set_defaults(run=run)


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=IST)


def run(chosen: argparse.Namespace) -> int:
    from warehouse.breaks.standing import standing
    from warehouse.connection import WarehouseError

    try:
        with open_lake(chosen) as warehouse:
            found = standing(warehouse, chosen.as_of, known_at=chosen.known_at)
    except WarehouseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if chosen.format == "json":
        about = {"as_of": chosen.as_of, "known_at": chosen.known_at, "snapshot": found.snapshot}
        rows = {"breaks": found.breaks.to_dicts(), "position": found.position.to_dicts()}
        sys.stdout.write(json.dumps({**about, **rows}, default=_plain) + "\n")
    elif chosen.format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found.breaks.columns)
        writer.writerows(found.breaks.iter_rows())
    else:
        position = _table(found.position.columns, found.position)
        sys.stdout.write(f"{_table(_COLUMNS, found.breaks)}\n{position}")
    return 0


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _table(columns: Sequence[str], frame: "pl.DataFrame") -> str:
    """Columns as wide as their widest cell; amounts in the currency's own units."""
    rows = [[_cell(name, row) for name in columns] for row in frame.iter_rows(named=True)]
    titles = [name.removesuffix("_minor") for name in columns]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (titles, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines) + "\n"


def _cell(name: str, row: dict[str, Any]) -> str:
    value = row[name]
    if value is None:
        return "-"
    return format_minor(value, row["currency"]) if name.endswith("_minor") else str(value)
