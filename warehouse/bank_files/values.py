"""Text of a bank file into amounts and dates, and the collector of what is wrong with it.

Belongs here: what every format shares. Does not: any one format's fields.
"""

import re
from datetime import UTC, date, datetime

from online.kernel import money
from online.kernel.clock import IST
from warehouse.bank_files.model import Problem

MAX_PROBLEMS = 100
MAX_VALUE = 120
_AMOUNT = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:Z|[+-]\d\d:\d\d|T[\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


class Problems:
    """What is wrong with a file, with coordinates; a hopeless file stops at the first hundred."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, line: int, field: str, value: object, reason: str) -> None:
        """Note a problem."""
        if len(self.found) < MAX_PROBLEMS:
            text = "" if value is None else str(value)
            shown = text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"
            self.found.append(Problem(line=line, field=field, value=shown, reason=reason))

    def amount(self, text: str | None, currency: str, *, line: int, field: str) -> int | None:
        """Decimal text as whole minor units of its currency, or None and a problem."""
        stripped = (text or "").strip()
        if not _AMOUNT.fullmatch(stripped):
            self.add(line, field, text, "is not a decimal amount")
            return None
        try:
            minor = money.parse_decimal(stripped, currency)
        except money.InvalidMoney as error:
            self.add(line, field, text, str(error))
            return None
        if abs(minor) > money.INT64_MAX:
            self.add(line, field, text, "does not fit into 64 bits")
            return None
        return minor

    def currency(self, text: str | None, *, line: int, field: str) -> str | None:
        """An ISO 4217 code by its shape, or None and a problem."""
        stripped = (text or "").strip()
        if not _CURRENCY.fullmatch(stripped):
            self.add(line, field, text, "is not an ISO 4217 currency code")
            return None
        return stripped

    def date(self, text: str | None, *, line: int, field: str) -> date | None:
        """The calendar date that an ISO date or instant states, in the zone it states it in."""
        match = _DATE.fullmatch((text or "").strip())
        try:
            if match:
                return date.fromisoformat(match[1])
        except ValueError:
            pass  # shaped like a date, and no day of the calendar
        self.add(line, field, text, "is not a date")
        return None

    def instant(self, text: str | None, *, line: int, field: str) -> datetime | None:
        """An ISO instant; without a zone it is Indian time, as Indian rails write it."""
        try:
            at = datetime.fromisoformat((text or "").strip())
            return (at if at.tzinfo else at.replace(tzinfo=IST)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.add(line, field, text, "is not a date and time")
            return None
