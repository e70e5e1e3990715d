"""A mandate's states. Pure: events in, rows out; what may be asked of one, and when.

`created` is sent to the rail without an answer yet. A mandate that is over stays over: what the
rail says of it later is written down, and the rail is told that it is revoked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, IllegalMove, InvalidRequest
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.mandates.calendar import Calendar, DebitRule, Frequency

Party = Literal["merchant", "payer"]


class Status(StrEnum):
    CREATED = "created"
    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    COMPLETED = "completed"
    FAILED = "failed"


S = Status
ASKED: Final = (S.CREATED, S.PENDING)
ALIVE: Final = (S.ACTIVE, S.PAUSED)
OVER: Final = frozenset({S.REVOKED, S.EXPIRED, S.COMPLETED, S.FAILED})
TERMINAL: Final = OVER - {S.FAILED}  # a payer's late yes to one that failed is revoked

TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.MandateCreated): S.CREATED,
    (S.CREATED, ev.MandateRequested): S.CREATED,
    **{(s, ev.MandatePending): S.PENDING for s in ASKED},
    **{(s, ev.MandateActivated): S.ACTIVE for s in ASKED},
    **{(s, ev.MandateFailed): S.FAILED for s in ASKED},
    **{(s, ev.MandateRevoked): S.REVOKED for s in (S.PENDING, *ALIVE, S.FAILED)},
    (S.ACTIVE, ev.MandatePaused): S.PAUSED,
    (S.PAUSED, ev.MandateResumed): S.ACTIVE,
    (S.ACTIVE, ev.MandateScheduled): S.ACTIVE,
    (S.ACTIVE, ev.MandateSkipped): S.ACTIVE,
    **{(s, ev.MandateCompleted): S.COMPLETED for s in ALIVE},
    **{(s, ev.MandateExpired): S.EXPIRED for s in ALIVE},
    (S.REVOKED, ev.MandateRevocationSent): S.REVOKED,
    (S.REVOKED, ev.MandateRevocationTold): S.REVOKED,
    (S.REVOKED, ev.MandateRevocationDelayed): S.REVOKED,
}


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `mandates`; amounts in minor units. `amount_minor`: of a schedule of its own.

    `tell_at`: when the rail has to be told that it is revoked.
    """

    id: UUID
    merchant_id: UUID
    customer_id: UUID
    status: Status
    mcc: str
    max_amount_minor: int
    currency: str
    amount_rule: str
    frequency: str
    start_on: date
    end_on: date
    debit_rule: str | None
    debit_day: int | None
    amount_minor: int | None
    purpose: str
    instrument: str
    instrument_mask: str
    handle_id: str | None = None
    route: str | None = None
    rail: str | None = None
    attempt_id: UUID | None = None
    umn: str | None = None
    next_action: dict[str, Any] | None = None
    last_error: dict[str, Any] | None = None
    next_debit_on: date | None = None
    paused_by: str | None = None
    revoked_by: str | None = None
    told: bool = False
    tell_at: datetime | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("mnd", self.id)

    @property
    def subject(self) -> str:
        """Whose counters keep executions within it, and stop them."""
        return f"mandate:{self.reference}"

    @property
    def calendar(self) -> Calendar:
        return Calendar(
            frequency=Frequency(self.frequency),
            start=self.start_on,
            end=self.end_on,
            rule=DebitRule(self.debit_rule) if self.debit_rule else None,
            day=self.debit_day,
        )

    @property
    def attempt(self) -> UUID:
        """The attempt that asked the payer: what the rail knows the mandate by."""
        assert self.attempt_id is not None  # every mandate is requested in its first commit
        return self.attempt_id


@dataclass(eq=False)
class MandateNotActive(Conflict):
    """It is not approved yet, paused, or over."""

    code: ClassVar[str] = "mandate_not_active"


def apply(state: Mandate | None, occurred: Occurred) -> Mandate:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.MandateCreated):
        return _created(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(event, occurred.at),
    )


def _created(event: ev.MandateCreated, occurred: Occurred) -> Mandate:
    return Mandate(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id),
        status=S.CREATED,
        mcc=event.mcc,
        max_amount_minor=event.max_amount,
        currency=event.currency,
        amount_rule=event.amount_rule,
        frequency=event.frequency,
        start_on=event.start_on,
        end_on=event.end_on,
        debit_rule=event.debit_rule,
        debit_day=event.debit_day,
        amount_minor=event.amount,
        purpose=event.purpose,
        instrument=event.instrument,
        instrument_mask=event.instrument_mask,
        handle_id=event.handle_id,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.MandateRequested():
            attempt_id = ids.decode("att", event.attempt_id)
            return {"attempt_id": attempt_id, "route": event.route, "rail": event.rail}
        case ev.MandatePending():
            return {"next_action": event.next_action}
        case ev.MandateActivated():
            return {"umn": event.umn, "next_action": None, "next_debit_on": event.next_debit_on}
        case ev.MandateFailed():
            error = {
                "code": event.code,
                "decline_code": event.decline_code,
                "message": event.message,
            }
            return {"last_error": error, "next_action": None}
        case ev.MandatePaused():
            return {"paused_by": event.by}
        case ev.MandateResumed():
            return {"paused_by": None, "next_debit_on": event.next_debit_on}
        case ev.MandateScheduled() | ev.MandateSkipped():
            return {"next_debit_on": event.next_debit_on}
        case ev.MandateCompleted() | ev.MandateExpired():
            return {"next_debit_on": None, "paused_by": None}
        case _:
            return _revocation(event, at)


def _revocation(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.MandateRevoked():
            return {
                "revoked_by": event.by,
                "told": event.by == "payer",
                # Who revokes with an attempt tells the rail by it.
                "tell_at": at if event.by == "khata" else None,
                "next_action": None,
                "next_debit_on": None,
                "paused_by": None,
            }
        case ev.MandateRevocationTold():
            return {"told": True, "tell_at": None}
        case ev.MandateRevocationSent():
            return {"tell_at": None}
        case ev.MandateRevocationDelayed():
            return {"told": False, "tell_at": event.again_at}
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


# ── decisions ────────────────────────────────────────────────────────────────────────────


def check_active(mandate: Mandate) -> None:
    if mandate.status is not S.ACTIVE:
        raise MandateNotActive(f"the mandate is {mandate.status}")


def pause(mandate: Mandate, by: Party) -> ev.MandatePaused:
    check_active(mandate)
    return ev.MandatePaused(by=by)


def resume(mandate: Mandate, by: Party, today: date) -> ev.MandateResumed:
    """Whoever paused it lets it go on; what was due meanwhile is not made up for."""
    if mandate.status is not S.PAUSED:
        raise IllegalMove(f"a mandate that is {mandate.status} is not paused")
    if mandate.paused_by != by:
        raise IllegalMove(f"the {mandate.paused_by} paused it and has to resume it")
    return ev.MandateResumed(by=by, next_debit_on=first_debit(mandate, today))


def revoke(mandate: Mandate, by: str, attempt_id: str | None) -> ev.MandateRevoked:
    if (mandate.status, ev.MandateRevoked) not in TRANSITIONS or mandate.status is S.FAILED:
        raise IllegalMove(f"a mandate that is {mandate.status} cannot be revoked")
    return ev.MandateRevoked(by=by, attempt_id=attempt_id)


def first_debit(mandate: Mandate, since: date) -> date | None:
    """The first day from `since` on that the mandate's own schedule debits."""
    if mandate.amount_minor is None:
        return None
    return next(mandate.calendar.anchors(since), None)


def check_amount(mandate: Mandate, amount_minor: int) -> None:
    """Refuses what the payer did not agree to."""
    if mandate.amount_rule == "exact" and amount_minor != mandate.max_amount_minor:
        raise InvalidRequest(f"must be exactly {mandate.max_amount_minor}", "amount")
    if amount_minor > mandate.max_amount_minor:
        raise InvalidRequest(f"must be at most {mandate.max_amount_minor}", "amount")
