"""A closed month, and what may stand in the way of closing one. Pure."""

from datetime import date, datetime
from typing import ClassVar

import msgspec

from online.kernel.clock import business_date
from online.kernel.errors import Conflict
from online.kernel.months import Month


class PeriodNotOver(Conflict):
    """The month still runs, or has not begun."""

    code: ClassVar[str] = "period_not_over"


class PeriodOutOfOrder(Conflict):
    """Another month has to be closed before."""

    code: ClassVar[str] = "period_out_of_order"


class PeriodUndecided(Conflict):
    """Something of the month has no outcome yet."""

    code: ClassVar[str] = "period_undecided"


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """What moved in a month in one currency, layer and mode; debits equal credits."""

    currency: str
    layer: str
    livemode: bool
    entries: int
    debit: int
    credit: int


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A closed month. What follows `closed_at` is there once its trial balance is."""

    month: date
    closed_by: str
    closed_at: datetime
    accounts: int | None = None
    entries: int | None = None
    totals: list[Total] | None = None
    sha256: bytes | None = None

    @property
    def name(self) -> str:
        return str(Month.of(self.month))


class AccountPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a trial balance; amounts are minor units, balances credit positive."""

    id: str
    code: str
    currency: str
    layer: str
    livemode: bool
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    entries: int


def must_be_over(month: Month, now: datetime) -> None:
    if month.last >= business_date(now):
        raise PeriodNotOver(f"{month} is not over before {month.next.first} in India", "month")


def must_be_next(month: Month, closed: Month | None, earliest: date | None) -> None:
    """Months close one after the other, so that each opens with what the last one closed with.

    `closed` is the last closed month; without one, `earliest` is the books' first business day.
    """
    if closed is not None:
        due = closed.next
    elif earliest is not None and earliest < month.first:
        due = Month.of(earliest)
    else:
        return
    if month != due:
        raise PeriodOutOfOrder(f"{due} is the month to close before {month}", "month")


def must_be_decided(month: Month, open_attempts: int) -> None:
    """`open_attempts` were sent to a rail before the month ended and have no outcome."""
    if open_attempts:
        raise PeriodUndecided(f"{open_attempts} calls to rails until {month.last} are open")


def must_be_sealed(month: Month, unsealed: list[date]) -> None:
    if unsealed:
        raise PeriodUndecided(
            f"{len(unsealed)} days of {month} are not sealed, the first is {unsealed[0]}"
        )
