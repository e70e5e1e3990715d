"""The dated rules of mandates as values, and what they say of a moment. Pure.

Read from `config/mandates.yaml` (`rulebook.py`); each row names its source.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from msgspec import Struct

from online.kernel.clock import IST, business_date


class Dated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a list: in force from one day to another, both included."""

    valid_from: date
    source: str
    valid_to: date | None = None

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class Slot(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Times of day in India: `from_` belongs to it, `to` does not."""

    from_: time
    to: time


class Hours(Dated, frozen=True, kw_only=True):
    closed: tuple[Slot, ...]


class Tries(Dated, frozen=True, kw_only=True):
    """`spacing_minutes`: after the first try, the second, and so on."""

    at_most: int
    spacing_minutes: tuple[int, ...]
    put_off_minutes: int

    def __post_init__(self) -> None:
        if len(self.spacing_minutes) != self.at_most - 1:
            raise ValueError("a spacing for each retry")


class Notice(Dated, frozen=True, kw_only=True):
    hours_before: int
    sent_hours_before: int


class Factor(Dated, frozen=True, kw_only=True):
    """Above this a debit needs the payer's PIN; `mccs` None is every category without a row."""

    above_minor: int
    mccs: frozenset[str] | None = None


class Retried(Dated, frozen=True, kw_only=True):
    codes: frozenset[str]
    decline_codes: frozenset[str]


RowT = TypeVar("RowT", bound=Dated)


def in_force(rows: Sequence[RowT], day: date) -> RowT:
    """The last row that holds on `day`."""
    for row in reversed(rows):
        if row.holds(day):
            return row
    raise LookupError(f"no rule of mandates is in force on {day}")


class MandateRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hours: tuple[Hours, ...]
    tries: tuple[Tries, ...]
    notice: tuple[Notice, ...]
    factor: tuple[Factor, ...]
    retried: tuple[Retried, ...]

    def is_open(self, at: datetime) -> bool:
        """Whether an execution may run at that moment."""
        return self._closed_until(at) is None

    def next_open(self, at: datetime) -> datetime:
        """The first moment from `at` on at which an execution may run."""
        while (until := self._closed_until(at)) is not None:
            at = until
        return at

    def notice_ahead(self, now: datetime) -> timedelta:
        """How long before a debit's day the payer is told of it."""
        return timedelta(hours=in_force(self.notice, business_date(now)).sent_hours_before)

    def notice_at(self, debit_on: date, now: datetime) -> datetime:
        """When the payer is told of a debit on that day."""
        return max(now, midnight(debit_on) - self.notice_ahead(now))

    def notice_again(self, at: datetime) -> datetime:
        """When a notice that the rail did not take at `at` is given again."""
        return at + timedelta(minutes=in_force(self.tries, business_date(at)).put_off_minutes)

    def debit_from(self, debit_on: date, told_at: datetime) -> datetime | None:
        """The first moment for a debit of which the payer was told at `told_at`; None: there is
        none left on that day."""
        before = timedelta(hours=in_force(self.notice, business_date(told_at)).hours_before)
        first = self.next_open(max(midnight(debit_on), told_at + before))
        return first if business_date(first) == debit_on else None

    def needs_factor(self, amount_minor: int, mcc: str, day: date) -> bool:
        """Whether the payer has to give their PIN for this debit."""
        rows = [row for row in self.factor if row.holds(day)]
        named = [row for row in rows if row.mccs is not None and mcc in row.mccs]
        others = [row for row in rows if row.mccs is None]
        return amount_minor > (named or others)[-1].above_minor

    def next_try(self, tried: int, failed_at: datetime, until: date) -> datetime | None:
        """When a debit that failed for the `tried`-th time is tried again; None: no more, also
        where that would be after `until`, the last day it may be debited on."""
        rule = in_force(self.tries, business_date(failed_at))
        if tried >= rule.at_most:
            return None
        spacing = timedelta(minutes=rule.spacing_minutes[tried - 1])
        return self._open_by(failed_at + spacing, until)

    def put_off(self, at: datetime, until: date) -> datetime | None:
        """When a debit that could not even be tried comes round again."""
        minutes = in_force(self.tries, business_date(at)).put_off_minutes
        return self._open_by(at + timedelta(minutes=minutes), until)

    def is_retried(self, code: str, decline_code: str | None, day: date) -> bool:
        rule = in_force(self.retried, day)
        return code in rule.codes or decline_code in rule.decline_codes

    def _open_by(self, at: datetime, until: date) -> datetime | None:
        first = self.next_open(at)
        return first if business_date(first) <= until else None

    def _closed_until(self, at: datetime) -> datetime | None:
        local = at.astimezone(IST)
        clock = local.time()
        for slot in in_force(self.hours, local.date()).closed:
            if slot.from_ <= clock < slot.to:
                return datetime.combine(local.date(), slot.to, IST).astimezone(at.tzinfo)
        return None


def midnight(day: date) -> datetime:
    """When a day begins in India."""
    return datetime.combine(day, time(), IST)
