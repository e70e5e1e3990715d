"""Which reader a file is for. Content decides; the name serves only as a label, but where a
reader says otherwise.
"""

from warehouse.bank_files import camt, csv_layout, disputes_csv
from warehouse.bank_files.model import BankFile, Problem

MAX_BYTES = 256 * 1024 * 1024


def parse(data: bytes, name: str) -> BankFile:
    """Read a file. Never raises on its content: what is wrong comes back as problems."""
    if len(data) > MAX_BYTES:
        return unreadable(name, f"is larger than {MAX_BYTES} bytes")
    if camt.looks_like(data):
        return camt.read(data, name)
    if disputes_csv.looks_like(data):
        return disputes_csv.read(data, name)
    layout = csv_layout.find(data)
    if layout is not None:
        return csv_layout.read(data, name, layout)
    return unreadable(name, "unknown format")


def unreadable(name: str, reason: str) -> BankFile:
    """The answer for a file of which nothing can be read."""
    problem = Problem(line=0, field="file", value=name, reason=reason)
    return BankFile(name=name, format="unknown", problems=[problem])


def document(file: BankFile) -> dict[str, object]:
    """The file as `python -m warehouse parse` prints it."""
    shown: dict[str, object] = {
        "file": file.name,
        "format": file.format,
        "statements": file.statements,
        "problems": file.problems,
    }
    if file.rail_rows:
        shown["rail_rows"] = file.rail_rows
    if file.dispute_rows:
        shown["dispute_rows"] = file.dispute_rows
    return shown
