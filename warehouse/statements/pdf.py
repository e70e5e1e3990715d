"""A statement as PDF/A-2b through typst.

Belongs here: preparing text for the template, and compiling it. Does not: what a statement says
(`build.py`) or its layout (`statement.typ`).

The bytes depend on the statement alone: fonts are those that typst embeds, the document's date
is the period's end, and no clock is read.
"""

import json
from pathlib import Path

import typst

from online.kernel.clock import IST
from online.kernel.money import format_minor
from warehouse.statements.build import Line, Statement

_TEMPLATE = Path(__file__).parent / "statement.typ"
_SYMBOLS = {"INR": "₹"}
_LAST_LATIN = 0x17F


def compile_statement(statement: Statement) -> bytes:
    """The document's bytes."""
    found = typst.compile(
        _TEMPLATE.read_bytes(),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"statement": json.dumps(document(statement), ensure_ascii=False)},
        pdf_standards=["a-2b"],
        pdf_tags=False,
    )
    if not isinstance(found, bytes):
        raise TypeError("typst answered with pages instead of one document")
    return found


def document(statement: Statement) -> dict[str, object]:
    """What the template prints: texts only, amounts grouped the Indian way."""
    currency = statement.currency
    return {
        "number": statement.number,
        "statement_id": statement.statement_id,
        "merchant": printable(statement.merchant_name) or statement.merchant_id,
        "merchant_id": statement.merchant_id,
        "currency": currency,
        "symbol": _SYMBOLS.get(currency, currency),
        "start": f"{statement.start_date:%d %b %Y}",
        "end": f"{statement.end_date:%d %b %Y}",
        "end_parts": [statement.end_date.year, statement.end_date.month, statement.end_date.day],
        "snapshot": str(statement.snapshot),
        "hash": statement.content_sha256,
        "opening": grouped(statement.opening_minor, currency),
        "closing": grouped(statement.closing_minor, currency),
        "debits": grouped(statement.total_debit_minor, currency),
        "credits": grouped(statement.total_credit_minor, currency),
        "fees": grouped(statement.fees_minor, currency),
        "tax": grouped(statement.tax_minor, currency),
        "disputed": grouped(statement.disputed_minor, currency) if statement.disputed_minor else "",
        "count": str(len(statement.lines)),
        "lines": [_row(line, currency) for line in statement.lines],
    }


def _row(line: Line, currency: str) -> list[str]:
    return [
        f"{line.date:%d %b %Y}",
        f"{line.at.astimezone(IST):%H:%M}",
        printable(line.description),
        printable(line.reference),
        grouped(line.debit_minor, currency) if line.debit_minor else "",
        grouped(line.credit_minor, currency) if line.credit_minor else "",
        grouped(line.balance_minor, currency),
        line.kind,
    ]


def printable(text: str) -> str:
    """Text that the embedded fonts can show; PDF/A refuses a page with a glyph missing."""
    return "".join(
        letter if letter.isprintable() and ord(letter) <= _LAST_LATIN else "?" for letter in text
    )


def grouped(minor: int, currency: str) -> str:
    """1234567 → `12,345.67`; INR groups by lakh and crore: 123456789 → `12,34,567.89`."""
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    whole, point, fraction = format_minor(abs(minor), currency).partition(".")
    head, tail = whole[:-3], whole[-3:]
    step = 2 if currency == "INR" else 3
    groups = [tail]
    while head:
        groups.insert(0, head[-step:])
        head = head[:-step]
    return f"{sign}{','.join(groups)}{point}{fraction}"
