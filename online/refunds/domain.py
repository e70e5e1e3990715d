"""A refund's states. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    PENDING = "pending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.RefundCreated): S.PENDING,
    (S.PENDING, ev.RefundSucceeded): S.SUCCEEDED,
    (S.PENDING, ev.RefundFailed): S.FAILED,
    (S.PENDING, ev.RefundUnknown): S.UNKNOWN,
    (S.UNKNOWN, ev.RefundSucceeded): S.SUCCEEDED,
    (S.UNKNOWN, ev.RefundFailed): S.FAILED,
    (S.FAILED, ev.RefundSucceeded): S.SUCCEEDED,  # the rail had done it after all
}
OVER: Final = frozenset({S.SUCCEEDED, S.FAILED})
TERMINAL: Final = frozenset({S.SUCCEEDED})


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `refunds`; amount in minor units of `currency`."""

    id: UUID
    payment_id: UUID
    merchant_id: UUID
    attempt_id: UUID | None
    status: Status
    amount_minor: int
    currency: str
    reason: str | None
    rail: str | None
    rail_reference: str | None
    failure_code: str | None
    mdr_on_refund: str  # kept | returned: the contract when it was asked for
    fee_returned_minor: int = 0
    tax_returned_minor: int = 0
    escrow_id: UUID | None = None
    method: str | None = None  # of the payment; not known of old refunds
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime


def apply(state: Refund | None, occurred: Occurred) -> Refund:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.RefundCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, updated_at=occurred.at, **_changes(event)
    )


def _created(event: ev.RefundCreated, occurred: Occurred) -> Refund:
    return Refund(
        id=occurred.aggregate_id,
        payment_id=ids.decode("pay", event.payment_id),
        merchant_id=occurred.merchant_id,
        attempt_id=ids.decode("att", event.attempt_id),
        status=Status.PENDING,
        amount_minor=event.amount,
        currency=event.currency,
        reason=event.reason,
        rail=event.rail,
        rail_reference=None,
        failure_code=None,
        mdr_on_refund=event.mdr_on_refund,
        escrow_id=ids.decode("esc", event.escrow_id) if event.escrow_id else None,
        method=event.method,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.RefundSucceeded():
            return {
                "rail_reference": event.rail_reference,
                "failure_code": None,
                "fee_returned_minor": event.fee_returned,
                "tax_returned_minor": event.tax_returned,
            }
        case ev.RefundFailed():
            return {"failure_code": event.code}
        case _:
            return {}
