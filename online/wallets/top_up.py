"""A top-up's states and amounts. Pure: events in, rows out.

One that waits for its rail stands in the pending layer of the wallet's account, so that it counts
against the ceiling from its first commit on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, LimitTaken, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"


S = Status
OPEN: Final = (S.PROCESSING, S.REQUIRES_ACTION, S.UNKNOWN)
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.TopUpCreated): S.PROCESSING,
    **{(s, ev.TopUpRequiresAction): S.REQUIRES_ACTION for s in OPEN},
    **{(s, ev.TopUpUnknown): S.UNKNOWN for s in OPEN},
    **{(s, ev.TopUpSucceeded): S.SUCCEEDED for s in OPEN},
    **{(s, ev.TopUpFailed): S.FAILED for s in OPEN},
    (S.FAILED, ev.TopUpSucceeded): S.SUCCEEDED,  # the rail had taken the money after all
    (S.SUCCEEDED, ev.TopUpReturnRequested): S.SUCCEEDED,
    (S.SUCCEEDED, ev.TopUpReturnFailed): S.SUCCEEDED,
    (S.SUCCEEDED, ev.TopUpPartlyReturned): S.SUCCEEDED,
    (S.SUCCEEDED, ev.TopUpReturned): S.RETURNED,
    **{(s, ev.TopUpUnplacedMoney): s for s in (S.SUCCEEDED, S.RETURNED)},
}
TERMINAL: Final = frozenset({S.RETURNED})


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `top_ups`; amounts in minor units of `currency`.

    Of what succeeded, `returning_minor` is on its way back, `return_due_minor` was refused by the
    rail and is tried again, `returned_minor` has gone back.
    """

    id: UUID
    wallet_id: UUID
    customer_id: UUID
    merchant_id: UUID
    status: Status
    amount_minor: int
    currency: str
    purpose: str
    instrument: str
    instrument_mask: str
    route: str
    rail: str
    rail_reference: str | None = None
    attempt_id: UUID
    credited: bool = False
    returning_minor: int = 0
    return_due_minor: int = 0
    returned_minor: int = 0
    return_tries: int = 0
    return_due_at: datetime | None = None
    next_action: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    limits: tuple[LimitTaken, ...] = ()
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def returnable_minor(self) -> int:
        """Loaded by it and neither given back nor promised."""
        if self.status is not S.SUCCEEDED:
            return 0
        owed = self.returning_minor + self.return_due_minor + self.returned_minor
        return self.amount_minor - owed


def apply(state: TopUp | None, occurred: Occurred) -> TopUp:
    """The one fold from events to the row of a top-up."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.TopUpCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **(_returns(state, event) if isinstance(event, _RETURNS) else _progress(event)),
    )


def _created(event: ev.TopUpCreated, occurred: Occurred) -> TopUp:
    return TopUp(
        id=occurred.aggregate_id,
        wallet_id=ids.decode("wal", event.wallet_id),
        customer_id=ids.decode("cus", event.customer_id),
        merchant_id=occurred.merchant_id,
        status=S.PROCESSING,
        amount_minor=event.amount,
        currency=event.currency,
        purpose=event.purpose,
        instrument=event.instrument,
        instrument_mask=event.instrument_mask,
        route=event.route,
        rail=event.rail,
        attempt_id=ids.decode("att", event.attempt_id),
        limits=event.limits,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _progress(event: Event) -> dict[str, Any]:
    match event:
        case ev.TopUpRequiresAction():
            return {"next_action": event.next_action}
        case ev.TopUpUnknown():
            return {"last_error": {"code": "payment_timeout", "message": event.message}}
        case ev.TopUpSucceeded():
            return {
                "credited": event.credited,
                "rail_reference": event.rail_reference,
                "next_action": None,
                "last_error": None,
            }
        case ev.TopUpFailed():
            error = {
                "code": event.code,
                "decline_code": event.decline_code,
                "message": event.message,
            }
            return {"last_error": error, "next_action": None}
        case ev.TopUpUnplacedMoney():
            return {}
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


_RETURNS: Final = (
    ev.TopUpReturnRequested,
    ev.TopUpReturnFailed,
    ev.TopUpPartlyReturned,
    ev.TopUpReturned,
)


def _returns(state: TopUp, event: Event) -> dict[str, Any]:
    match event:
        case ev.TopUpReturnRequested() if event.again:
            return {
                "return_due_minor": state.return_due_minor - event.amount,
                "returning_minor": state.returning_minor + event.amount,
                "return_due_at": None,
            }
        case ev.TopUpReturnRequested():
            return {"returning_minor": state.returning_minor + event.amount}
        case ev.TopUpReturnFailed():
            return {
                "returning_minor": state.returning_minor - event.amount,
                "return_due_minor": state.return_due_minor + event.amount,
                "return_tries": state.return_tries + 1,
                "return_due_at": event.again_at,
            }
        case ev.TopUpPartlyReturned() | ev.TopUpReturned() if event.after_failing:
            left = state.return_due_minor - event.amount
            return {
                "return_due_minor": left,
                "returned_minor": state.returned_minor + event.amount,
                "return_due_at": state.return_due_at if left else None,
            }
        case ev.TopUpPartlyReturned() | ev.TopUpReturned():
            return {
                "returning_minor": state.returning_minor - event.amount,
                "returned_minor": state.returned_minor + event.amount,
            }
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


class Part(msgspec.Struct, frozen=True):
    """So much of a top-up goes back."""

    top_up: TopUp
    amount_minor: int


def parts(balance_minor: int, top_ups: Sequence[TopUp]) -> list[Part]:
    """What goes back of which top-up, so that `balance_minor` does; in the order of `top_ups`.

    A wallet holds no more than its top-ups brought and have not given back: refunds bring back
    what was paid, and nothing else comes in. Where `top_ups` are not all there are, the rest waits.
    """
    found = []
    for top_up in top_ups:
        amount = min(balance_minor, top_up.returnable_minor)
        if amount > 0:
            found.append(Part(top_up, amount))
            balance_minor -= amount
    return found
