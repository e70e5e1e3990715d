"""The one reading of a transition table: `(status, event type) → status`, or a refusal."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from online.kernel.errors import IllegalMove
from online.kernel.events import Event

Status = TypeVar("Status", bound=StrEnum)


def next_status(
    table: Mapping[tuple[Status | None, type[Event]], Status], before: Status | None, event: Event
) -> Status:
    """Where `event` leads from `before` (None: nothing is there yet)."""
    try:
        return table[before, type(event)]
    except KeyError:
        noun = event.TYPE.partition(".")[0]
        now = before or "nothing"
        raise IllegalMove(f"{noun} is {now} and cannot take {event.TYPE}") from None
