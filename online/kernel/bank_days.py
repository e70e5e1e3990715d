"""The days on which Indian banks settle: not on Sundays, second and fourth Saturdays, holidays.

Belongs here: counting bank days. Does not: which days are holidays (`config/holidays.yaml`), read
by whoever may read files.

UPI, IMPS, NEFT and RTGS run every day of the year; the banks' settlement files and the promise of
T+n follow working days (RBI's circular on Saturdays, DBR.No.Leg.BC.21/09.07.005/2015-16).
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec

_ONE_DAY: Final = timedelta(days=1)
_SATURDAY, _SUNDAY = 5, 6


class BankDays(msgspec.Struct, frozen=True):
    """`holidays` are days of rest beside the weekly ones."""

    holidays: frozenset[date] = frozenset()

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "BankDays":
        """From rows with a `day` each, as `config/holidays.yaml` has them."""
        return cls(frozenset(msgspec.convert([row["day"] for row in rows], list[date])))

    def is_bank_day(self, day: date) -> bool:
        if day in self.holidays or day.weekday() == _SUNDAY:
            return False
        return not (day.weekday() == _SATURDAY and (day.day - 1) // 7 in {1, 3})

    def on_or_after(self, day: date) -> date:
        while not self.is_bank_day(day):
            day += _ONE_DAY
        return day

    def next(self, day: date) -> date:
        """The first bank day after `day`."""
        return self.on_or_after(day + _ONE_DAY)

    def add(self, day: date, n: int) -> date:
        """T+n from `day`; n = 0 is `day` itself when banks work on it, else the next they do."""
        day = self.on_or_after(day) if n == 0 else day
        for _ in range(n):
            day = self.next(day)
        return day
