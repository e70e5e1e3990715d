"""Columns of text into amounts, days, instants and words, a block at a time.

Belongs here: how an amount or a date may be written. Does not: which column is which.

What cannot be read is null in the answer and a problem with line, column and value.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone

import polars as pl

from online.kernel import money
from online.kernel.clock import IST
from warehouse.bank_files.values import MAX_PROBLEMS, Problems

_BLANKS = " \t\r\n\u00a0"
# Lakh and crore groups or groups of three, each all the way; never a group that only looks so.
_WHOLE = r"(?:[0-9]+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3}|[0-9]{1,3}(?:,[0-9]{3})+)"
_GUARDED = r'^="(.*)"$'  # how spreadsheets are told that digits are text
_CURRENCY_WORD = r"(?i)^([+-]?)\s*(?:rs\.?|inr|₹)\s*"
_SIDE_WORD = r"(?i)\s*\(?(cr|dr)\.?\)?$"
_CLOCK = r"[ T][0-9]{1,2}:[0-9]{2}.*$"
_ISO_INSTANT = (
    r"^(?:19[7-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}$"
)
_NOTHING = ["", "-", "--"]
_LARGEST = 1 << 60
_DATE_PARTS = {
    "DD": r"(?P<day>[0-9]{1,2})",
    "MMM": r"(?P<name>[A-Za-z]{3,9})",
    "MM": r"(?P<month>[0-9]{1,2})",
    "YYYY": r"(?P<year>[0-9]{4})",
    "YY": r"(?P<short>[0-9]{2})",
}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def nulls(count: int, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """A column in which nothing is stated."""
    return pl.Series([None], dtype=dtype).new_from_index(0, count)


def words(cells: pl.Series) -> pl.Series:
    """Text without the blanks around it and the guard that keeps digits text."""
    texts = cells.str.strip_chars(_BLANKS)
    if texts.str.starts_with('="').any():
        texts = texts.str.replace(_GUARDED, "${1}").str.strip_chars(_BLANKS)
    return texts


class Cells:
    """Reads columns of one block; says which of its rows and columns are wrong."""

    def __init__(self, lines: pl.Series, problems: Problems) -> None:
        self.lines = lines
        self.problems = problems

    def complain(self, wrong: pl.Series, texts: pl.Series, title: str, reason: str) -> None:
        """A problem for each row that is wrong, or for the first hundred."""
        for at in wrong.arg_true().head(MAX_PROBLEMS):
            self.problems.add(self.lines[at], title, texts[at], reason)

    def amounts(
        self, cells: pl.Series, currencies: pl.Series, title: str, *, in_minor: bool = False
    ) -> pl.Series:
        """Minor units, null where nothing is stated; a trailing `Dr` makes an amount negative."""
        texts = words(cells)
        nothing = texts.is_in(_NOTHING)
        bare, sides = _undressed(texts)
        minor = nulls(len(texts), pl.Int64)
        for currency in currencies.drop_nulls().unique():
            digits = 0 if in_minor else money.exponent(currency)
            minor = minor.zip_with(currencies != currency, _minor(bare, digits))
        minor = minor.zip_with(sides != "dr", -minor)
        wrong = minor.is_null() & ~nothing & currencies.is_not_null()
        for at in wrong.arg_true().head(MAX_PROBLEMS):
            line, text = self.lines[at], bare[at]
            if in_minor:
                self.problems.add(line, title, text, "is not a whole number of minor units")
            elif self.problems.amount(text, currencies[at], line=line, field=title) is not None:
                self.problems.add(line, title, text, "is larger than any sum of money")
        return minor.zip_with(~nothing, nulls(1, pl.Int64))

    def days(self, cells: pl.Series, read: "Dates", title: str) -> pl.Series:
        """Days, null where nothing is stated."""
        texts = words(cells)
        days = read.days(texts)
        wrong = days.is_null() & ~texts.is_in(_NOTHING)
        self.complain(wrong, texts, title, "is not a date")
        return days

    def instants(self, cells: pl.Series, read: "Dates", zones: pl.Series, title: str) -> pl.Series:
        """Instants in UTC, null where nothing is stated."""
        texts = words(cells)
        instants = read.instants(texts, zones)
        wrong = instants.is_null() & ~texts.is_in(_NOTHING)
        self.complain(wrong, texts, title, "is not a date and time")
        return instants


def _undressed(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Amounts without the currency's word and the side behind them, and that side."""
    sides = pl.Series([""], dtype=pl.String).new_from_index(0, len(texts))
    if not texts.str.contains(r"[^0-9.,+-]").any():
        return texts, sides
    sides = texts.str.extract(_SIDE_WORD).str.to_lowercase().fill_null("")
    bare = texts.str.replace(_SIDE_WORD, "").str.replace(_CURRENCY_WORD, "${1}")
    return bare, sides


def _minor(texts: pl.Series, digits: int) -> pl.Series:
    """Decimal text as minor units, exactly; null where it is anything else."""
    fraction = rf"(?:\.[0-9]{{1,{digits}}}0*)?" if digits else r"(?:\.0+)?"
    only = rf"\.[0-9]{{1,{digits}}}0*" if digits else r"\.0+"
    good = texts.str.contains(rf"^[+-]?(?:{_WHOLE}{fraction}|{only})$")
    parts = texts.str.replace_all(",", "", literal=True).str.splitn(".", 2).struct.unnest()
    whole, rest = parts["field_0"], parts["field_1"].fill_null("")
    minor = (whole + rest.str.pad_end(digits, "0").str.slice(0, digits)).cast(
        pl.Int64, strict=False
    )
    # So far below 64 bits that a row's own sums fit as well.
    return minor.zip_with(good & minor.is_between(-_LARGEST, _LARGEST), nulls(1, pl.Int64))


class Dates:
    """Reads days by the formats that a layout states; a day has one reading or none."""

    def __init__(self, formats: Sequence[str]) -> None:
        self.unix = "unix" in formats
        self._patterns = [_pattern(form) for form in formats if form != "unix"]
        self._known: dict[str, date | None] = {}

    def days(self, texts: pl.Series) -> pl.Series:
        """The days of a column, null where there is none."""
        heads = texts.str.replace(_CLOCK, "")
        unique = heads.unique()
        found = pl.Series([self.day(text) for text in unique], dtype=pl.Date)
        return heads.replace_strict(unique, found, return_dtype=pl.Date)

    def instants(self, texts: pl.Series, zones: pl.Series) -> pl.Series:
        """The instants of a column in UTC, null where there is none."""
        if texts.str.contains(_ISO_INSTANT).all():
            # Of the years that money is moved in; all at once, since no two are the same.
            return texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us", strict=False)
        found = [self.instant(text, zone) for text, zone in zip(texts, zones, strict=True)]
        return pl.Series(found, dtype=pl.Datetime("us", "UTC"))

    def day(self, text: str) -> date | None:
        """The day of a date, or of a date and time: the calendar's where it was written."""
        head = text[:10] if "T" in text[10:11] else text
        if head not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            self._known[head] = self._read(head)
        return self._known[head]

    def _read(self, text: str) -> date | None:
        stated = text.strip(_BLANKS)
        if self.unix and re.fullmatch(r"[0-9]{9,10}", stated):
            return datetime.fromtimestamp(int(stated), tz=IST).date()
        for pattern in self._patterns:
            match = pattern.match(stated)
            if match:
                return _day(match)
        return None

    def instant(self, text: str, zone: str) -> datetime | None:
        """`2026-11-16T12:00:00+05:30`, or a date of the layout and a time in `zone` (`+05:30`)."""
        if self.unix and re.fullmatch(r"[0-9]{9,10}", text):
            return datetime.fromtimestamp(int(text), tz=UTC)
        at: datetime | None = None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            day, clock = self.day(text), text.partition(" ")[2]
            if day is not None and clock:
                at = _at(day, clock)
        if at is None or not 1970 <= at.year <= 2200:
            return None
        return (at if at.tzinfo else at.replace(tzinfo=_offset(zone))).astimezone(UTC)


def _at(day: date, clock: str) -> datetime | None:
    try:
        return datetime.combine(day, time.fromisoformat(clock.strip()))
    except ValueError:
        return None


def _offset(zone: str) -> timezone:
    """`+05:30` as a time zone; Indian time where nothing is stated."""
    if not zone:
        return timezone(timedelta(hours=5, minutes=30))
    sign = -1 if zone.startswith("-") else 1
    hours, minutes = zone.lstrip("+-").split(":")
    return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"(DD|MMM|MM|YYYY|YY)", form)
    text = "".join(_DATE_PARTS.get(part, re.escape(part)) for part in parts)
    # A time may follow: the day is the calendar's where it was written.
    return re.compile(rf"{text}(?:[ T]\d{{1,2}}:\d\d.*)?$", re.ASCII | re.DOTALL)


def _day(match: re.Match[str]) -> date | None:
    parts: Mapping[str, str | None] = match.groupdict()
    name = (parts.get("name") or "").lower()
    months = [at for at, month in enumerate(_MONTHS, start=1) if name and month.startswith(name)]
    month = months[0] if months else int(parts.get("month") or 0)
    year = int(parts.get("year") or 2000 + int(parts.get("short") or 0))
    try:
        return date(year, month, int(parts.get("day") or 0))
    except ValueError:
        return None
