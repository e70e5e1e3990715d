"""A break's states. Pure: events in, rows out; findings and decisions in, events out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import Conflict, Forbidden
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class State(StrEnum):
    OPEN = "open"
    ASSIGNED = "assigned"
    WRITE_OFF_REQUESTED = "write_off_requested"
    RESOLVED = "resolved"
    WRITTEN_OFF = "written_off"
    CLOSED = "closed"


S = State
_WORKED_ON: Final = (S.OPEN, S.ASSIGNED)
_STANDING: Final = (*_WORKED_ON, S.WRITE_OFF_REQUESTED, S.RESOLVED, S.WRITTEN_OFF)
TRANSITIONS: Final[Mapping[tuple[State | None, type[Event]], State]] = {
    (None, ev.BreakOpened): S.OPEN,
    **{(s, ev.BreakAssigned): S.ASSIGNED for s in _WORKED_ON},
    (S.WRITE_OFF_REQUESTED, ev.BreakAssigned): S.WRITE_OFF_REQUESTED,
    **{(s, ev.BreakCommented): s for s in State},
    **{(s, ev.BreakResolved): S.RESOLVED for s in _WORKED_ON},
    **{(s, ev.BreakWriteOffRequested): S.WRITE_OFF_REQUESTED for s in _WORKED_ON},
    (S.WRITE_OFF_REQUESTED, ev.BreakWriteOffRejected): S.ASSIGNED,
    (S.WRITE_OFF_REQUESTED, ev.BreakWriteOffApproved): S.WRITTEN_OFF,
    **{(s, ev.BreakWrittenOff): S.WRITTEN_OFF for s in _WORKED_ON},
    # Reconciliation has the last word: the late row explains whatever was thought of the break.
    **{(s, ev.BreakClosed): S.CLOSED for s in _STANDING},
    (S.CLOSED, ev.BreakOpened): S.OPEN,  # the same rows disagree again
}

# A break belongs to no merchant.
HOUSE: Final = UUID(int=0)

Age = Literal["0-1", "2-3", "4-7", "8-30", "31-90", ">90"]
_AGES: Final[tuple[tuple[int, Age], ...]] = (
    (1, "0-1"),
    (3, "2-3"),
    (7, "4-7"),
    (30, "8-30"),
    (90, "31-90"),
)


def age_bucket(days: int) -> Age:
    """The column of the ageing report that a break of so many days stands in."""
    return next((name for most, name in _AGES if days <= most), ">90")


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `breaks`; amounts in minor units of `currency`, those of suspense signed.

    `moved_minor` left suspense for `moved_to` by an explanation or a write-off.
    """

    id: UUID
    kind: str
    side: str
    rail: str | None
    reference: str | None
    row_ids: list[str]
    expected_minor: int | None
    actual_minor: int | None
    currency: str
    business_date: date
    reason: str
    state: State
    version: int
    livemode: bool
    opened_at: datetime
    closed_at: datetime | None
    generation: int = 1
    cause: str = "unknown"
    owner: str = "finance"
    opened_on: date | None = None
    at_stake_minor: int = 0
    suspense_minor: int = 0
    suspense_account: str | None = None
    suspense_cause: UUID | None = None
    tat_due_on: date | None = None
    tat_per_day_minor: int = 0
    explanation: str | None = None
    write_off_reason: str | None = None
    requested_by: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    moved_minor: int = 0
    moved_to: str | None = None

    @property
    def merchant_id(self) -> UUID:
        return HOUSE

    @property
    def moving_cause(self) -> UUID:
        """The cause of what takes this opening's money out of suspense: once for each opening."""
        return ids.derived("break", str(self.id), str(self.generation), "moved")

    def tat_days(self, today: date) -> int:
        """Days of delay that the payer is owed for, up to `today` or the day it was put right."""
        if self.tat_due_on is None:
            return 0
        ended = self.closed_at or (self.decided_at if self.state is S.RESOLVED else None)
        upto = min(today, business_date(ended)) if ended else today
        return max(0, (upto - self.tat_due_on).days)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What reconciliation says of a break. `generation` counts how often it was opened."""

    break_id: UUID
    generation: int
    is_open: bool
    opened: ev.BreakOpened


@dataclass(eq=False)
class NothingInSuspense(Conflict):
    """The break has no money in suspense (any more, or yet) that could be moved."""

    code: ClassVar[str] = "nothing_in_suspense"


@dataclass(eq=False)
class OwedToCustomer(Conflict):
    """A payer was debited for it: that money goes back, it is never written off."""

    code: ClassVar[str] = "owed_to_customer"


@dataclass(eq=False)
class SamePerson(Forbidden):
    """Whoever asks for a write-off cannot be the one who approves it."""

    code: ClassVar[str] = "same_person"


def apply(state: Break | None, occurred: Occurred) -> Break:
    """The one fold from events to the row."""
    event = occurred.event
    to = next_status(TRANSITIONS, state.state if state else None, event)
    if isinstance(event, ev.BreakOpened):
        return _opened(event, occurred, generation=state.generation + 1 if state else 1)
    assert state is not None
    changes = _changes(event, occurred.at)
    return msgspec.structs.replace(state, state=to, version=occurred.version, **changes)


def _opened(event: ev.BreakOpened, occurred: Occurred, *, generation: int) -> Break:
    return Break(
        id=occurred.aggregate_id,
        kind=event.kind,
        side=event.side,
        rail=event.rail,
        reference=event.reference,
        row_ids=event.row_ids,
        expected_minor=event.expected,
        actual_minor=event.actual,
        currency=event.currency,
        business_date=date.fromisoformat(event.business_date),
        reason=event.reason,
        state=State.OPEN,
        version=occurred.version,
        livemode=occurred.livemode,
        opened_at=occurred.at,
        closed_at=None,
        generation=generation,
        cause=event.cause,
        owner=event.owner,
        opened_on=_day(event.opened_on),
        at_stake_minor=event.at_stake,
        suspense_minor=event.suspense,
        suspense_account=event.suspense_account,
        suspense_cause=UUID(event.suspense_cause) if event.suspense_cause else None,
        tat_due_on=_day(event.tat_due_on),
        tat_per_day_minor=event.tat_per_day,
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _changes(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.BreakAssigned():
            return {"owner": event.owner}
        case ev.BreakResolved():
            return {"explanation": event.explanation, **_moved(event, at)}
        case ev.BreakWriteOffRequested():
            return {"write_off_reason": event.reason, "requested_by": event.by}
        case ev.BreakWriteOffRejected():
            return {"write_off_reason": None, "requested_by": None}
        case ev.BreakWriteOffApproved():
            return _moved(event, at)
        case ev.BreakWrittenOff():
            asked = {"write_off_reason": event.reason, "requested_by": event.by}
            return {**asked, **_moved(event, at)}
        case ev.BreakClosed():
            return {"closed_at": at, "moved_minor": 0, "moved_to": None}
        case _:
            return {}


def _moved(
    event: ev.BreakResolved | ev.BreakWriteOffApproved | ev.BreakWrittenOff, at: datetime
) -> dict[str, Any]:
    return {
        "decided_by": event.by,
        "decided_at": at,
        "moved_minor": event.amount,
        "moved_to": event.account,
    }


# ── decisions ────────────────────────────────────────────────────────────────────────────


def news(known: Break | None, finding: Finding) -> list[Event]:
    """The events that a finding adds to what is known; none when it is old news.

    Openings and closings take turns: generation n is the (2n-1)th of them and its closing the
    2n-th. A whole history may be sent again and again.
    """
    generation = known.generation if known else 0
    stands = known is not None and known.state is not State.CLOSED
    told, target = 2 * generation - stands, 2 * finding.generation - finding.is_open
    events: list[Event] = []
    for step in range(told, target):
        # What was moved out of suspense is this opening's alone, and goes back as it closes.
        returned = known.moved_minor if known and step == told else 0
        closed = ev.BreakClosed(reason=finding.opened.reason, returned=returned)
        events.append(closed if step % 2 else finding.opened)
    return events


def check_in_suspense(found: Break) -> None:
    """Refuses a move of money that the break does not hold."""
    if not found.suspense_minor or found.suspense_account is None:
        raise NothingInSuspense("this break has put no money into suspense")


def check_write_off(found: Break) -> None:
    check_in_suspense(found)
    if found.tat_due_on is not None:
        raise OwedToCustomer("the payer was debited: resolve it, so that the money goes back")


def check_second(found: Break, actor: str) -> None:
    """Four eyes: told apart by who the caller is, not by what it may do."""
    if found.state is State.WRITE_OFF_REQUESTED and found.requested_by == actor:
        raise SamePerson("somebody other than who asked for the write-off has to approve it")
