"""A statement as PDF/A-2b through typst.

Belongs here: preparing text for the template, and compiling it. Does not: what a statement says
(`build.py`) or its layout (`statement.typ`).

The bytes depend on the statement alone: fonts are those that typst embeds and those beside this
module, the document's date is the period's end, and no clock is read.
"""

import bisect
import json
import textwrap
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, Final

import typst

from online.kernel.clock import IST
from online.kernel.money import format_minor
from warehouse.statements.model import Change, Charge, Line, Statement

_TEMPLATE: Final = Path(__file__).parent / "statement.typ"
_FONTS: Final = Path(__file__).parent / "fonts"
_SYMBOLS: Final = {"INR": "₹"}
_LAST_LATIN: Final = 0x17F
_SHORT: Final = 60  # letters of a name that fit into a page's head
# Beyond Latin, what the text font has and our own words use.
_OURS: Final = frozenset("₹–—‘’“”•…→\N{MINUS SIGN}")
# Letters that join others (Indian scripts need them), though nothing shows.
_JOINERS: Final = frozenset("\u200c\u200d")
_PARTS: Final = {
    "pending_minor": "Captured, to be settled",
    "payable_minor": "Settled, to be paid out",
    "reserve_minor": "Held in reserve",
    "escrow_minor": "In escrow",
    "disputed_minor": "Held back in open disputes",
}


def compile_statement(statement: Statement) -> bytes:
    """The document's bytes."""
    return compile_document(document(statement))


def compile_document(printed: dict[str, Any]) -> bytes:
    """Prepared text as a document."""
    found = _compiler().compile(
        format="pdf",
        sys_inputs={"statement": json.dumps(printed, ensure_ascii=False)},
        pdf_standards=["a-2b"],
        pdf_tags=False,
    )
    if not isinstance(found, bytes):
        raise TypeError("typst answered with pages instead of one document")
    return found


@cache
def _compiler() -> typst.Compiler:
    """Once a process: finding the fonts takes as long as a page."""
    return typst.Compiler(str(_TEMPLATE), font_paths=[str(_FONTS)], ignore_system_fonts=True)


def document(statement: Statement) -> dict[str, Any]:
    """What the template prints: texts only, amounts grouped the Indian way."""
    currency, holder = statement.currency, statement.holder

    def amount(minor: int) -> str:
        return grouped(minor, currency)

    legal_name = printable(holder.legal_name) or holder.merchant_id
    lines = [_row(line, currency) for line in statement.lines]
    balances = (statement.opening_minor, statement.closing_minor)
    totals = (statement.total_debit_minor, statement.total_credit_minor)
    texts = [*(amount(minor) for minor in (*balances, *totals)), *(row["b"] for row in lines)]
    return {
        "number": statement.reference,
        "edition": statement.edition,
        "draft": not statement.number,
        "issued": _moment(statement.issued_at) if statement.issued_at else "",
        "name": printable(holder.name) or holder.merchant_id,
        "legal_name": legal_name,
        "short_name": textwrap.shorten(legal_name, _SHORT, placeholder=" …"),
        "address": printable(holder.address),
        "gstin": printable(holder.gstin),
        "merchant_id": statement.merchant_id,
        "supplier": _supplier(statement),
        "mode": "" if statement.livemode else "test mode",
        "currency": currency,
        "symbol": _SYMBOLS.get(currency, currency),
        "start": f"{statement.start_date:%d %b %Y}",
        "end": f"{statement.end_date:%d %b %Y}",
        "end_parts": [statement.end_date.year, statement.end_date.month, statement.end_date.day],
        "snapshot": str(statement.snapshot),
        "snapshot_at": _moment(statement.snapshot_at),
        "hash": statement.content_sha256,
        "opening": amount(statement.opening_minor),
        "closing": amount(statement.closing_minor),
        "debits": amount(statement.total_debit_minor),
        "credits": amount(statement.total_credit_minor),
        "counts": f"{statement.debit_count} debits, {statement.credit_count} credits",
        "longest": max(map(len, texts)),
        "parts": [
            [title, amount(getattr(statement.parts, name))] for name, title in _PARTS.items()
        ],
        "charges": [_charge(charge, currency) for charge in statement.charges],
        "replaces": _replaces(statement),
        "changes": [_change(change, currency) for change in statement.changes],
        "seal": _seal(statement),
        "lines": lines,
    }


def _row(line: Line, currency: str) -> dict[str, Any]:
    """Short names: there is one of each for every line."""
    value = "" if line.value_date == line.date else f"value {line.value_date:%d %b %Y}"
    first = [] if line.charge else [line.mode, line.counterparty]
    rate = f"at {_percent(line.rate_bps)}" if line.rate_bps is not None else ""
    sac = f"SAC {line.sac}" if line.sac else ""
    ours = "" if line.charge else line.reference
    theirs = "" if line.charge else _rail_reference(line)
    about = [*first, rate, sac, theirs, ours, _origin(line)]
    return {
        "n": str(line.number),
        "d": f"{line.date:%d %b %Y}",
        "t": value or f"{line.at.astimezone(IST):%H:%M}",
        "w": printable(line.description),
        "a": printable(" · ".join(filter(None, about))),
        "x": grouped(line.debit_minor, currency) if line.debit_minor else "",
        "c": grouped(line.credit_minor, currency) if line.credit_minor else "",
        "b": grouped(line.balance_minor, currency),
        "f": bool(line.charge) and line.kind != "dispute_fee",
    }


def _rail_reference(line: Line) -> str:
    if not line.rail_reference:
        return ""
    return f"{'UTR' if line.kind.startswith('payout') else 'RRN'} {line.rail_reference}"


def _origin(line: Line) -> str:
    """The date of the entry that is given back or undone, and why."""
    if line.charge and line.kind in {"fee", "tax", "tds"}:
        return ""
    day = f"entry of {line.original_date:%d %b %Y}" if line.original_date else ""
    return ": ".join(filter(None, (day, line.reason)))


def _charge(charge: Charge, currency: str) -> list[str]:
    return [
        printable(charge.name),
        _percent(charge.rate_bps) if charge.rate_bps is not None else "",
        charge.sac,
        str(charge.count),
        grouped(charge.charged_minor, currency),
        grouped(charge.returned_minor, currency),
        grouped(charge.net_minor, currency),
    ]


def _change(change: Change, currency: str) -> list[str]:
    line = change.line
    told = f"{change.field.replace('_', ' ')}: {change.before or '–'} → {change.after or '–'}"
    text = f"{line.description}, {line.reference}"
    return [
        change.change,
        f"{line.date:%d %b %Y}",
        printable(f"{text}; {told}" if change.field else text),
        grouped(line.credit_minor - line.debit_minor, currency),
    ]


def _replaces(statement: Statement) -> list[str]:
    """Edition, snapshot, opening and closing of the edition before this one."""
    if statement.replaces is None:
        return []
    before = statement.replaces
    amounts = (before.opening_minor, before.closing_minor)
    return [
        str(before.edition),
        str(before.snapshot),
        *(grouped(minor, statement.currency) for minor in amounts),
    ]


def _seal(statement: Statement) -> list[str]:
    if statement.seal is None:
        return []
    return [str(statement.seal.number), f"{statement.seal.day:%d %b %Y}", statement.seal.root]


def _supplier(statement: Statement) -> str:
    supplier = statement.supplier
    gstin = f"GSTIN {supplier.gstin}" if supplier.gstin else ""
    return ", ".join(filter(None, (supplier.legal_name, gstin)))


def _moment(at: Any) -> str:
    return f"{at.astimezone(IST):%d %b %Y, %H:%M:%S} IST"


def _percent(bps: int | None) -> str:
    return f"{format_minor(bps or 0, 'INR').removesuffix('0').removesuffix('.0')} %"


def printable(text: str) -> str:
    """Text that the fonts can show; PDF/A refuses a page with a glyph missing. Empty where
    nothing of it would be read."""
    shown = "".join(letter if _is_shown(letter) else "?" for letter in _plain(text))
    return shown if any(letter.isalnum() for letter in shown) else ""


def _plain(text: str) -> str:
    """Composed, on one line, and without what cannot be seen (it could turn the text around)."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(letter for letter in composed if letter.isprintable() or letter in _JOINERS)


def _is_shown(letter: str) -> bool:
    code = ord(letter)
    if code <= _LAST_LATIN or letter in _OURS or letter in _JOINERS:
        return True
    firsts, lasts = _coverage()
    place = bisect.bisect_right(firsts, code) - 1
    return place >= 0 and code <= lasts[place]


@cache
def _coverage() -> tuple[list[int], list[int]]:
    """First and last code points of the ranges that the fonts beside this module have."""
    lines = (_FONTS / "coverage.txt").read_text(encoding="ascii").splitlines()
    ranges = [tuple(int(end, 16) for end in line.split()) for line in lines if line[0] != "#"]
    return [first for first, _ in ranges], [last for _, last in ranges]


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
