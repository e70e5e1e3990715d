"""Money that came when its payment was over, or had gone on without it. Pure.

It is not the merchant's: it goes back to the payer, by an attempt of our own at the rail that took
it. One that the rail refuses is followed by another, later and later, until one has succeeded; so
at most one is under way at a time, and never one after a return that succeeded.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt brought too late, and how far its return is. Amount in minor units."""

    attempt_id: UUID
    rail: str
    amount_minor: int
    captured: bool  # else it is only held
    came_at: datetime
    operation: str  # how it goes back: reverse or refund what was captured, void what is held
    route: str | None = None
    sent: tuple[UUID, ...] = ()  # the attempts to give it back
    returning: bool = False  # the last of them is under way
    returned_by: UUID | None = None
    due_at: datetime | None = None  # when the next of them begins


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long after a refused return the next one begins: twice as long each time."""

    first: timedelta = timedelta(minutes=1)
    most: timedelta = timedelta(hours=6)

    def again_at(self, tries: int, now: datetime) -> datetime:
        factor: int = 2 ** min(max(tries - 1, 0), 30)
        return now + min(self.first * factor, self.most)


EVENTS: Final = (
    ev.PaymentLateMoney,
    ev.PaymentLateReturnRequested,
    ev.PaymentLateReturnFailed,
    ev.PaymentLateMoneyReturned,
)


def find(items: tuple[Late, ...] | None, attempt_id: UUID) -> Late | None:
    """What that attempt is meant to give back."""
    return next((each for each in items or () if attempt_id in each.sent), None)


def is_of(items: tuple[Late, ...] | None, attempt_id: UUID, at: datetime) -> bool:
    """Whether the money of that attempt counted as late at that moment: never the merchant's."""
    return any(each.attempt_id == attempt_id and each.came_at <= at for each in items or ())


def due(items: tuple[Late, ...] | None, now: datetime) -> list[Late]:
    """What has to be given back now."""
    return [each for each in items or () if each.due_at is not None and each.due_at <= now]


def fold(items: tuple[Late, ...] | None, event: Event, at: datetime) -> Mapping[str, Any]:
    """The fields of a payment that an event of `EVENTS` changes."""
    now = tuple(_moved(each, event) for each in items or ())
    if isinstance(event, ev.PaymentLateMoney):
        now = (*now, _came(event, at))
    waiting = [each.due_at for each in now if each.due_at is not None]
    return {
        "late": now,
        "late_minor": sum(each.amount_minor for each in now),
        "late_returning_minor": sum(each.amount_minor for each in now if each.returning),
        "late_returned_minor": sum(each.amount_minor for each in now if each.returned_by),
        "late_due_at": min(waiting, default=None),
    }


def _came(event: ev.PaymentLateMoney, at: datetime) -> Late:
    return Late(
        attempt_id=ids.decode("att", event.attempt_id),
        rail=event.rail,
        route=event.route,
        amount_minor=event.amount,
        captured=event.captured,
        came_at=at,
        operation="reverse" if event.captured else "void",
        due_at=at,
    )


def _moved(item: Late, event: Event) -> Late:
    match event:
        case ev.PaymentLateReturnRequested() if _is(item, event.late_attempt_id):
            sent = (*item.sent, ids.decode("att", event.attempt_id))
            return msgspec.structs.replace(item, sent=sent, returning=True, due_at=None)
        case ev.PaymentLateReturnFailed() if _is(item, event.late_attempt_id):
            return msgspec.structs.replace(
                item, returning=False, operation=event.next_operation, due_at=event.again_at
            )
        case ev.PaymentLateMoneyReturned() if _is(item, event.late_attempt_id):
            # Another return that is still under way has nothing to give back any more.
            by = ids.decode("att", event.attempt_id)
            return msgspec.structs.replace(item, returning=False, returned_by=by, due_at=None)
        case _:
            return item


def _is(item: Late, reference: str) -> bool:
    return ids.encode("att", item.attempt_id) == reference
