"""A delegation's states and caps. Pure: events in, rows out, counter moves of a payment.

What was paid stands in counters that a payment moves in its first commit, so that no race passes a
cap. A month's counter is of the pair: revoking a delegation and making it anew gives no new month.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.delegations.rules import DelegationRule
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import Conflict, Headroom, LimitExceeded
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.ledger.change import FOREVER, LimitMove, guard
from online.limits.windows import window

MONTH: Final = "delegation_month"
COOLING: Final = "delegation_cooling"
PAYMENT: Final = "delegation_payment"
Kind = Literal["full", "partial"]


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    REVOKED = "revoked"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.DelegationCreated): S.ACTIVE,
    (S.ACTIVE, ev.DelegationPaused): S.PAUSED,
    (S.PAUSED, ev.DelegationResumed): S.ACTIVE,
    **{(s, ev.DelegationRevoked): S.REVOKED for s in (S.ACTIVE, S.PAUSED)},
}
TERMINAL: Final = frozenset({S.REVOKED})


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `delegations`; amounts in minor units of `currency`, None: the rule's cap alone.
    `instrument` is a keyed hash of the primary's VPA, which the vault keeps."""

    id: UUID
    merchant_id: UUID
    primary_id: UUID
    secondary_id: UUID
    status: Status
    kind: Kind
    currency: str
    per_payment_minor: int | None
    per_month_minor: int | None
    instrument: str
    instrument_mask: str
    cooling_until: datetime
    reason: str | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("dlg", self.id)

    @property
    def subject(self) -> str:
        """Whom its own counters are of."""
        return f"delegation:{self.reference}"

    @property
    def pair(self) -> str:
        """Whom the month's counter is of."""
        return f"delegates:{self.primary}:{self.secondary}"

    @property
    def primary(self) -> str:
        return ids.encode("cus", self.primary_id)

    @property
    def secondary(self) -> str:
        return ids.encode("cus", self.secondary_id)


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """One cap that a payment counts towards."""

    subject: str
    rule: str
    window_start: date
    until: datetime | None
    cap: int


@dataclass(eq=False)
class DelegationClosed(Conflict):
    """The delegation was paused or revoked."""

    code: ClassVar[str] = "delegation_closed"


@dataclass(eq=False)
class ApprovalRequired(Conflict):
    """Under a partial delegation the primary approves each payment."""

    code: ClassVar[str] = "approval_required"


@dataclass(eq=False)
class TooManySecondaries(Conflict):
    """The primary has as many secondaries as may be."""

    code: ClassVar[str] = "too_many_secondaries"


@dataclass(eq=False)
class HasPrimary(Conflict):
    """The secondary pays for another account already."""

    code: ClassVar[str] = "has_primary"


def apply(state: Delegation | None, occurred: Occurred) -> Delegation:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.DelegationCreated):
        return _created(event, occurred)
    assert state is not None
    reason = event.reason if isinstance(event, _STOPS) else None
    return msgspec.structs.replace(
        state,
        status=status,
        reason=reason,
        version=occurred.version,
        updated_at=occurred.at,
    )


_STOPS: Final = (ev.DelegationPaused, ev.DelegationRevoked)


def _created(event: ev.DelegationCreated, occurred: Occurred) -> Delegation:
    return Delegation(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        primary_id=ids.decode("cus", event.primary_id),
        secondary_id=ids.decode("cus", event.secondary_id),
        status=S.ACTIVE,
        kind="full" if event.kind == "full" else "partial",
        currency=event.currency,
        per_payment_minor=event.per_payment,
        per_month_minor=event.per_month,
        instrument=event.instrument,
        instrument_mask=event.instrument_mask,
        cooling_until=event.cooling_until,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


# ── decisions ────────────────────────────────────────────────────────────────────────────


def check_open(delegation: Delegation) -> None:
    if delegation.status is not S.ACTIVE:
        raise DelegationClosed(f"the delegation is {delegation.status}")


def check_amount(delegation: Delegation, rule: DelegationRule, amount_minor: int) -> None:
    """What one payment may be; `LimitExceeded` names the cap."""
    cap = per_payment(delegation, rule)
    if cap is not None and amount_minor > cap:
        limit = Headroom(rule=PAYMENT, cap=cap, headroom=cap)
        raise LimitExceeded(
            "more than the delegation allows for one payment", "amount", limit=limit
        )


def per_payment(delegation: Delegation, rule: DelegationRule) -> int | None:
    return _least(delegation.per_payment_minor, _full(delegation, rule.full.per_payment_minor))


def per_month(delegation: Delegation, rule: DelegationRule) -> int | None:
    return _least(delegation.per_month_minor, _full(delegation, rule.full.per_month_minor))


def _full(delegation: Delegation, cap: int) -> int | None:
    return cap if delegation.kind == "full" else None


def _least(*caps: int | None) -> int | None:
    """A delegation's own cap may lower the rule's, never raise it."""
    return min((cap for cap in caps if cap is not None), default=None)


def caps(delegation: Delegation, rule: DelegationRule, now: datetime) -> tuple[Cap, ...]:
    """The amounts that payments at `now` count towards together."""
    found = []
    month = per_month(delegation, rule)
    if month is not None:
        this = window("month", now)
        found.append(
            Cap(
                subject=delegation.pair,
                rule=MONTH,
                window_start=this.start,
                until=this.until,
                cap=month,
            )
        )
    if now < delegation.cooling_until:
        found.append(
            Cap(
                subject=delegation.subject,
                rule=COOLING,
                window_start=business_date(delegation.created_at),
                until=delegation.cooling_until,
                cap=rule.cooling_amount_minor,
            )
        )
    return tuple(found)


def moves(
    delegation: Delegation, rule: DelegationRule, amount_minor: int, now: datetime
) -> tuple[LimitMove, ...]:
    """What one payment takes of the caps; refused where it was stopped, even just now."""
    taken = (
        LimitMove(
            subject=cap.subject,
            rule=cap.rule,
            window_start=cap.window_start,
            delta=amount_minor,
            cap=cap.cap,
            livemode=delegation.livemode,
            until=cap.until,
            source=rule.version,
        )
        for cap in caps(delegation, rule, now)
    )
    return (guarded(delegation), *taken)


def guarded(delegation: Delegation) -> LimitMove:
    return guard(delegation.subject, delegation.livemode, DelegationClosed)


def linked(delegation: Delegation, rule: DelegationRule) -> tuple[LimitMove, ...]:
    """A place among the primary's secondaries, and the secondary's one primary."""
    return (
        LimitMove(
            subject=f"primary:{delegation.primary}",
            rule="secondaries",
            window_start=FOREVER,
            delta=1,
            cap=rule.secondaries_per_primary,
            livemode=delegation.livemode,
            refusal=TooManySecondaries,
        ),
        LimitMove(
            subject=f"secondary:{delegation.secondary}",
            rule="primaries",
            window_start=FOREVER,
            delta=1,
            cap=rule.primaries_per_secondary,
            livemode=delegation.livemode,
            refusal=HasPrimary,
        ),
    )
