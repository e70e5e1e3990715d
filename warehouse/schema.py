"""The tables of the lake, one file each: `schema/NNN_<table>.sql`.

Belongs here: columns, types and partitioning. Does not: how rows get there (`warehouse/sql`,
`ingest.py`, `bank_files`).

Each file's head is read by code and by people: `-- grain:`, `-- owner:`, and `-- day:` naming
the column that a rerun of one business day replaces (and that the table is partitioned by).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warehouse.connection import Lake, Warehouse

_DIR = Path(__file__).with_suffix("")


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table as its file describes it."""

    name: str
    create: str
    grain: str
    owner: str
    day: str | None


@cache
def tables() -> Mapping[str, Table]:
    """Every table of the lake by name, in the order of the files."""
    found = {}
    for path in sorted(_DIR.glob("*.sql")):
        name = path.stem.split("_", 1)[1]
        text = path.read_text(encoding="utf-8")
        head = dict(
            line.removeprefix("--").strip().split(": ", 1)
            for line in text.splitlines()
            if line.startswith("--") and ": " in line
        )
        found[name] = Table(
            name=name,
            create=text.strip().rstrip(";"),
            grain=head["grain"],
            owner=head["owner"],
            day=head.get("day"),
        )
    return found


def day_column(table: str) -> str:
    """The column that holds the business day of a table's rows."""
    from warehouse.connection import WarehouseError

    column = tables()[table].day if table in tables() else None
    if column is None:
        raise WarehouseError(f"{table} is not kept by day")
    return column


def ensure(warehouse: "Warehouse") -> list[str]:
    """Create the tables that are missing, and the columns that a table of an older lake lacks.

    Returns the names of new tables. Safe to call at every start; a column never goes.
    """

    def body(lake: "Lake") -> list[str]:
        present = set(warehouse.tables())
        missing = [table for table in tables().values() if table.name not in present]
        for table in missing:
            lake.execute(table.create)
            if table.day is not None:
                lake.execute(f"ALTER TABLE {table.name} SET PARTITIONED BY ({table.day})")
        for statement in _new_columns(lake):
            lake.execute(statement)
        return [table.name for table in missing]

    return warehouse.transaction(body)


def _new_columns(lake: "Lake") -> list[str]:
    """The statements that give older tables the columns that their files name."""
    from warehouse.connection import LAKE

    held = {
        (str(table), str(column))
        for table, column in lake.rows(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = $lake",
            lake=LAKE,
        )
    }
    return [
        f'ALTER TABLE {table} ADD COLUMN "{column}" {kind}'
        + (f" DEFAULT {default}" if default is not None else "")
        for table, column, kind, default in _described()
        if (table, column) not in held
    ]


@cache
def _described() -> list[tuple[str, str, str, str | None]]:
    """Table, column, type and default of every column that the files name."""
    import duckdb

    with duckdb.connect(":memory:") as scratch:
        for table in tables().values():
            scratch.execute(table.create)
        return scratch.execute(
            "SELECT table_name, column_name, data_type, column_default FROM duckdb_columns()"
            " WHERE database_name = 'memory' ORDER BY table_oid, column_index"
        ).fetchall()


def tables_as_described() -> Mapping[str, Mapping[str, str]]:
    """Each table's columns, with the expression for a row that does not have one yet."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, default in _described():
        found.setdefault(table, {})[column] = f"CAST({default or 'NULL'} AS {kind})"
    return found
