"""A break's states. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: Final[Mapping[tuple[State | None, type[Event]], State]] = {
    (None, ev.BreakOpened): State.OPEN,
    (State.OPEN, ev.BreakClosed): State.CLOSED,
    (State.CLOSED, ev.BreakOpened): State.OPEN,  # the same rows disagree again
}

# A break belongs to no merchant.
HOUSE: Final = UUID(int=0)


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `breaks`; amounts in minor units of `currency`."""

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

    @property
    def merchant_id(self) -> UUID:
        return HOUSE


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What reconciliation says of a break. `generation` counts how often it was opened."""

    break_id: UUID
    generation: int
    state: State
    opened: ev.BreakOpened


def apply(state: Break | None, occurred: Occurred) -> Break:
    """The one fold from events to the row."""
    event = occurred.event
    to = next_status(TRANSITIONS, state.state if state else None, event)
    if isinstance(event, ev.BreakOpened):
        return _opened(event, occurred)
    assert state is not None
    return msgspec.structs.replace(state, state=to, version=occurred.version, closed_at=occurred.at)


def _opened(event: ev.BreakOpened, occurred: Occurred) -> Break:
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
    )


def news(known: Break | None, finding: Finding) -> list[Event]:
    """The events that a finding adds to what is known; none when it is old news.

    Openings and closings take turns, so the version says how far a break is: `generation` n opens
    at version 2n-1 and closes at 2n. A whole history may be sent again and again.
    """
    version = known.version if known else 0
    target = 2 * finding.generation - (finding.state is State.OPEN)
    if version >= target:
        return []
    closed = ev.BreakClosed(reason=finding.opened.reason)
    both: tuple[Event, Event] = (finding.opened, closed)
    return [both[step % 2] for step in range(version, target)]
