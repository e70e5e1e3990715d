"""Which spans of time a merchant is settled for, and when each is paid. Pure.

A period ends at a cut-off and begins where the one before it ended, so that no entry falls
between two. Its business day is the last one it covers.
"""

from datetime import date, datetime, time, timedelta
from typing import Final

from online.kernel.bank_days import BankDays
from online.kernel.clock import IST, business_date
from online.merchants.domain import MIDNIGHT, Merchant

_ONE_DAY: Final = timedelta(days=1)


def cutoff_at(day: date, cutoff: str) -> datetime:
    """The instant at which `day` ends for settlement; 24:00 is the next midnight in India."""
    if cutoff == MIDNIGHT:
        return datetime.combine(day + _ONE_DAY, time(), IST)
    return datetime.combine(day, time.fromisoformat(cutoff), IST)


def ends_on(merchant: Merchant, day: date) -> list[datetime]:
    """The ends of the periods whose business day is `day`, in order."""
    if merchant.settlement_schedule == "weekly" and day.isoweekday() != merchant.settlement_weekday:
        return []
    return [cutoff_at(day, each) for each in (*merchant.settlement_cycles, merchant.cutoff)]


def pay_on(bank_days: BankDays, merchant: Merchant, day: date, ends_at: datetime) -> date:
    """T+n in bank days, but never before the period is over."""
    over = bank_days.on_or_after(business_date(ends_at))
    return max(bank_days.add(day, merchant.settlement_days), over)
