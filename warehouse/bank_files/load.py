"""One file into the lake: whole, once, or quarantined whole."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec
import polars as pl

from warehouse.bank_files.model import BankFile, Problem
from warehouse.bank_files.parse import parse
from warehouse.connection import Lake, Warehouse

LOADED, QUARANTINED, DUPLICATE = "loaded", "quarantined", "duplicate"


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What became of one file. `status`: loaded, quarantined or duplicate (same content).

    `days` are the days of settling, booking or reporting that its rows belong to: the days to
    stage anew.
    """

    file_sha256: str
    name: str
    format: str
    status: str
    row_count: int
    problems: list[Problem]
    days: list[date]


def load_file(warehouse: Warehouse, path: Path, *, received_at: datetime) -> LoadResult:
    """Parse a file and store its rows, or its problems, in one transaction."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    seen = warehouse.rows(
        "SELECT format, row_count FROM raw_bank_files WHERE file_sha256 = $digest", digest=digest
    )
    if seen:
        form, count = seen[0]
        return LoadResult(
            file_sha256=digest,
            name=path.name,
            format=str(form),
            status=DUPLICATE,
            row_count=int(count),
            problems=[],
            days=[],
        )
    file = parse(data, path.name)
    return warehouse.transaction(lambda lake: _store(lake, file, digest, len(data), received_at))


def _store(
    lake: Lake, file: BankFile, digest: str, size_bytes: int, received_at: datetime
) -> LoadResult:
    rows, days, status = 0, set[date](), QUARANTINED
    if not file.problems:
        status = LOADED
        lines, bank_days = _bank_lines(file, digest)
        rail_rows, rail_days = _rail_rows(file, digest)
        disputes, dispute_days = _dispute_rows(file, digest)
        rows = (
            _append(lake, "raw_bank_lines", lines)
            + _append(lake, "raw_rail_rows", rail_rows)
            + _append(lake, "raw_dispute_rows", disputes)
        )
        _append(lake, "raw_bank_balances", _balances(file, digest))
        days = bank_days | rail_days | dispute_days
    row = {
        "file_sha256": digest,
        "name": file.name,
        "format": file.format,
        "size_bytes": size_bytes,
        "received_at": received_at,
        "status": status,
        "problems": msgspec.json.encode(file.problems).decode(),
        "control": msgspec.json.encode(file.control).decode(),
        "row_count": rows,
        "covers_from": min(days, default=None),
        "covers_to": max(days, default=None),
    }
    _append(lake, "raw_bank_files", [row])
    return LoadResult(
        file_sha256=digest,
        name=file.name,
        format=file.format,
        status=status,
        row_count=rows,
        problems=list(file.problems),
        days=sorted(days),
    )


def _append(lake: Lake, table: str, rows: Sequence[dict[str, object]]) -> int:
    return lake.append(table, pl.DataFrame(rows, infer_schema_length=None)) if rows else 0


def _bank_lines(file: BankFile, digest: str) -> tuple[list[dict[str, object]], set[date]]:
    rows: list[dict[str, object]] = []
    days = {statement.closing_date for statement in file.statements} - {None}
    for statement in file.statements:
        for line in statement.lines:
            booked = line.booking_date or line.value_date or statement.closing_date
            days.add(booked)
            rows.append(
                {
                    "file_sha256": digest,
                    "line_no": len(rows) + 1,
                    "statement_id": statement.statement_id,
                    "account": statement.account,
                    "currency": line.currency,
                    "amount_minor": line.amount_minor,
                    "value_date": line.value_date or booked,
                    "booking_date": booked,
                    "pending": line.pending,
                    "reference": line.reference,
                    "bank_reference": line.bank_reference,
                    "narrative": line.narrative,
                    "details": msgspec.json.encode(line.details).decode(),
                }
            )
    return rows, {day for day in days if day is not None}


def _rail_rows(file: BankFile, digest: str) -> tuple[list[dict[str, object]], set[date]]:
    rows = [{"file_sha256": digest, **msgspec.structs.asdict(row)} for row in file.rail_rows]
    return rows, {row.settled_on for row in file.rail_rows}


def _dispute_rows(file: BankFile, digest: str) -> tuple[list[dict[str, object]], set[date]]:
    rows = [{"file_sha256": digest, **msgspec.structs.asdict(row)} for row in file.dispute_rows]
    return rows, {row.reported_on for row in file.dispute_rows}


def _balances(file: BankFile, digest: str) -> list[dict[str, object]]:
    return [
        {
            "file_sha256": digest,
            "statement_id": statement.statement_id,
            "account": statement.account,
            "currency": statement.currency,
            "opening_minor": statement.opening_minor,
            "closing_minor": statement.closing_minor,
            "opening_date": statement.opening_date,
            "closing_date": statement.closing_date,
        }
        for statement in file.statements
    ]
