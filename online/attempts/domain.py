"""One operation at one rail: sent, then an outcome, perhaps unknown for a while."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from msgspec import structs

from online.attempts.schedule import Schedule
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.rails.domain import Outcome, OutcomeKind


class Status(StrEnum):
    SENT = "sent"
    PENDING = "pending"
    UNKNOWN = "unknown"
    DEEMED = "deemed"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    FAILED = "failed"


OVER: Final = frozenset({Status.SUCCEEDED, Status.DECLINED, Status.FAILED})
TERMINAL: Final = frozenset({Status.SUCCEEDED})
_OUTCOMES: Final[Mapping[type[Event], "Status"]] = {
    ev.AttemptSucceeded: Status.SUCCEEDED,
    ev.AttemptDeclined: Status.DECLINED,
    ev.AttemptFailed: Status.FAILED,
    ev.AttemptPending: Status.PENDING,
    ev.AttemptUnknown: Status.UNKNOWN,
    ev.AttemptDeemed: Status.DEEMED,
}
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.AttemptSent): Status.SENT,
    **{
        (open_, event): to
        for open_ in (Status.SENT, Status.PENDING, Status.UNKNOWN)
        for event, to in _OUTCOMES.items()
    },
    # What counts as a success stays one until the switch has its last word.
    **{
        (Status.DEEMED, event): _OUTCOMES[event]
        for event in (
            *(ev.AttemptDeemed, ev.AttemptSucceeded),
            *(ev.AttemptDeclined, ev.AttemptFailed),
        )
    },
    # What the rail had refused, or we had given up, was done after all.
    (Status.FAILED, ev.AttemptSucceeded): Status.SUCCEEDED,
    (Status.DECLINED, ev.AttemptSucceeded): Status.SUCCEEDED,
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `attempts`; amounts in minor units."""

    id: UUID
    payment_id: UUID | None
    refund_id: UUID | None
    settlement_id: UUID | None
    merchant_id: UUID
    operation: str
    status: Status
    amount_minor: int
    currency: str
    route: str | None
    rail: str
    rail_reference: str | None
    original_id: UUID | None
    code: str | None
    enquiries: int
    next_enquiry_at: datetime | None
    sent_at: datetime
    version: int
    livemode: bool
    order_id: str | None = None  # the TypeID of what ordered it, if it is none of those above

    @property
    def is_open(self) -> bool:
        return self.status not in OVER

    @property
    def ordered_by(self) -> str:
        """Whose operation it is: that slice records what became of it. `payment`, `refund`,
        `settlement`, or the prefix of any other's id."""
        if self.order_id is not None:
            return self.order_id.partition("_")[0]
        if self.refund_id is not None:
            return "refund"
        return "payment" if self.settlement_id is None else "settlement"

    @property
    def reference(self) -> str:
        """What the rail knows it by, in its files too."""
        return ids.encode("att", self.id)


def apply(state: Attempt | None, occurred: Occurred) -> Attempt:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.AttemptSent):
        return _sent(event, occurred)
    assert state is not None
    assert isinstance(event, ev.AttemptOutcome)
    return msgspec.structs.replace(
        state,
        status=status,
        code=event.code or state.code,
        rail_reference=event.rail_reference or state.rail_reference,
        enquiries=event.enquiry,
        next_enquiry_at=event.next_enquiry_at,
        version=occurred.version,
    )


def _sent(event: ev.AttemptSent, occurred: Occurred) -> Attempt:
    def optional(prefix: str, text: str | None) -> UUID | None:
        return ids.decode(prefix, text) if text else None

    return Attempt(
        id=occurred.aggregate_id,
        payment_id=optional("pay", event.payment_id),
        refund_id=optional("rfd", event.refund_id),
        settlement_id=optional("stl", event.settlement_id),
        merchant_id=occurred.merchant_id,
        operation=event.operation,
        status=Status.SENT,
        amount_minor=event.amount,
        currency=event.currency,
        route=event.route,
        rail=event.rail,
        rail_reference=None,
        original_id=optional("att", event.original_id),
        code=None,
        enquiries=0,
        next_enquiry_at=event.next_enquiry_at,
        sent_at=occurred.at,
        version=occurred.version,
        livemode=occurred.livemode,
        order_id=event.order_id,
    )


_EVENT: Final[dict[OutcomeKind, type[ev.AttemptOutcome]]] = {
    OutcomeKind.APPROVED: ev.AttemptSucceeded,
    OutcomeKind.DECLINED: ev.AttemptDeclined,
    OutcomeKind.FAILED: ev.AttemptFailed,
    OutcomeKind.PENDING: ev.AttemptPending,
    OutcomeKind.UNKNOWN: ev.AttemptUnknown,
    OutcomeKind.DEEMED: ev.AttemptDeemed,
    OutcomeKind.NOT_FOUND: ev.AttemptUnknown,
}


def is_news(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether an answer may still move `attempt`: all do while it is open, a late yes after a no
    too. A no after a yes moves nothing: reconciliation shows who was right."""
    if attempt.is_open:
        return True
    return attempt.status is not Status.SUCCEEDED and outcome.kind is OutcomeKind.APPROVED


def contradicts(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether the rail takes back its own yes."""
    no = outcome.kind in {OutcomeKind.DECLINED, OutcomeKind.FAILED}
    return attempt.status is Status.SUCCEEDED and no


_OPEN: Final = frozenset({OutcomeKind.PENDING, OutcomeKind.UNKNOWN})


def settle(attempt: Attempt, outcome: Outcome, schedule: Schedule, now: datetime) -> Outcome:
    """What an answer amounts to: `not_found` becomes final only after the rail's own window. What
    counts as a success goes on doing so whatever the rail cannot say; of a refund, or of what else
    is done to a payment, an unconfirmed credit is one that nobody knows."""
    deemed = attempt.status is Status.DEEMED
    if outcome.kind is OutcomeKind.NOT_FOUND:
        final = now - attempt.sent_at >= schedule.not_found_final_after
        kind = OutcomeKind.FAILED if final else OutcomeKind.UNKNOWN
        return msgspec.structs.replace(
            outcome,
            kind=OutcomeKind.DEEMED if deemed else kind,
            message="the rail does not know this operation",
        )
    if deemed and outcome.kind in _OPEN:
        return msgspec.structs.replace(outcome, kind=OutcomeKind.DEEMED)
    if outcome.kind is OutcomeKind.DEEMED and attempt.operation != "authorize":
        return msgspec.structs.replace(outcome, kind=OutcomeKind.UNKNOWN)
    return outcome


def outcome_event(
    attempt: Attempt,
    outcome: Outcome,
    schedule: Schedule,
    now: datetime,
    *,
    enquired: bool,
    latency_ms: int | None = None,
) -> ev.AttemptOutcome:
    """The event that records `outcome` (already passed through `settle`)."""
    enquiries = attempt.enquiries + enquired
    event = _EVENT[outcome.kind](
        code=outcome.code,
        rail_reference=outcome.rail_reference,
        network_reference=outcome.network_reference,
        message=outcome.message,
        latency_ms=latency_ms,
        enquiry=enquiries,
        next_enquiry_at=None if outcome.is_final else schedule.next(outcome.kind, enquiries, now),
    )
    if isinstance(event, ev.AttemptSucceeded) and not attempt.is_open:
        return structs.replace(event, late=True)
    return event
