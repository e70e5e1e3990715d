"""An escrow's states and amounts. Pure: events in, rows out.

What is in it (`held_minor`) is always the sum of what is due to its parties and to its buyer.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from online.escrows import terms
from online.escrows.terms import BUYER, Conditions, Met, Party
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    PROPOSED = "proposed"
    AGREED = "agreed"
    FUNDED = "funded"
    FROZEN = "frozen"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"


S = Status
_EMPTY: Final = (S.PROPOSED, S.AGREED)
LIVE: Final = (S.FUNDED, S.FROZEN)

TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.EscrowProposed): S.PROPOSED,
    (S.PROPOSED, ev.EscrowAccepted): S.PROPOSED,
    (S.PROPOSED, ev.EscrowAgreed): S.AGREED,
    **{(s, ev.EscrowCanceled): S.CANCELED for s in _EMPTY},
    **{(s, ev.EscrowExpired): S.EXPIRED for s in _EMPTY},
    (S.AGREED, ev.EscrowFunded): S.FUNDED,
    **{
        (S.FUNDED, event): S.FUNDED
        for event in (
            *(ev.EscrowConditionMet, ev.EscrowReleased, ev.EscrowReturned, ev.EscrowResolved),
        )
    },
    # What is on its way to the buyer ends wherever the escrow has got to meanwhile.
    **{
        (s, event): s
        for s in LIVE
        for event in (ev.EscrowRefundRequested, ev.EscrowRefunded, ev.EscrowRefundFailed)
    },
    **{(s, ev.EscrowFrozen): S.FROZEN for s in LIVE},
    **{(s, ev.EscrowChargedBack): S.FROZEN for s in LIVE},
    **{
        (S.FROZEN, event): S.FROZEN
        for event in (ev.EscrowResolutionProposed, ev.EscrowResolved, ev.EscrowChargebackEnded)
    },
    (S.FROZEN, ev.EscrowThawed): S.FUNDED,
    (S.FUNDED, ev.EscrowClosed): S.CLOSED,
}
TERMINAL: Final = frozenset({S.CLOSED, S.CANCELED, S.EXPIRED})


class Aside(Struct, frozen=True, kw_only=True):
    """Money on its way out that may come back: a refund, or what stands in dispute."""

    id: str
    amount_minor: int
    parts: dict[str, int]


class Proposal(Struct, frozen=True, kw_only=True):
    """What a party would agree to, of a frozen escrow."""

    merchant_id: str
    resolution: dict[str, Any]


class Escrow(Struct, frozen=True, kw_only=True):
    """Row of `escrows`; amounts in minor units. `merchant_id` is its owner, whose money it is until
    it is released; `due_at` is when the worker has something to do with it."""

    id: UUID
    merchant_id: UUID
    payment_id: UUID | None
    status: Status
    amount_minor: int
    currency: str
    description: str | None
    parties: tuple[Party, ...]
    conditions: Conditions
    met: tuple[Met, ...] = ()
    release: str
    on_expiry: str
    expires_at: datetime
    held_minor: int = 0
    buyer_due_minor: int = 0
    released_minor: int = 0
    returned_minor: int = 0
    refund_open_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    charged_back_minor: int = 0
    refunds: tuple[Aside, ...] = ()
    chargebacks: tuple[Aside, ...] = ()
    frozen_by: str | None = None
    frozen_reason: str | None = None
    proposals: tuple[Proposal, ...] = ()
    due_at: datetime | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("esc", self.id)

    @property
    def owner(self) -> str:
        return ids.encode("mrc", self.merchant_id)

    @property
    def dues(self) -> dict[str, int]:
        """Who is to get how much of what is there; the buyer first."""
        return {BUYER: self.buyer_due_minor} | {p.merchant_id: p.due_minor for p in self.parties}

    @property
    def is_over(self) -> bool:
        """Nothing is there, nothing may come back, and nothing keeps it frozen."""
        away = self.held_minor + self.refund_open_minor + self.disputed_minor
        return self.status is S.FUNDED and not away

    @property
    def ripe_at(self) -> datetime | None:
        return terms.ripe_at(self.conditions, self.met)

    def is_ripe(self, now: datetime) -> bool:
        """Whether what was agreed on is met."""
        at = self.ripe_at
        return at is not None and at <= now

    def roles_of(self, merchant_id: str) -> frozenset[str]:
        """For whom a merchant speaks: its own role, and the owner for the buyer too."""
        own = {p.role for p in self.parties if p.merchant_id == merchant_id}
        return frozenset(own | ({BUYER} if merchant_id == self.owner else set()))

    @property
    def voices(self) -> frozenset[str]:
        """Whose word a resolution needs."""
        return frozenset({self.owner, *(p.merchant_id for p in self.parties)})


def apply(state: Escrow | None, occurred: Occurred) -> Escrow:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.EscrowProposed):
        return _proposed(event, occurred)
    assert state is not None
    moved = structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(state, event, occurred.at),
    )
    return structs.replace(moved, due_at=_due_at(moved, event, occurred.at))


def _proposed(event: ev.EscrowProposed, occurred: Occurred) -> Escrow:
    return Escrow(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        payment_id=ids.decode("pay", event.payment_id) if event.payment_id else None,
        status=S.PROPOSED,
        amount_minor=event.amount,
        currency=event.currency,
        description=event.description,
        parties=tuple(_party(each) for each in event.parties),
        conditions=msgspec.convert(event.conditions, Conditions),
        release=event.release,
        on_expiry=event.on_expiry,
        expires_at=event.expires_at,
        due_at=event.expires_at,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _party(each: ev.EscrowParty) -> Party:
    return Party(
        merchant_id=each.merchant_id,
        role=each.role,
        share_bps=each.share_bps,
        amount_minor=each.amount,
        share_minor=each.share,
    )


def _changes(state: Escrow, event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.EscrowAccepted():
            return {"parties": _accepted(state.parties, event.merchant_id, at)}
        case ev.EscrowFunded():
            due = (structs.replace(p, due_minor=p.share_minor) for p in state.parties)
            return {"held_minor": event.amount, "parties": tuple(due)}
        case ev.EscrowConditionMet():
            said = Met(
                kind=event.kind, role=event.role, by=event.by, at=at, reference=event.reference
            )
            return {"met": (*state.met, said)}
        case ev.EscrowFrozen():
            return {"frozen_by": event.by, "frozen_reason": event.reason}
        case ev.EscrowResolutionProposed():
            own = Proposal(merchant_id=event.merchant_id, resolution=event.resolution)
            others = (p for p in state.proposals if p.merchant_id != event.merchant_id)
            return {"proposals": (*others, own)}
        case ev.EscrowThawed():
            return {"frozen_by": None, "frozen_reason": None, "proposals": ()}
        case ev.EscrowAgreed() | ev.EscrowCanceled() | ev.EscrowExpired() | ev.EscrowClosed():
            return {}
        case _:
            return _money(state, event)


def _money(state: Escrow, event: Event) -> dict[str, Any]:
    match event:
        case ev.EscrowReleased():
            paid = tuple(
                structs.replace(p, paid_minor=p.paid_minor + event.parts.get(p.merchant_id, 0))
                for p in state.parties
            )
            after = _less(structs.replace(state, parties=paid), event.amount, event.parts)
            return after | {"released_minor": state.released_minor + event.amount}
        case ev.EscrowReturned():
            after = _less(state, event.amount, event.parts)
            return after | {"returned_minor": state.returned_minor + event.amount}
        case ev.EscrowResolved():
            parts: dict[str, int] = event.resolution.get("parts", state.dues)
            return _dues(state, parts)
        case ev.EscrowChargedBack():
            aside = Aside(id=event.dispute_id, amount_minor=event.amount, parts=event.parts)
            return _less(state, event.amount, event.parts) | {
                "disputed_minor": state.disputed_minor + event.amount,
                "chargebacks": (*state.chargebacks, aside),
            }
        case ev.EscrowChargebackEnded():
            back = _less(state, -event.amount, _turned(event.parts)) if event.won else {}
            lost = 0 if event.won else event.amount
            return back | {
                "disputed_minor": state.disputed_minor - event.amount,
                "charged_back_minor": state.charged_back_minor + lost,
                "chargebacks": tuple(a for a in state.chargebacks if a.id != event.dispute_id),
            }
        case _:
            return _refund(state, event)


def _refund(state: Escrow, event: Event) -> dict[str, Any]:
    match event:
        case ev.EscrowRefundRequested():
            aside = Aside(id=event.refund_id, amount_minor=event.amount, parts=event.parts)
            return _less(state, event.amount, event.parts) | {
                "refund_open_minor": state.refund_open_minor + event.amount,
                "refunds": (*state.refunds, aside),
            }
        case ev.EscrowRefunded() | ev.EscrowRefundFailed():
            back, done = {}, event.amount
            if isinstance(event, ev.EscrowRefundFailed):
                done = 0
                back = _less(state, -event.amount, _turned(event.parts))
            return back | {
                "refund_open_minor": state.refund_open_minor - event.amount,
                "refunded_minor": state.refunded_minor + done,
                "refunds": tuple(a for a in state.refunds if a.id != event.refund_id),
            }
        case _:
            raise TypeError(f"no fold for {event.TYPE}")


def _less(state: Escrow, amount_minor: int, parts: Mapping[str, int]) -> dict[str, Any]:
    """That much is there no more, and less is due to those whose part it was."""
    left = {who: due - parts.get(who, 0) for who, due in state.dues.items()}
    return {"held_minor": state.held_minor - amount_minor, **_dues(state, left)}


def _dues(state: Escrow, dues: Mapping[str, int]) -> dict[str, Any]:
    parties = (structs.replace(p, due_minor=dues.get(p.merchant_id, 0)) for p in state.parties)
    return {"buyer_due_minor": dues.get(BUYER, 0), "parties": tuple(parties)}


def _turned(parts: Mapping[str, int]) -> dict[str, int]:
    return {who: -part for who, part in parts.items()}


def _accepted(parties: tuple[Party, ...], merchant_id: str, at: datetime) -> tuple[Party, ...]:
    return tuple(
        structs.replace(p, accepted_at=at) if p.merchant_id == merchant_id else p for p in parties
    )


def _due_at(state: Escrow, event: Event, at: datetime) -> datetime | None:
    """When the worker has to look at it; a refund that its rail refused waits for people."""
    if state.status in TERMINAL or state.status is S.FROZEN:
        return None
    if state.status in _EMPTY:
        return state.expires_at
    if state.buyer_due_minor:
        return None if isinstance(event, ev.EscrowRefundFailed) else at
    if not state.held_minor:
        return None
    ripe = state.ripe_at if state.release == "automatic" else None
    return state.expires_at if ripe is None else max(min(ripe, state.expires_at), state.created_at)
