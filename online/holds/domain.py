"""A hold's states, and how it follows its payment. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    PENDING = "pending"
    PLACED = "placed"
    FAILED = "failed"
    CAPTURED = "captured"
    CANCELED = "canceled"
    EXPIRED = "expired"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.HoldRequested): S.PENDING,
    (S.PENDING, ev.HoldPlaced): S.PLACED,
    (S.PENDING, ev.HoldFailed): S.FAILED,
    (S.PLACED, ev.HoldCaptured): S.PLACED,
    (S.PLACED, ev.HoldReleased): S.PLACED,
    (S.PLACED, ev.HoldExtended): S.PLACED,
    (S.PLACED, ev.HoldEnded): S.CAPTURED,
    (S.PLACED, ev.HoldCanceled): S.CANCELED,
    (S.PLACED, ev.HoldExpired): S.EXPIRED,
}
TERMINAL: Final = frozenset({S.FAILED, S.CAPTURED, S.CANCELED, S.EXPIRED})


class Hold(Struct, frozen=True, kw_only=True):
    """Row of `holds`; amounts in minor units of `currency`."""

    id: UUID
    payment_id: UUID
    merchant_id: UUID
    customer_id: UUID | None
    status: Status
    amount_minor: int
    currency: str
    method: str
    purpose: str | None
    description: str | None
    captured_minor: int = 0
    released_minor: int = 0
    expires_at: datetime | None = None
    error_code: str | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def held_minor(self) -> int:
        """Kept still: neither taken nor let go."""
        if self.status is not S.PLACED:
            return 0
        return self.amount_minor - self.captured_minor - self.released_minor


class Behind(Struct, frozen=True, kw_only=True):
    """The payment behind a hold, as far as the hold follows it. `is_over`: nothing was ever kept of
    it, and nothing will be."""

    status: str
    authorized_minor: int
    captured_minor: int
    expires_at: datetime | None
    is_over: bool
    error_code: str | None = None


def apply(state: Hold | None, occurred: Occurred) -> Hold:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.HoldRequested):
        return _requested(event, occurred)
    assert state is not None
    return structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(event),
    )


def _requested(event: ev.HoldRequested, occurred: Occurred) -> Hold:
    return Hold(
        id=occurred.aggregate_id,
        payment_id=ids.decode("pay", event.payment_id),
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id) if event.customer_id else None,
        status=S.PENDING,
        amount_minor=event.amount,
        currency=event.currency,
        method=event.method,
        purpose=event.purpose,
        description=event.description,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.HoldPlaced() | ev.HoldExtended():
            return {"expires_at": event.expires_at}
        case ev.HoldFailed():
            return {"error_code": event.code}
        case ev.HoldCaptured():
            return {"captured_minor": event.captured_total}
        case ev.HoldReleased():
            return {"released_minor": event.released_total}
        case _:
            return {}


def follow(hold: Hold, payment: Behind) -> list[Event]:
    """The events by which a hold goes along with its payment; none when nothing changes."""
    if hold.status in TERMINAL:
        return []
    if hold.status is S.PENDING:
        return _begun(hold, payment)
    return _went_on(hold, payment)


def _begun(hold: Hold, payment: Behind) -> list[Event]:
    if payment.is_over:
        return [ev.HoldFailed(code=payment.error_code or payment.status)]
    if not payment.authorized_minor:
        return []
    return [ev.HoldPlaced(amount=hold.amount_minor, expires_at=payment.expires_at)]


def _went_on(hold: Hold, payment: Behind) -> list[Event]:
    events: list[Event] = []
    captured = payment.captured_minor - hold.captured_minor
    if captured:
        total = payment.captured_minor
        events.append(ev.HoldCaptured(amount=captured, captured_total=total))
    let_go = hold.amount_minor - payment.authorized_minor
    if let_go != hold.released_minor:
        amount = let_go - hold.released_minor
        events.append(ev.HoldReleased(amount=amount, released_total=let_go))
    due = payment.expires_at
    if due is not None and due != hold.expires_at:
        events.append(ev.HoldExtended(expires_at=due))
    if payment.authorized_minor == payment.captured_minor:
        events.append(_end(payment))
    return events


def _end(payment: Behind) -> Event:
    if payment.captured_minor:
        return ev.HoldEnded()
    return ev.HoldExpired() if payment.status == "expired" else ev.HoldCanceled()
