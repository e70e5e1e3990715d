"""Calendar months of business dates, and the financial year they belong to."""

import re
from datetime import date, timedelta
from typing import Final

import msgspec

PATTERN: Final = r"^[0-9]{4}-(0[1-9]|1[0-2])\Z"
_TEXT: Final = re.compile(PATTERN)
_LAST_YEAR: Final = 9998  # so that every month has one after it


class InvalidMonth(ValueError):
    """A text that is not a month like 2026-11."""


class Month(msgspec.Struct, frozen=True, order=True):
    """`str()` and `parse` are `2026-11`."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> "Month":
        if not _TEXT.match(text) or not 1 <= int(text[:4]) <= _LAST_YEAR:
            raise InvalidMonth(f"{text[:20]!r} is not a month like 2026-11")
        return cls(int(text[:4]), int(text[5:]))

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return self.next.first - timedelta(days=1)

    @property
    def next(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def financial_year(self) -> str:
        """`26-27`: in India a financial year begins on 1 April."""
        begins = self.year - (self.number < 4)
        return f"{begins % 100:02d}-{(begins + 1) % 100:02d}"

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"
