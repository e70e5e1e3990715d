"""The periods of a mandate and the days on which it may be debited. Pure; days of India.

UPI mandates recur by calendar: a week from Monday to Sunday, a month, a quarter, a half, a year.
Each period is named by its first day and is used up by one debit. A bank holiday moves nothing:
UPI works on every day of the year.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct


class Frequency(StrEnum):
    ONE_TIME = "one_time"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"
    AS_PRESENTED = "as_presented"


class DebitRule(StrEnum):
    """On which days of a period, by the debit day: that day, up to it, from it on."""

    ON = "on"
    BEFORE = "before"
    AFTER = "after"


F = Frequency
_MONTHS: Final = {F.MONTHLY: 1, F.QUARTERLY: 3, F.HALF_YEARLY: 6, F.YEARLY: 12}
_ONE_DAY: Final = timedelta(days=1)
_SUNDAY: Final = 7
_LONGEST_MONTH: Final = 31


class Calendar(Struct, frozen=True, kw_only=True):
    """`day` is a weekday (1 is Monday) of a week, else a day of a period's first month; beyond the
    month's end it is the last. Without one every day of a period will do."""

    frequency: Frequency
    start: date
    end: date
    rule: DebitRule | None = None
    day: int | None = None

    def period_of(self, day: date) -> date:
        """The first day of the period that `day` lies in."""
        match self.frequency:
            case F.ONE_TIME:
                return self.start
            case F.DAILY | F.AS_PRESENTED:
                return day
            case F.WEEKLY:
                return day - timedelta(days=day.weekday())
            case _:
                months = _MONTHS[self.frequency]
                return day.replace(month=(day.month - 1) // months * months + 1, day=1)

    def last_of(self, period: date) -> date:
        """The last day of a period, within the mandate."""
        match self.frequency:
            case F.ONE_TIME:
                last = self.end
            case F.DAILY | F.AS_PRESENTED:
                last = period
            case F.WEEKLY:
                last = period + timedelta(days=6)
            case _:
                last = _months_on(period, _MONTHS[self.frequency]) - _ONE_DAY
        return min(last, self.end)

    def allows(self, day: date) -> bool:
        """Whether a debit may be made on `day`."""
        if not self.start <= day <= self.end:
            return False
        anchor = self.anchor(self.period_of(day))
        match self.rule:
            case DebitRule.ON:
                return day == anchor
            case DebitRule.BEFORE:
                return day <= anchor
            case DebitRule.AFTER:
                return day >= anchor
            case None:
                return True

    def anchor(self, period: date) -> date:
        """The debit day of a period; its first day where the mandate names none."""
        if self.day is None:
            return period
        if self.frequency is F.WEEKLY:
            return period + timedelta(days=self.day - 1)
        return period.replace(day=min(self.day, monthrange(period.year, period.month)[1]))

    def anchors(self, since: date) -> Iterator[date]:
        """The debit days from `since` on that the mandate allows, in order."""
        period = self.period_of(max(since, self.start))
        while period <= self.end:
            anchor = self.anchor(period)
            if anchor >= since and self.allows(anchor):
                yield anchor
            following = self._after(period)
            if following is None:
                return
            period = following

    def _after(self, period: date) -> date | None:
        match self.frequency:
            case F.ONE_TIME:
                return None
            case F.DAILY | F.AS_PRESENTED:
                return period + _ONE_DAY
            case F.WEEKLY:
                return period + timedelta(days=7)
            case _:
                return _months_on(period, _MONTHS[self.frequency])


def day_fits(frequency: Frequency, day: int) -> bool:
    """Whether there can be such a debit day."""
    if frequency is F.WEEKLY:
        return 1 <= day <= _SUNDAY
    return frequency in _MONTHS and 1 <= day <= _LONGEST_MONTH


def _months_on(first: date, months: int) -> date:
    """The first of the month that is so many later."""
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
