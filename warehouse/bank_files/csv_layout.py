"""CSV files described by YAML (`layouts/*.yaml`), not by code: the door of its readers.

Belongs here: a file into values (`read`) or into frames (`tables`, for files of any length).
Does not: the words of a layout (`csv_spec.py`), or what rows must agree on (`csv_bank.py`,
`csv_rail.py`).
"""

import io

import msgspec
import polars as pl

from warehouse.bank_files import csv_bank, csv_rail, csv_rows
from warehouse.bank_files.csv_rail import AMOUNTS
from warehouse.bank_files.csv_rows import Open
from warehouse.bank_files.csv_spec import BankLayout, Found
from warehouse.bank_files.model import BankFile, BankLine, Problem, RailRow, Statement
from warehouse.bank_files.values import Problems

_RAIL_COLUMNS = [name for name in csv_rail.SCHEMA if name not in ("line", "txn_day")]
_BANK_COLUMNS = (
    *("amount_minor", "value_date", "booking_date", "reference", "bank_reference", "narrative"),
)


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """A file as frames: a statement or a rail's rows (`row_no` and the fields of `RailRow`)."""

    format: str
    problems: list[Problem]
    control: dict[str, int]
    statement: csv_bank.StatementTable | None = None
    rail_rows: pl.DataFrame | None = None


def find(data: bytes) -> Found | None:
    """The layout whose header is one of a file's first lines."""
    return csv_rows.find(data)


def tables(open_file: Open, found: Found) -> Tables:
    """Read a file of any length, a block at a time; what is wrong with it comes as problems."""
    problems = Problems()
    name = found.layout.name
    if isinstance(found.layout, BankLayout):
        statement = csv_bank.read(open_file, found, problems)
        control = {"statements": 1, "lines": statement.lines.height}
        return Tables(format=name, problems=problems.found, control=control, statement=statement)
    rows = csv_rail.read(open_file, found, problems)
    sums = {f"{name}_minor": int(rows[f"{name}_minor"].sum() or 0) for name in AMOUNTS}
    return Tables(
        format=name,
        problems=problems.found,
        control={"rows": rows.height, **sums},
        rail_rows=rows.select(_RAIL_COLUMNS).with_row_index("row_no", offset=1),
    )


def read(data: bytes, name: str, found: Found) -> BankFile:
    """Read a file of this layout; whatever is wrong with it comes back as problems."""
    read_tables = tables(lambda: io.BytesIO(data), found)
    statements, rail_rows = [], []
    if read_tables.statement is not None and not read_tables.statement.lines.is_empty():
        statements = [_statement(read_tables.statement)]
    if read_tables.rail_rows is not None:
        rail_rows = [RailRow(**row) for row in read_tables.rail_rows.iter_rows(named=True)]
    return BankFile(
        name=name,
        format=read_tables.format,
        statements=statements,
        rail_rows=rail_rows,
        problems=read_tables.problems,
        control=read_tables.control,
    )


def _statement(table: csv_bank.StatementTable) -> Statement:
    lines = [
        BankLine(currency=table.currency, **{name: row[name] for name in _BANK_COLUMNS})
        for row in table.lines.iter_rows(named=True)
    ]
    return Statement(
        account=table.account,
        currency=table.currency,
        opening_minor=table.opening_minor,
        closing_minor=table.closing_minor,
        lines=lines,
        opening_date=table.opening_date,
        closing_date=table.closing_date,
    )


def statements_of(rows: list[RailRow]) -> list[Statement]:
    """A settlement report as the door shows statements: a line a row, of what the rail owes net.

    One statement a rail and currency, in file order; the payout that ends a settlement is a line.
    """
    groups: dict[tuple[str, str], list[RailRow]] = {}
    for row in rows:
        groups.setdefault((row.rail, row.currency), []).append(row)
    return [
        Statement(
            account=rail,
            currency=currency,
            opening_minor=None,
            closing_minor=None,
            lines=[_line_of(row) for row in group],
            opening_date=min(row.settled_on for row in group),
            closing_date=max(row.settled_on for row in group),
        )
        for (rail, currency), group in groups.items()
    ]


def _line_of(row: RailRow) -> BankLine:
    amounts = {f"{name}_minor": str(getattr(row, f"{name}_minor")) for name in AMOUNTS}
    return BankLine(
        amount_minor=row.net_minor,
        currency=row.currency,
        value_date=row.settled_on,
        booking_date=row.settled_on,
        reference=row.order_ref or row.network_ref or row.rrn,
        narrative=f"{row.row_type} {row.network_ref or row.rrn}".strip(),
        details=[{"type": row.row_type, "settlement_id": row.settlement_id, **amounts}],
        bank_reference=row.utr,
    )
