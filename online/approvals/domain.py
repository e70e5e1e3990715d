"""A request for the primary's approval. Pure: events in, rows out, who may decide and until when.

While it waits it holds what its payment would take of limits; deciding, or the end of its time,
gives that back, and an approval's payment takes its own in the same commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict
from online.kernel.events import Event, LimitTaken, Occurred
from online.kernel.transitions import next_status

OPEN_REQUESTS: Final = "open_requests"


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.DelegationRequestMade): S.PENDING,
    (S.PENDING, ev.DelegationRequestApproved): S.APPROVED,
    (S.PENDING, ev.DelegationRequestDeclined): S.DECLINED,
    (S.PENDING, ev.DelegationRequestExpired): S.EXPIRED,
}
TERMINAL: Final = frozenset({S.APPROVED, S.DECLINED, S.EXPIRED})


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `delegation_requests`; amount in minor units of `currency`. `device_id` is the
    secondary's, as the payment names it; `held` is kept for good, so that an end can be told."""

    id: UUID
    merchant_id: UUID
    delegation_id: UUID
    primary_id: UUID
    secondary_id: UUID
    status: Status
    amount_minor: int
    currency: str
    device_id: str
    note: str | None
    expires_at: datetime
    held: tuple[LimitTaken, ...]
    payment_id: UUID | None = None
    approved_by: str | None = None  # the primary's device
    reason: str | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("dlr", self.id)

    @property
    def challenge(self) -> str:
        """What the primary's device signs: this request, what it moves, until when."""
        return "\n".join(
            (
                "khata-delegation-request.v1",
                self.reference,
                ids.encode("dlg", self.delegation_id),
                ids.encode("mrc", self.merchant_id),
                ids.encode("cus", self.secondary_id),
                f"{self.amount_minor} {self.currency}",
                str(int(self.expires_at.timestamp())),
            )
        )

    def state_at(self, now: datetime) -> Status:
        """Its status, and `expired` as soon as its time is over, before that is recorded."""
        over = self.status is S.PENDING and now >= self.expires_at
        return S.EXPIRED if over else self.status


@dataclass(eq=False)
class RequestExpired(Conflict):
    """The time to approve is over; what it held is given back."""

    code: ClassVar[str] = "request_expired"


@dataclass(eq=False)
class AlreadyApproved(Conflict):
    """The payment was made; no second one is."""

    payment_id: UUID = field(kw_only=True)
    code: ClassVar[str] = "already_approved"


@dataclass(eq=False)
class TooManyRequests(Conflict):
    """As many requests wait for the primary as may wait at once."""

    code: ClassVar[str] = "too_many_requests_open"


def apply(state: Request | None, occurred: Occurred) -> Request:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.DelegationRequestMade):
        return _made(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, updated_at=occurred.at, **_changes(event)
    )


def _made(event: ev.DelegationRequestMade, occurred: Occurred) -> Request:
    return Request(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        delegation_id=ids.decode("dlg", event.delegation_id),
        primary_id=ids.decode("cus", event.primary_id),
        secondary_id=ids.decode("cus", event.secondary_id),
        status=S.PENDING,
        amount_minor=event.amount,
        currency=event.currency,
        device_id=event.device_id,
        note=event.note,
        expires_at=event.expires_at,
        held=event.held,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.DelegationRequestApproved():
            payment_id = ids.decode("pay", event.payment_id)
            return {"payment_id": payment_id, "approved_by": event.device_id}
        case ev.DelegationRequestDeclined():
            return {"reason": event.reason}
        case _:
            return {}


def check_approvable(request: Request, now: datetime) -> None:
    """Before anything is asked of anybody; `AlreadyApproved` knows the payment."""
    if request.payment_id is not None:
        raise AlreadyApproved("it was approved", payment_id=request.payment_id)
    check_in_time(request, now)


def check_in_time(request: Request, now: datetime) -> None:
    """Before a decision; what was decided before, the transition table refuses."""
    if request.state_at(now) is S.EXPIRED:
        raise RequestExpired(f"it had to be decided before {request.expires_at.isoformat()}")
