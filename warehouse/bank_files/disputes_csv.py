"""A rail's list of disputes: `disputes_<rail>_<day>.csv`, one row a dispute.

Belongs here: reading it. Does not: what a dispute means (online's), or any other file of a rail.

Its rows do not name the rail and the day, so the name does: of all files this is the one whose
name is part of what it says.
"""

import csv
import io
import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePath

from warehouse.bank_files.model import BankFile, DisputeRow
from warehouse.bank_files.values import Problems

FORMAT = "disputes"
HEADER = (
    *("reference", "original_reference", "amount", "currency", "reason_code", "status"),
    "respond_by",
)
STATUSES = ("open", "won", "lost")
# Put aside, a file has a part of its hash before its name.
_NAME = re.compile(r"(?:[0-9a-f]{12}-)?disputes_([a-z0-9_]{1,40})_(\d{4}-\d\d-\d\d)\.csv", re.ASCII)
_WORD = re.compile(r"[!-~]{1,64}", re.ASCII)


def looks_like(data: bytes) -> bool:
    """Whether the first line is this file's header."""
    first = data[:8192].split(b"\n", 1)[0].removeprefix(b"\xef\xbb\xbf")
    return tuple(first.strip().decode("ascii", errors="replace").split(",")) == HEADER


def read(data: bytes, name: str) -> BankFile:
    """Read a file; whatever is wrong with it comes back as problems."""
    reader = _Reader(name)
    try:
        reader.walk(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reader.problems.add(line, "file", "", "is not utf-8")
    except csv.Error as error:
        reader.problems.add(reader.line + 1, "row", "", f"is not CSV: {error}")
    return BankFile(
        name=name,
        format=FORMAT,
        dispute_rows=reader.rows,
        problems=reader.problems.found,
        control={"rows": len(reader.rows)},
    )


class _Reader:
    def __init__(self, name: str) -> None:
        self.problems = Problems()
        self.rows: list[DisputeRow] = []
        self.line = 1
        self.rail, self.day = self._named(name)

    def _named(self, name: str) -> tuple[str, date | None]:
        match = _NAME.fullmatch(PurePath(name).name)
        if match is None:
            self.problems.add(0, "file", name, "is not named disputes_<rail>_<day>.csv")
            return "", None
        return match[1], self.problems.date(match[2], line=0, field="file")

    def walk(self, text: str) -> None:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        next(reader, None)
        seen: set[str] = set()
        for values in reader:
            self.line = reader.line_num
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(HEADER):
                reason = f"has {len(values)} fields, the header {len(HEADER)}"
                self.problems.add(self.line, "row", ",".join(values), reason)
                continue
            row = self._row(dict(zip(HEADER, (value.strip() for value in values), strict=True)))
            if row is None:
                continue
            if row.reference in seen:
                self.problems.add(self.line, "reference", row.reference, "is there twice")
            seen.add(row.reference)
            self.rows.append(row)

    def _row(self, record: Mapping[str, str]) -> DisputeRow | None:
        problems, line, before = self.problems, self.line, len(self.problems.found)
        for field in ("reference", "original_reference", "reason_code"):
            if not _WORD.fullmatch(record[field]):
                problems.add(line, field, record[field], "is not one word of 1 to 64 characters")
        if record["status"] not in STATUSES:
            problems.add(line, "status", record["status"], f"is not one of {', '.join(STATUSES)}")
        respond_by = problems.instant(record["respond_by"], line=line, field="respond_by")
        currency = problems.currency(record["currency"], line=line, field="currency")
        amount_minor = None
        if currency is not None:
            amount_minor = problems.amount(record["amount"], currency, line=line, field="amount")
        if amount_minor is not None and amount_minor <= 0:
            problems.add(line, "amount", record["amount"], "is not positive")
        if len(problems.found) > before or self.day is None:
            return None
        assert currency is not None
        assert amount_minor is not None
        assert respond_by is not None
        return DisputeRow(
            row_no=len(self.rows) + 1,
            rail=self.rail,
            reported_on=self.day,
            reference=record["reference"],
            original_reference=record["original_reference"],
            amount_minor=amount_minor,
            currency=currency,
            reason_code=record["reason_code"],
            status=record["status"],
            respond_by=respond_by,
        )
