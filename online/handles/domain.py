"""A handle's states and what it is good for. Pure: events in, rows out.

How often and how much it was used stands in counters that a payment moves in its first commit, so
that no race passes a cap; the handle itself has no version of a payment's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, Headroom, LimitExceeded, Refused
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status
from online.ledger.change import FOREVER, LimitMove, guard
from online.limits.authority import Purchase

USES: Final = "handle_uses"
TOTAL: Final = "handle_total"


class Status(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.HandleCreated): S.ACTIVE,
    (S.ACTIVE, ev.HandleRevoked): S.REVOKED,
    (S.ACTIVE, ev.HandleExpired): S.EXPIRED,
}
TERMINAL: Final = frozenset({S.REVOKED, S.EXPIRED})


class Handle(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `handles`; amounts in minor units of `currency`. `instrument` is the VPA's keyed hash,
    `alias_hash` the alias's: neither is stored here in the clear."""

    id: UUID
    merchant_id: UUID
    customer_id: UUID
    status: Status
    purpose: str
    currency: str
    max_amount_minor: int
    max_total_minor: int | None
    max_uses: int
    expires_at: datetime
    alias_hash: str
    instrument: str
    instrument_mask: str
    reason: str | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("hdl", self.id)

    @property
    def subject(self) -> str:
        """Whom its counters are of."""
        return f"handle:{self.reference}"

    def state_at(self, now: datetime) -> Status:
        """Its status, and `expired` as soon as its time is over, before that is recorded."""
        over = self.status is S.ACTIVE and now >= self.expires_at
        return S.EXPIRED if over else self.status


@dataclass(eq=False)
class HandleRevoked(Conflict):
    """The payer, or the merchant, took the handle back."""

    code: ClassVar[str] = "handle_revoked"


@dataclass(eq=False)
class HandleExpired(Conflict):
    """The time that the handle was agreed for is over."""

    code: ClassVar[str] = "handle_expired"


@dataclass(eq=False)
class HandleOutOfScope(Refused):
    """The handle was agreed for another purpose, currency or payer."""

    code: ClassVar[str] = "handle_out_of_scope"


def apply(state: Handle | None, occurred: Occurred) -> Handle:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.HandleCreated):
        return _created(event, occurred)
    assert state is not None
    changes: dict[str, Any] = {"version": occurred.version, "updated_at": occurred.at}
    if isinstance(event, ev.HandleRevoked):
        changes["reason"] = event.reason
    return msgspec.structs.replace(state, status=status, **changes)


def _created(event: ev.HandleCreated, occurred: Occurred) -> Handle:
    return Handle(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id),
        status=S.ACTIVE,
        purpose=event.purpose,
        currency=event.currency,
        max_amount_minor=event.max_amount,
        max_total_minor=event.max_total,
        max_uses=event.max_uses,
        expires_at=event.expires_at,
        alias_hash=event.alias_hash,
        instrument=event.instrument,
        instrument_mask=event.instrument_mask,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


# ── decisions ────────────────────────────────────────────────────────────────────────────


def check_live(handle: Handle, now: datetime) -> None:
    state = handle.state_at(now)
    if state is S.REVOKED:
        raise HandleRevoked("the handle was revoked")
    if state is S.EXPIRED:
        raise HandleExpired(f"the handle was good until {handle.expires_at.isoformat()}")


def check_scope(handle: Handle, purchase: Purchase) -> None:
    """A purchase that names no purpose is an ordinary one (`00`)."""
    if (purchase.purpose or "00") != handle.purpose:
        raise HandleOutOfScope(f"the handle is for purpose {handle.purpose}", "purpose")
    if purchase.currency != handle.currency:
        raise HandleOutOfScope(f"the handle is for {handle.currency}", "currency")
    if purchase.customer_id not in {None, handle.customer_id}:
        raise HandleOutOfScope("the handle is another customer's", "customer_id")
    if purchase.amount_minor > handle.max_amount_minor:
        limit = Headroom(
            rule="handle_amount", cap=handle.max_amount_minor, headroom=handle.max_amount_minor
        )
        raise LimitExceeded("more than the handle allows for one payment", "amount", limit=limit)


def moves(handle: Handle, amount_minor: int) -> tuple[LimitMove, ...]:
    """What one payment takes of the handle; refused where it was revoked, even just now."""
    taken = [_move(handle, USES, 1, handle.max_uses)]
    if handle.max_total_minor is not None:
        taken.append(_move(handle, TOTAL, amount_minor, handle.max_total_minor))
    return (guarded(handle), *taken)


def guarded(handle: Handle) -> LimitMove:
    return guard(handle.subject, handle.livemode, HandleRevoked)


def _move(handle: Handle, rule: str, delta: int, cap: int) -> LimitMove:
    return LimitMove(
        subject=handle.subject,
        rule=rule,
        window_start=FOREVER,
        delta=delta,
        cap=cap,
        livemode=handle.livemode,
        source="agreed with the payer",
    )
