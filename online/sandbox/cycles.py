"""The settlement cycles of a bank day, as dated data: which cycle an instant of the day is in.

Belongs here: when UPI switches settle. Does not: what a settlement holds (`switch_file.py`).
A bank day D runs from D-1 21:00 (excluded) to D 21:00 IST. UPI has ten cycles in it, each settled
by itself; card acquirers settle once.
"""

from datetime import date, datetime, time, timedelta
from typing import Final

import msgspec

from online.kernel.clock import IST
from online.kernel.errors import InvalidRequest
from online.sandbox.rails import Rail

CUT_OFF_HOUR: Final = 21


class Schedule(msgspec.Struct, frozen=True):
    """Cycles in their order: the name, and the hour (IST) at which it ends."""

    valid_from: date
    cycles: tuple[tuple[str, int], ...]


# Newest first. NPCI: ten authorised cycles a day, each by RTGS.
_UPI: Final = (
    Schedule(
        date(2021, 1, 1),
        (
            *(("I", 0), ("II", 5), ("III", 7), ("IV", 9), ("V", 11)),
            *(("VI", 13), ("VII", 15), ("VIII", 17), ("IX", 19), ("X", CUT_OFF_HOUR)),
        ),
    ),
)


def bank_day(at: datetime) -> date:
    """The bank's day of an instant."""
    local = at.astimezone(IST)
    cut_off = local.replace(hour=CUT_OFF_HOUR, minute=0, second=0, microsecond=0)
    return local.date() if local <= cut_off else local.date() + timedelta(days=1)


def end_of(day: date) -> datetime:
    """The last instant of a bank day."""
    return datetime.combine(day, time(CUT_OFF_HOUR), IST)


def settles_in_cycles(rail: Rail) -> bool:
    return rail.method == "upi"


def number_of(day: date, name: str) -> int:
    """The place of a cycle in its day, from 1."""
    names = [known for known, _ in _schedule(day).cycles]
    if name not in names:
        raise InvalidRequest(f"one of {', '.join(names)}", param="cycle")
    return names.index(name) + 1


def last_of(day: date) -> int:
    return len(_schedule(day).cycles)


def cycle_at(day: date, at: datetime) -> int:
    """The cycle of `day` that settles what moved at `at`; what is of an earlier day comes first."""
    if bank_day(at) != day:
        return 1
    passed = [end for end in _ends(day) if end < at]
    return len(passed) + 1


def begin_of(day: date) -> datetime:
    """The instant after which a bank day runs."""
    return end_of(day - timedelta(days=1))


def end_of_cycle(day: date, cycle: int) -> datetime:
    """The last instant of a cycle."""
    return _ends(day)[cycle - 1]


def _ends(day: date) -> list[datetime]:
    return [datetime.combine(day, time(hour), IST) for _, hour in _schedule(day).cycles]


def _schedule(day: date) -> Schedule:
    return next((known for known in _UPI if known.valid_from <= day), _UPI[-1])
