"""Text of a bank file into amounts and dates, and the collector of what is wrong with it.

Belongs here: what every format shares. Does not: any one format's fields.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone

from online.kernel import money
from online.kernel.clock import IST
from warehouse.bank_files.model import Problem

MAX_PROBLEMS = 100
MAX_VALUE = 120
_AMOUNT = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
# Thousands by western or Indian groups; the decimal mark is then another one.
_GROUPED = re.compile(
    r"(?P<whole>\d{1,3}(?P<mark>[.,'’ ])\d{3}(?:(?P=mark)\d{3}){0,8}"
    r"|\d{1,2}(?:(?P<lakh>,)\d{2}){1,8},\d{3})(?:(?P<point>[.,])(?P<fraction>\d*))?",
    re.ASCII,
)
# RTGS and NEFT; UPI and IMPS (twelve digits).
_UTR = re.compile(r"(?<![A-Z0-9])[A-Z]{4}[A-Z0-9]{1,2}\d{9,16}(?![A-Z0-9])", re.ASCII)
_RRN = re.compile(r"(?<![A-Za-z0-9])\d{12}(?![A-Za-z0-9])", re.ASCII)
_MARKED = re.compile(r"(\d*)[.,](\d*)", re.ASCII)
_SHORT_DATE = re.compile(r"\d{6}", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:Z|[+-]\d\d:\d\d|T[\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


class Problems:
    """What is wrong with a file, with coordinates; a hopeless file stops at the first hundred.

    `lost` says that money could not be read: then nothing of the file is shown, since a part of
    it would pass for the whole.
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.lost = False

    def lose(self, line: int, field: str, value: object, reason: str) -> None:
        """Note a problem that keeps an entry or a balance from being read."""
        self.lost = True
        self.add(line, field, value, reason)

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
            self.lose(line, field, text, "is not a decimal amount")
            return None
        try:
            minor = money.parse_decimal(stripped, currency)
        except money.InvalidMoney as error:
            self.lose(line, field, text, str(error))
            return None
        if abs(minor) > money.INT64_MAX:
            self.lose(line, field, text, "does not fit into 64 bits")
            return None
        return minor

    def marked_amount(self, text: str, currency: str, *, line: int, field: str) -> int | None:
        """As `amount`, where a comma or a point may be the decimal mark or group thousands.

        `1.500` of a currency with two decimals may be either: it is refused, not guessed.
        """
        body = text.strip()
        sign = body[:1] if body[:1] in ("+", "-") else ""
        plain, fault = _plain_decimal(body[len(sign) :].strip(), money.exponent(currency))
        if fault:
            self.lose(line, field, text, fault)
            return None
        return self.amount(sign + plain, currency, line=line, field=field)

    def currency(self, text: str | None, *, line: int, field: str) -> str | None:
        """An ISO 4217 code by its shape, or None and a problem."""
        stripped = (text or "").strip()
        if not _CURRENCY.fullmatch(stripped):
            self.lose(line, field, text, "is not an ISO 4217 currency code")
            return None
        return stripped

    def short_date(self, text: str, *, line: int, field: str) -> date | None:
        """A `YYMMDD` date; the century is SWIFT's: 80 to 99 are of the last one."""
        try:
            if not _SHORT_DATE.fullmatch(text):
                raise ValueError
            year = int(text[:2])
            return date(year + (1900 if year >= 80 else 2000), int(text[2:4]), int(text[4:6]))
        except ValueError:
            self.add(line, field, text, "is not a date")
            return None

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


def moment(digits: str, offset_hours: float | None = None) -> datetime | None:
    """When a file was made, of `YYYYMMDDHHMM[SS]`; None if it is no moment.

    Without an offset it is Indian time; `2400` and `9999` are the end of a day.
    """
    stated = f"{digits[:-4]}2359" if digits.endswith(("2400", "9999")) else digits
    try:
        zone = IST if offset_hours is None else timezone(timedelta(hours=offset_hours))
        at = datetime.strptime(stated.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def rail_references(currency: str, *texts: str) -> dict[str, str]:
    """`utr` and `rrn` that Indian banks put into references and narratives; the first of each."""
    if currency != "INR":
        return {}
    text = " ".join(texts)
    found = {"utr": _UTR.search(text), "rrn": _RRN.search(text)}
    return {name: match[0] for name, match in found.items() if match}


def _plain_decimal(text: str, decimals: int) -> tuple[str, str]:
    """The same amount with a point as its only mark, and what keeps it from being read so."""
    single = _MARKED.fullmatch(text)
    if single and (single[1] or single[2]):
        whole, fraction = single[1], single[2]
        if len(fraction) == 3 != decimals and len(whole) <= 3 and whole[:1] not in ("", "0"):
            return "", "may be decimals or thousands"
        return f"{whole or '0'}.{fraction or '0'}", ""
    grouped = _GROUPED.fullmatch(text)
    if grouped is None:
        return text, ""
    if grouped["point"] == (grouped["mark"] or grouped["lakh"]):
        return "", "marks thousands and decimals alike"
    whole = "".join(digit for digit in grouped["whole"] if digit.isdigit())
    return f"{whole}.{grouped['fraction'] or '0'}", ""
