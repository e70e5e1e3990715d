"""A payout's states. Pure: events in, rows out."""

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
    SCHEDULED = "scheduled"  # waits for its time; no money is held for it
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    PAID = "paid"
    DECLINED = "declined"
    FAILED = "failed"
    RETURNED = "returned"  # the bank sent back what it had paid
    CANCELED = "canceled"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.PayoutCreated): S.SCHEDULED,
    (S.SCHEDULED, ev.PayoutSent): S.PROCESSING,
    (S.SCHEDULED, ev.PayoutFailed): S.FAILED,
    (S.SCHEDULED, ev.PayoutCanceled): S.CANCELED,
    (S.PROCESSING, ev.PayoutUnknown): S.UNKNOWN,
    **{
        (open_, event): to
        for open_ in (S.PROCESSING, S.UNKNOWN)
        for event, to in (
            (ev.PayoutPaid, S.PAID),
            (ev.PayoutDeclined, S.DECLINED),
            (ev.PayoutFailed, S.FAILED),
        )
    },
    # The bank had paid what it had refused, or what we had given up.
    (S.DECLINED, ev.PayoutPaid): S.PAID,
    (S.FAILED, ev.PayoutPaid): S.PAID,
    (S.PAID, ev.PayoutReturned): S.RETURNED,
}
OVER: Final = frozenset({S.PAID, S.DECLINED, S.FAILED, S.RETURNED, S.CANCELED})


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `payouts`; amount in minor units of `currency`.

    `mask` and `ifsc` are of the account it goes to, which `beneficiary_id` and `edition` name.
    `limits` are the counters that it holds.
    """

    id: UUID
    merchant_id: UUID
    beneficiary_id: UUID
    edition: int
    status: Status
    amount_minor: int
    currency: str
    mode: str
    purpose: str
    purpose_code: str | None
    reference: str | None
    mask: str
    ifsc: str | None
    scheduled_at: datetime | None
    attempt_id: UUID | None
    utr: str | None
    code: str | None
    limits: tuple[ev.LimitTaken, ...]
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def payout_id(self) -> str:
        return ids.encode("pout", self.id)


def apply(state: Payout | None, occurred: Occurred) -> Payout:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.PayoutCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, updated_at=occurred.at, **_changes(event)
    )


def _created(event: ev.PayoutCreated, occurred: Occurred) -> Payout:
    return Payout(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        beneficiary_id=ids.decode("bnf", event.beneficiary_id),
        edition=event.edition,
        status=Status.SCHEDULED,
        amount_minor=event.amount,
        currency=event.currency,
        mode=event.mode,
        purpose=event.purpose,
        purpose_code=event.purpose_code,
        reference=event.reference,
        mask=event.mask,
        ifsc=event.ifsc,
        scheduled_at=event.scheduled_at,
        attempt_id=None,
        utr=None,
        code=None,
        limits=(),
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event) -> dict[str, Any]:
    match event:
        case ev.PayoutSent():
            return {"attempt_id": ids.decode("att", event.attempt_id), "limits": event.limits}
        case ev.PayoutPaid():
            # A `code` that stays says that it had counted as failed before.
            return {"utr": event.utr}
        case ev.PayoutUnknown() | ev.PayoutDeclined() | ev.PayoutFailed():
            return {"code": event.code}
        case ev.PayoutReturned():
            return {"code": event.code or "returned"}
        case _:
            return {}
