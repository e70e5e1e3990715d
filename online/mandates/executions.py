"""An execution's states: one debit under a mandate, told of before, tried at most so often. Pure.

Its tries are payments; it moves in their commits (`follower.py`). While the outcome of one is not
known there is no next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import Conflict, Refused
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.mandates.rules import MandateRules


class Status(StrEnum):
    SCHEDULED = "scheduled"
    NOTIFIED = "notified"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


S = Status
IDLE: Final = (S.SCHEDULED, S.NOTIFIED, S.RETRYING)  # nothing of it is at the rail
DUE: Final = (S.NOTIFIED, S.RETRYING)
AT_RAIL: Final = (S.PROCESSING, S.REQUIRES_ACTION, S.UNKNOWN)
TERMINAL: Final = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELED})

TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.ExecutionScheduled): S.SCHEDULED,
    (S.SCHEDULED, ev.ExecutionNoticeDelayed): S.SCHEDULED,
    (S.SCHEDULED, ev.ExecutionNoticeSent): S.NOTIFIED,
    **{(s, ev.ExecutionTried): S.PROCESSING for s in DUE},
    **{(s, ev.ExecutionRequiresAction): S.REQUIRES_ACTION for s in AT_RAIL},
    **{(s, ev.ExecutionUnknown): S.UNKNOWN for s in AT_RAIL},
    **{(s, ev.ExecutionTryFailed): S.RETRYING for s in (*DUE, *AT_RAIL)},
    **{(s, ev.ExecutionPutOff): s for s in DUE},
    **{(s, ev.ExecutionSucceeded): S.SUCCEEDED for s in AT_RAIL},
    **{(s, ev.ExecutionFailed): S.FAILED for s in (*DUE, *AT_RAIL)},
    **{(s, ev.ExecutionCanceled): S.CANCELED for s in IDLE},
}


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `mandate_executions`; amount in minor units. `until_on`: the last day of its period,
    beyond which nothing of it is tried. `payments`: of its tries, in order."""

    id: UUID
    mandate_id: UUID
    merchant_id: UUID
    customer_id: UUID
    status: Status
    amount_minor: int
    currency: str
    period: date
    debit_on: date
    until_on: date
    notice_at: datetime
    debit_from: datetime | None = None
    next_try_at: datetime | None = None
    tried: int = 0
    payments: tuple[str, ...] = ()
    factor_required: bool = False
    last_error: dict[str, Any] | None = None
    scheduled_by: str
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("mex", self.id)


@dataclass(eq=False)
class PeriodTaken(Conflict):
    """There is an execution of this period already."""

    code: ClassVar[str] = "period_taken"


@dataclass(eq=False)
class NoticeTooLate(Refused):
    """The payer cannot be told early enough before that day is over."""

    code: ClassVar[str] = "notice_too_late"


def apply(state: Execution | None, occurred: Occurred) -> Execution:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.ExecutionScheduled):
        return _scheduled(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(state, event),
    )


def _scheduled(event: ev.ExecutionScheduled, occurred: Occurred) -> Execution:
    return Execution(
        id=occurred.aggregate_id,
        mandate_id=ids.decode("mnd", event.mandate_id),
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id),
        status=S.SCHEDULED,
        amount_minor=event.amount,
        currency=event.currency,
        period=event.period,
        debit_on=event.debit_on,
        until_on=event.until_on,
        notice_at=event.notice_at,
        scheduled_by=event.by,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(state: Execution, event: Event) -> dict[str, Any]:
    match event:
        case ev.ExecutionNoticeDelayed():
            return {"notice_at": event.notice_at}
        case ev.ExecutionNoticeSent():
            return {"debit_from": event.debit_from, "next_try_at": event.debit_from}
        case ev.ExecutionTried():
            return {
                "tried": state.tried + 1,
                "payments": (*state.payments, event.payment_id),
                "factor_required": event.factor_required,
                "next_try_at": None,
            }
        case ev.ExecutionTryFailed():
            before = 0 if event.payment_id else 1  # a try that came to no payment is one, too
            return {
                "tried": state.tried + before,
                "next_try_at": event.next_try_at,
                "last_error": _error(event),
            }
        case ev.ExecutionPutOff():
            return {"next_try_at": event.next_try_at, "last_error": {"code": event.code}}
        case ev.ExecutionFailed():
            return {"next_try_at": None, "last_error": _error(event)}
        case ev.ExecutionSucceeded():
            return {"last_error": None}
        case ev.ExecutionCanceled():
            return {"next_try_at": None, "last_error": {"code": event.reason}}
        case _:
            return {}


def _error(event: ev.ExecutionTryFailed | ev.ExecutionFailed) -> dict[str, Any]:
    return {"code": event.code, "decline_code": event.decline_code, "message": event.message}


# ── decisions ────────────────────────────────────────────────────────────────────────────


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a try came to."""

    code: str
    decline_code: str | None = None
    message: str = ""
    payment_id: str | None = None


def failed(execution: Execution, failure: Failure, at: datetime, rules: MandateRules) -> Event:
    """Another try, where its end lets hope for more, one is left, and its period is not over."""
    tried = execution.tried + (failure.payment_id is None)
    again = rules.next_try(tried, at, execution.until_on)
    told = msgspec.structs.asdict(failure)
    if again is None or not rules.is_retried(failure.code, failure.decline_code, business_date(at)):
        return ev.ExecutionFailed(**told)
    return ev.ExecutionTryFailed(**told, next_try_at=again)


def put_off(execution: Execution, code: str, at: datetime, rules: MandateRules) -> Event:
    """Nothing could be sent: it comes round again soon, and counts as no try."""
    again = rules.put_off(at, execution.until_on)
    if again is None:
        return ev.ExecutionFailed(code=code)
    return ev.ExecutionPutOff(code=code, next_try_at=again)


def missed(execution: Execution, at: datetime) -> bool:
    """Whether its time has passed: the first try belongs to the day that the payer was told."""
    last = execution.until_on if execution.tried else execution.debit_on
    return business_date(at) > last
