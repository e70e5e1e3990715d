"""When a rail is asked about an attempt that has no outcome yet. Pure.

NPCI's rule for UPI (circular of May 2025, as reported): at most three status checks a payment, at
least 90 seconds apart, within two hours. Other rails have their own numbers; all are settings.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from online.rails.domain import OutcomeKind

# How long whoever asks has an attempt for itself: longer than any rail's time-outs together.
CLAIM: Final = timedelta(seconds=30)
_MOST_DOUBLINGS: Final = 8  # of 90 s: some six hours between two enquiries, for ever


class Pace(Struct, frozen=True, kw_only=True):
    """How often a rail is asked, and how many times before it is overdue."""

    max_enquiries: int
    min_interval: timedelta

    def next(self, enquiries: int, now: datetime) -> datetime:
        """Later and later once the rail's own enquiries are used up, but never given up."""
        beyond = max(0, enquiries - self.max_enquiries + 1)
        factor: int = 2 ** min(beyond, _MOST_DOUBLINGS)
        return now + self.min_interval * factor


class Schedule(Struct, frozen=True, kw_only=True):
    """When to ask one rail about an open attempt."""

    unknown: Pace
    pending: Pace  # the payer has not answered yet: that is no trouble
    deemed: Pace  # a bank has to confirm a credit, which takes it up to a day or two
    not_found_final_after: timedelta
    # A process that died between the two commits leaves `sent`; nobody else may ask earlier.
    answer_within: timedelta

    def first(self, sent_at: datetime) -> datetime:
        return sent_at + self.answer_within + self.unknown.min_interval

    def next(self, kind: OutcomeKind, enquiries: int, now: datetime) -> datetime:
        return self._pace(kind).next(enquiries, now)

    def is_overdue(self, enquiries: int, *, pending: bool) -> bool:
        """The rail's own enquiries are used up and it has not given its last word."""
        pace = self.pending if pending else self.unknown
        return enquiries >= pace.max_enquiries

    def _pace(self, kind: OutcomeKind) -> Pace:
        match kind:
            case OutcomeKind.PENDING:
                return self.pending
            case OutcomeKind.DEEMED:
                return self.deemed
            case _:
                return self.unknown


class Schedules(Struct, frozen=True):
    """The usual schedule, and those of rails that have their own."""

    usual: Schedule
    of_rail: Mapping[str, Schedule] = {}

    def of(self, rail: str) -> Schedule:
        return self.of_rail.get(rail, self.usual)
