"""A transfer's states. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import IllegalMove
from online.kernel.events import Event, LimitTaken, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    CREATED = "created"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"
    DEEMED = "deemed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BLOCKED = "blocked"
    RETURNED = "returned"
    CANCELED = "canceled"


S = Status
OPEN: Final = (S.PROCESSING, S.REQUIRES_ACTION, S.UNKNOWN)
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.TransferCreated): S.CREATED,
    (S.CREATED, ev.TransferProcessing): S.PROCESSING,
    (S.CREATED, ev.TransferBlocked): S.BLOCKED,
    **{(s, ev.TransferRequiresAction): S.REQUIRES_ACTION for s in (S.PROCESSING, S.UNKNOWN)},
    **{(s, ev.TransferUnknown): S.UNKNOWN for s in (S.PROCESSING, S.REQUIRES_ACTION)},
    **{(s, ev.TransferDeemed): S.DEEMED for s in OPEN},
    **{(s, ev.TransferSucceeded): S.SUCCEEDED for s in (*OPEN, S.DEEMED)},
    **{(s, ev.TransferFailed): S.FAILED for s in OPEN},
    (S.DEEMED, ev.TransferReturned): S.RETURNED,
    (S.REQUIRES_ACTION, ev.TransferCancelRequested): S.REQUIRES_ACTION,
    (S.REQUIRES_ACTION, ev.TransferCancelFailed): S.REQUIRES_ACTION,
    (S.REQUIRES_ACTION, ev.TransferCanceled): S.CANCELED,
    # The bank had done it after all. There is no taking it back from the payee.
    **{(s, ev.TransferDeemed): S.DEEMED for s in (S.FAILED, S.CANCELED)},
    **{(s, ev.TransferSucceeded): S.SUCCEEDED for s in (S.FAILED, S.CANCELED, S.RETURNED)},
}
OVER: Final = frozenset({S.SUCCEEDED, S.FAILED, S.BLOCKED, S.RETURNED, S.CANCELED})
TERMINAL: Final = frozenset({S.SUCCEEDED, S.BLOCKED})


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `transfers`; amount in minor units. `limits`: what it took of counters."""

    id: UUID
    merchant_id: UUID
    customer_id: UUID
    status: Status
    amount_minor: int
    currency: str
    device_id: str
    payer: str
    payer_mask: str
    payee: str
    payee_mask: str
    payer_handle: UUID | None
    payee_handle: UUID | None
    payee_customer_id: UUID | None
    route: str | None = None
    rail: str | None = None
    rail_reference: str | None = None
    attempt_id: UUID | None = None
    risk: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    limits: tuple[LimitTaken, ...]
    due_at: datetime | None = None
    late: bool = False
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("trf", self.id)


def apply(state: Transfer | None, occurred: Occurred) -> Transfer:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.TransferCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, updated_at=occurred.at, **_changes(event)
    )


def _created(event: ev.TransferCreated, occurred: Occurred) -> Transfer:
    def optional(prefix: str, text: str | None) -> UUID | None:
        return ids.decode(prefix, text) if text else None

    return Transfer(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id),
        status=Status.CREATED,
        amount_minor=event.amount,
        currency=event.currency,
        device_id=event.device_id,
        payer=event.payer,
        payer_mask=event.payer_mask,
        payee=event.payee,
        payee_mask=event.payee_mask,
        payer_handle=optional("hdl", event.payer_handle),
        payee_handle=optional("hdl", event.payee_handle),
        payee_customer_id=optional("cus", event.payee_customer_id),
        limits=event.limits,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    """The fields that an event changes beside status, version and time."""
    match event:
        case ev.TransferProcessing():
            return {
                "risk": event.risk,
                "route": event.route,
                "rail": event.rail,
                "attempt_id": ids.decode("att", event.attempt_id),
            }
        case ev.TransferBlocked():
            return {"risk": event.risk, "last_error": {"code": "fraud_blocked"}}
        case ev.TransferUnknown():
            return {"last_error": {"code": "payment_timeout", "message": event.message}}
        case ev.TransferDeemed():
            return {
                "due_at": event.due_at,
                "rail_reference": event.rail_reference,
                "late": event.late,
                "last_error": None,
            }
        case ev.TransferSucceeded():
            return {
                "rail_reference": event.rail_reference,
                "late": event.late,
                "last_error": None,
                "due_at": None,
            }
        case ev.TransferFailed():
            error = {
                "code": event.code,
                "decline_code": event.decline_code,
                "message": event.message,
            }
            return {"last_error": error}
        case ev.TransferReturned():
            return {"last_error": {"code": "returned_by_bank"}, "due_at": None}
        case _:
            return {}


def request_cancel(transfer: Transfer, attempt_reference: str) -> ev.TransferCancelRequested:
    """The event that begins to cancel one; `IllegalMove` where the payer is not waited for."""
    if transfer.status is not Status.REQUIRES_ACTION:
        raise IllegalMove(f"a transfer that is {transfer.status} cannot be canceled", "id")
    return ev.TransferCancelRequested(attempt_id=attempt_reference)
