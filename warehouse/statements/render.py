"""A statement as bytes: JSON, CSV or PDF; the same statement gives the same bytes."""

import csv
import io
from collections.abc import Callable, Mapping

import msgspec

from online.kernel.clock import IST
from online.kernel.money import format_minor
from warehouse.connection import WarehouseError
from warehouse.statements.build import Statement

_COLUMNS = ("date", "time", "kind", "description", "reference", "debit", "credit", "balance")


def render(statement: Statement, format: str) -> bytes:  # noqa: A002 - the API's own word
    """The statement in one of `FORMATS`."""
    renderer = _RENDERERS.get(format)
    if renderer is None:
        raise WarehouseError(f"no such statement format: {format!r}")
    return renderer(statement)


def to_json(statement: Statement) -> bytes:
    """Everything, amounts in minor units."""
    return msgspec.json.format(msgspec.json.encode(statement), indent=1) + b"\n"


def to_csv(statement: Statement) -> bytes:
    """One row a line between the opening and the closing balance; amounts are decimal."""

    def amount(minor: int) -> str:
        return format_minor(minor, statement.currency)

    def balance_row(day: object, kind: str, title: str, minor: int) -> tuple[object, ...]:
        return (day, "", kind, title, statement.number, "", "", amount(minor))

    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    opening, closing = statement.opening_minor, statement.closing_minor
    writer.writerow(balance_row(statement.start_date, "opening", "Opening balance", opening))
    for line in statement.lines:
        writer.writerow(
            (
                line.date,
                line.at.astimezone(IST).strftime("%H:%M:%S"),
                line.kind,
                line.description,
                line.reference,
                amount(line.debit_minor) if line.debit_minor else "",
                amount(line.credit_minor) if line.credit_minor else "",
                amount(line.balance_minor),
            )
        )
    totals = (amount(statement.total_debit_minor), amount(statement.total_credit_minor))
    total_row = ("", "total", "Total of the period", statement.content_sha256, *totals, "")
    writer.writerow((statement.end_date, *total_row))
    writer.writerow(balance_row(statement.end_date, "closing", "Closing balance", closing))
    if statement.disputed_minor:
        held = "Of the closing balance held back in open disputes"
        writer.writerow(balance_row(statement.end_date, "disputed", held, statement.disputed_minor))
    return out.getvalue().encode("utf-8")


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
