"""A statement as bytes: JSON, CSV or PDF; the same statement gives the same bytes.

Belongs here: JSON and CSV, and which formats there are. Does not: the page (`pdf.py`), or many at
once (`many.py`).
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from online.kernel.clock import IST
from online.kernel.money import format_minor
from warehouse.connection import WarehouseError
from warehouse.statements.model import Change, Line, Statement

_COLUMNS: Final = (
    *("row", "number", "date", "value_date", "time", "kind", "mode", "description", "reference"),
    *("rail_reference", "counterparty", "original_date", "reason", "rate_percent", "sac"),
    *("debit", "credit", "balance", "transaction_id"),
)
# What a spreadsheet takes for a formula, their full-width forms included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def render(statement: Statement, format: str) -> bytes:  # noqa: A002 - the API's own word
    """The statement in one of `FORMATS`."""
    renderer = _RENDERERS.get(format)
    if renderer is None:
        raise WarehouseError(f"no such statement format: {format!r}")
    return renderer(statement)


def to_json(statement: Statement) -> bytes:
    """Everything, amounts in minor units; `docs/statement.schema.json` describes it."""
    return msgspec.json.format(msgspec.json.encode(statement), indent=1) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON form as a JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Khata statement of account",
        **msgspec.json.schema(Statement),
    }


def to_csv(statement: Statement) -> bytes:
    """A table of rows of several kinds, told by the column `row`; amounts are decimal.

    `line` rows are the movements; `opening`, `total` and `closing` stand around them.
    """
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _rows(statement):
        writer.writerow(row)
    return out.getvalue().encode("utf-8")


def _rows(statement: Statement) -> Iterator[dict[str, object]]:
    def amount(minor: int) -> str:
        return format_minor(minor, statement.currency)

    holder, first, last = statement.holder, statement.start_date, statement.end_date
    titles = (holder.legal_name, holder.address, holder.gstin and f"GSTIN {holder.gstin}")
    yield {
        "row": "statement",
        "date": last,
        "kind": "issued" if statement.number else "draft",
        "description": f"{first} to {last}, {statement.currency}",
        "reference": statement.reference,
    }
    yield {
        "row": "holder",
        "description": safe(", ".join(filter(None, titles))),
        "reference": holder.merchant_id,
    }
    yield {"row": "opening", "date": first, "balance": amount(statement.opening_minor)}
    for line in statement.lines:
        yield {"row": "line", **_cells(line, amount)}
    yield {
        "row": "total",
        "date": last,
        "number": len(statement.lines),
        "debit": amount(statement.total_debit_minor),
        "credit": amount(statement.total_credit_minor),
    }
    yield {"row": "closing", "date": last, "balance": amount(statement.closing_minor)}
    for name, minor in msgspec.structs.asdict(statement.parts).items():
        part = name.removesuffix("_minor")
        yield {"row": "part", "date": last, "kind": part, "balance": amount(minor)}
    yield from _charge_rows(statement, amount)
    yield from (_change_row(change, amount) for change in statement.changes)
    yield {
        "row": "source",
        "kind": "snapshot",
        "date": statement.snapshot_at.astimezone(IST).date(),
        "reference": statement.snapshot,
    }
    if statement.seal is not None:
        seal = statement.seal
        about = {"date": seal.day, "description": seal.root, "reference": seal.number}
        yield {"row": "seal", **about}
    yield {"row": "content_sha256", "reference": statement.content_sha256}


def _charge_rows(statement: Statement, amount: Callable[[int], str]) -> Iterator[dict[str, object]]:
    for charge in statement.charges:
        yield {
            "row": "charge",
            "number": charge.count,
            "kind": charge.kind,
            "description": charge.name,
            "rate_percent": _percent(charge.rate_bps),
            "sac": charge.sac,
            "debit": amount(charge.charged_minor),
            "credit": amount(charge.returned_minor),
        }


def _change_row(change: Change, amount: Callable[[int], str]) -> dict[str, object]:
    told = f"{change.field}: {change.before} → {change.after}" if change.field else ""
    return {
        **_cells(change.line, amount),
        "row": change.change,
        "reason": safe(told) or safe(change.line.reason),
    }


def _cells(line: Line, amount: Callable[[int], str]) -> dict[str, object]:
    return {
        "number": line.number,
        "date": line.date,
        "value_date": line.value_date,
        "time": line.at.astimezone(IST).strftime("%H:%M:%S"),
        "kind": safe(line.kind),
        "mode": safe(line.mode),
        "description": safe(line.description),
        "reference": safe(line.reference),
        "rail_reference": safe(line.rail_reference),
        "counterparty": safe(line.counterparty),
        "original_date": line.original_date or "",
        "reason": safe(line.reason),
        "rate_percent": _percent(line.rate_bps),
        "sac": line.sac,
        "debit": amount(line.debit_minor) if line.debit_minor else "",
        "credit": amount(line.credit_minor) if line.credit_minor else "",
        "balance": amount(line.balance_minor),
        "transaction_id": line.transaction_id,
    }


def safe(text: str) -> str:
    """Text that no spreadsheet runs: an apostrophe before what it would take for a formula."""
    return f"'{text}" if text.lstrip(" \u00a0\"'").startswith(_FORMULA) else text


def _percent(bps: int | None) -> str:
    return "" if bps is None else format_minor(bps, "INR")


def to_pdf(statement: Statement) -> bytes:
    """A4, PDF/A-2b."""
    # typst takes a moment to load, and the other formats do without it.
    from warehouse.statements.pdf import compile_statement

    return compile_statement(statement)


_RENDERERS: Mapping[str, Callable[[Statement], bytes]] = {
    "pdf": to_pdf,
    "csv": to_csv,
    "json": to_json,
}
FORMATS = tuple(_RENDERERS)
