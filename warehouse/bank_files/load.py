"""One file into the lake: whole, once, or quarantined whole.

Belongs here: a file's rows into raw tables, in one transaction. Does not: reading a format
(`parse.py`), or which of two files about the same thing counts (`reissues.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from warehouse.bank_files import csv_layout, reissues
from warehouse.bank_files.csv_bank import StatementTable
from warehouse.bank_files.csv_rows import HEAD_BYTES
from warehouse.bank_files.model import (
    BankFile,
    BankLine,
    DisputeRow,
    Problem,
    RailRow,
    Statement,
)
from warehouse.bank_files.parse import MAX_BYTES, parse, unreadable
from warehouse.connection import Lake, Warehouse

LOADED, QUARANTINED, DUPLICATE = "loaded", "quarantined", "duplicate"


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What became of one file. `status`: loaded, quarantined or duplicate (same content).

    `days` are the days of settling, booking or reporting that its rows belong to, and those of
    the parts of other files that it superseded: the days to stage anew. `notes` tell of every
    part, of this file or another, that does not count because of the other one.
    """

    file_sha256: str
    name: str
    format: str
    status: str
    row_count: int
    problems: list[Problem]
    days: list[date]
    supersedes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A file as read: rows by raw table, without the file's hash."""

    format: str
    problems: list[Problem]
    control: dict[str, int]
    tables: dict[str, pl.DataFrame] = {}


class _Refused(Exception):
    """The file does not go with those before it: nothing of it may stay."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


# Of a file of millions of rows only so many are handed to DuckDB at once.
_ROWS_AT_ONCE = 250_000
# Which column holds the day of a raw table's rows.
_DAYS = {
    "raw_bank_lines": "booking_date",
    "raw_rail_rows": "settled_on",
    "raw_dispute_rows": "reported_on",
}


def load_file(warehouse: Warehouse, path: Path, *, received_at: datetime) -> LoadResult:
    """Read a file and store its rows, or its problems, in one transaction."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    seen = _seen(warehouse, digest, path.name)
    if seen is not None:
        return seen
    contents = _read(path)

    def store(lake: Lake) -> LoadResult:
        _take_turn(lake)
        return _seen(lake, digest, path.name) or _store(
            lake, contents, digest, path=path, received_at=received_at
        )

    try:
        return warehouse.transaction(store)
    except _Refused as refused:
        contents = msgspec.structs.replace(contents, problems=refused.problems)
        return warehouse.transaction(store)


def _take_turn(lake: Lake) -> None:
    """Make two loads at the same time conflict, whatever files they load."""
    turns = [int(turn) for (turn,) in lake.rows("SELECT turn FROM raw_load_turn")]
    lake.execute("DELETE FROM raw_load_turn")
    lake.execute("INSERT INTO raw_load_turn VALUES ($turn)", turn=max(turns, default=0) + 1)


def _seen(lake: Lake, digest: str, name: str) -> LoadResult | None:
    """The answer for a file that is loaded already. A quarantined one is read again: the fault may
    have been ours.
    """
    found = lake.rows(
        "SELECT format, row_count FROM raw_bank_files"
        " WHERE file_sha256 = $digest AND status = $loaded",
        digest=digest,
        loaded=LOADED,
    )
    if not found:
        return None
    form, count = found[0]
    return LoadResult(
        file_sha256=digest,
        name=name,
        format=str(form),
        status=DUPLICATE,
        row_count=int(count),
        problems=[],
        days=[],
    )


def _store(
    lake: Lake, contents: _Contents, digest: str, *, path: Path, received_at: datetime
) -> LoadResult:
    tables = {} if contents.problems else contents.tables
    days = _days_of(tables)
    result = LoadResult(
        file_sha256=digest,
        name=path.name,
        format=contents.format,
        status=QUARANTINED if contents.problems else LOADED,
        row_count=sum(tables[name].height for name in _DAYS if name in tables),
        problems=list(contents.problems),
        days=sorted(days),
    )
    row: dict[str, object] = {
        "file_sha256": digest,
        "name": path.name,
        "format": result.format,
        "size_bytes": path.stat().st_size,
        "received_at": received_at,
        "status": result.status,
        "problems": msgspec.json.encode(result.problems).decode(),
        "control": msgspec.json.encode(contents.control).decode(),
        "row_count": result.row_count,
        "covers_from": min(days, default=None),
        "covers_to": max(days, default=None),
        "notes": "[]",
    }
    lake.execute("DELETE FROM raw_bank_files WHERE file_sha256 = $digest", digest=digest)
    lake.append("raw_bank_files", pl.DataFrame([row]))
    for name, frame in tables.items():
        for rows in frame.iter_slices(_ROWS_AT_ONCE):
            lake.append(name, rows.with_columns(file_sha256=pl.lit(digest)))
    return _against_others(lake, result, days) if days else result


def _against_others(lake: Lake, result: LoadResult, days: set[date]) -> LoadResult:
    digest = result.file_sha256
    verdict = reissues.settle(lake, digest, (min(days), max(days)))
    if verdict.problems:
        raise _Refused(verdict.problems)
    lake.execute(
        "UPDATE raw_bank_files SET notes = $notes, supersedes = $supersedes"
        " WHERE file_sha256 = $digest",
        digest=digest,
        notes=msgspec.json.encode(verdict.notes).decode(),
        supersedes=",".join(verdict.supersedes) or None,
    )
    return LoadResult(
        file_sha256=digest,
        name=result.name,
        format=result.format,
        status=result.status,
        row_count=result.row_count,
        problems=[],
        days=sorted(days | verdict.days),
        supersedes=verdict.supersedes,
        notes=verdict.notes,
    )


def _days_of(tables: dict[str, pl.DataFrame]) -> set[date]:
    days: set[date] = set()
    for name, column in _DAYS.items():
        if name in tables:
            days.update(tables[name][column].unique())
    if "raw_bank_balances" in tables:
        days.update(tables["raw_bank_balances"]["closing_date"].drop_nulls())
    return days


# ── a file's rows by raw table ───────────────────────────────────────────────────────────────


def _read(path: Path) -> _Contents:
    size = path.stat().st_size
    if size > MAX_BYTES:
        return _contents(unreadable(path.name, f"is larger than {MAX_BYTES} bytes"))
    with path.open("rb") as file:
        found = csv_layout.find(file.read(HEAD_BYTES))
    if found is None:
        return _contents(parse(path.read_bytes(), path.name))
    # Of a CSV there may be millions of rows: they never become Python objects.
    read = csv_layout.tables(lambda: path.open("rb"), found)
    tables = {}
    if read.statement is not None:
        tables = _of_statement(read.statement, read.format)
    if read.rail_rows is not None:
        tables = {"raw_rail_rows": read.rail_rows}
    return _Contents(
        format=read.format, problems=read.problems, control=read.control, tables=tables
    )


def _contents(file: BankFile) -> _Contents:
    tables = {
        "raw_bank_lines": _lines(file.statements),
        "raw_bank_balances": _balances(file.statements),
        "raw_rail_rows": _frame(file.rail_rows, RailRow.__struct_fields__),
        "raw_dispute_rows": _frame(file.dispute_rows, DisputeRow.__struct_fields__),
    }
    return _Contents(
        format=file.format,
        problems=list(file.problems),
        control=dict(file.control),
        tables={name: frame for name, frame in tables.items() if not frame.is_empty()},
    )


def _frame(rows: Sequence[msgspec.Struct], names: Sequence[str]) -> pl.DataFrame:
    """Values of one kind as a frame, column by column."""
    return pl.DataFrame({name: [getattr(row, name) for row in rows] for name in names})


def _lines(statements: Sequence[Statement]) -> pl.DataFrame:
    pairs = [(statement, line) for statement in statements for line in statement.lines]
    if not pairs:
        return pl.DataFrame()
    same = ("currency", "amount_minor", "pending", "reference", "bank_reference", "narrative")
    columns: dict[str, list[Any]] = {
        "statement_id": [statement.statement_id for statement, _ in pairs],
        "account": [statement.account for statement, _ in pairs],
        "booking_date": [_booked(*pair) for pair in pairs],
        "value_date": [line.value_date or _booked(statement, line) for statement, line in pairs],
        "details": [msgspec.json.encode(line.details).decode() for _, line in pairs],
        **{name: [getattr(line, name) for _, line in pairs] for name in same},
    }
    return pl.DataFrame(columns).with_row_index("line_no", offset=1)


def _booked(statement: Statement, line: BankLine) -> date | None:
    return line.booking_date or line.value_date or statement.closing_date


def _balances(statements: Sequence[Statement]) -> pl.DataFrame:
    return _frame(statements, [name for name in Statement.__struct_fields__ if name != "lines"])


def _of_statement(read: StatementTable, form: str) -> dict[str, pl.DataFrame]:
    """A statement without an account number is its layout's: one account of that bank."""
    account = read.account or form
    lines = read.lines.drop("line", "balance_minor").with_columns(
        statement_id=pl.lit(""),
        account=pl.lit(account),
        currency=pl.lit(read.currency),
        pending=pl.lit(value=False),
        details=pl.lit("[]"),
    )
    balances = pl.DataFrame(
        {
            "statement_id": "",
            "account": account,
            "currency": read.currency,
            "opening_minor": read.opening_minor,
            "closing_minor": read.closing_minor,
            "opening_date": read.opening_date,
            "closing_date": read.closing_date,
        }
    )
    return {
        "raw_bank_lines": lines.with_row_index("line_no", offset=1),
        "raw_bank_balances": balances,
    }
