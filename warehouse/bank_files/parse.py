"""Which reader a file is for. Content decides; the name serves only as a label, but where a
reader says otherwise.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from warehouse.bank_files import bai2, camt, csv_layout, disputes_csv, encoding, mt940, ofx
from warehouse.bank_files.model import BankFile, Problem

MAX_BYTES = 256 * 1024 * 1024
# Formats of lines are read whole as text, and take about twelve times their size of memory.
MAX_TEXT_BYTES = 64 * 1024 * 1024


class _Format(NamedTuple):
    looks_like: Callable[[bytes], bool]
    read: Callable[[bytes, str], BankFile]
    limit: int = MAX_TEXT_BYTES


_FORMATS = (
    _Format(camt.looks_like, camt.read, MAX_BYTES),
    _Format(ofx.looks_like, ofx.read),
    _Format(bai2.looks_like, bai2.read),
    _Format(mt940.looks_like, mt940.read),
    _Format(disputes_csv.looks_like, disputes_csv.read),
)
# What people send by mistake, by its first bytes.
_NO_TEXT = {
    b"PK\x03\x04": "is a zip archive or an office document",
    b"PK\x05\x06": "is a zip archive",
    b"\x1f\x8b": "is compressed (gzip)",
    b"BZh": "is compressed (bzip2)",
    b"\xfd7zXZ": "is compressed (xz)",
    b"7z\xbc\xaf": "is compressed (7z)",
    b"%PDF": "is a PDF document",
    b"\xd0\xcf\x11\xe0": "is an office document",
    b"-----BEGIN PGP": "is encrypted (PGP)",
}
_NACHA = re.compile(rb"101[ \d]\d{9}[ \d]\d{9}\d{6}")
_ISO20022 = re.compile(rb"urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3})")


def parse_path(path: Path) -> BankFile:
    """As `parse`, of a file on disk; of one that is too large no more is read than tells so."""
    # A name is bytes and need not be text; an answer is text.
    name = os.fsencode(path).decode("utf-8", errors="replace")
    try:
        with path.open("rb") as source:
            return parse(source.read(MAX_BYTES + 1), name)
    except OSError as error:
        return unreadable(name, error.strerror or "cannot be read")


def parse(data: bytes, name: str) -> BankFile:
    """Read a file. Never raises on its content: what is wrong comes back as problems."""
    if len(data) > MAX_BYTES:
        return unreadable(name, f"is larger than {MAX_BYTES} bytes")
    if not data.strip():
        return unreadable(name, "is empty")
    for mark, reason in _NO_TEXT.items():
        if data.startswith(mark):
            return unreadable(name, reason)
    for form in _FORMATS:
        if form.looks_like(data):
            if len(data) > form.limit:
                return unreadable(name, f"is larger than {form.limit} bytes")
            return form.read(data, name)
    layout = csv_layout.find(data)
    if layout is not None:
        return csv_layout.read(data, name, layout)
    return unreadable(name, _unknown(data))


def _unknown(data: bytes) -> str:
    start = data[:4096]
    if _NACHA.match(start):
        return "unknown format: a NACHA file holds payments to make, not entries of an account"
    if message := _ISO20022.search(start):
        return f"unknown format: {message[1].decode()} is no account statement"
    if "\0" in encoding.head(data, 4096):
        return "unknown format: binary data"
    return "unknown format"


def unreadable(name: str, reason: str) -> BankFile:
    """The answer for a file of which nothing can be read."""
    problem = Problem(line=0, field="file", value=name, reason=reason)
    return BankFile(name=name, format="unknown", problems=[problem])


def document(file: BankFile) -> dict[str, object]:
    """The file as `python -m warehouse parse` prints it."""
    shown: dict[str, object] = {
        "file": file.name,
        "format": file.format,
        "statements": file.statements or csv_layout.statements_of(file.rail_rows),
        "problems": file.problems,
    }
    if file.rail_rows:
        shown["rail_rows"] = file.rail_rows
    if file.dispute_rows:
        shown["dispute_rows"] = file.dispute_rows
    return shown
