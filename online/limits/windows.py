"""The windows that limits count in. Business dates are India's; a window is named by its first."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from online.kernel.clock import IST, business_date
from online.ledger.change import FOREVER

Per = Literal["day", "month", "financial_year", "first_hours", "ever"]


class Window(msgspec.Struct, frozen=True):
    """`until`: when it is over; None: never."""

    start: date
    until: datetime | None


def window(
    per: Per, at: datetime, *, since: datetime | None = None, hours: int | None = None
) -> Window:
    """The window that `at` falls into. The first hours are one window, from `since` on."""
    if per == "first_hours":
        if since is None or hours is None:
            raise ValueError("the first hours have a beginning and an end")
        return Window(business_date(since), since + timedelta(hours=hours))
    return _of_day(per, business_date(at))


@lru_cache(64)
def _of_day(per: Per, day: date) -> Window:
    match per:
        case "day":
            return Window(day, _midnight(day + timedelta(days=1)))
        case "month":
            first = day.replace(day=1)
            return Window(first, _midnight((first + timedelta(days=32)).replace(day=1)))
        case "financial_year":
            year = day.year if day.month >= 4 else day.year - 1
            return Window(date(year, 4, 1), _midnight(date(year + 1, 4, 1)))
        case _:
            return Window(FOREVER, None)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=IST)
