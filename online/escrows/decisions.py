"""What may be asked of an escrow, by whom: each function answers with the events, or refuses. Pure.

The owner and each party speak with their own credentials (`Voice`); people of the house may speak
for all of them where they disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from msgspec import Struct

from online.escrows.domain import LIVE, Escrow, Status
from online.escrows.terms import BUYER, taken
from online.kernel import events as ev
from online.kernel.errors import (
    Conflict,
    Forbidden,
    IllegalMove,
    InvalidRequest,
    OverRelease,
    Refused,
)
from online.kernel.events import Event

S = Status
_RESUME: Final[dict[str, Any]] = {}


@dataclass(eq=False)
class EscrowFrozen(Conflict):
    """Nothing moves until it is resolved."""

    code: ClassVar[str] = "escrow_frozen"


@dataclass(eq=False)
class ConditionsNotMet(Conflict):
    """What the parties agreed on has not come to pass."""

    code: ClassVar[str] = "conditions_not_met"


@dataclass(eq=False)
class OverEscrowed(Refused):
    """More than is left of the payment."""

    code: ClassVar[str] = "over_escrowed"


class Voice(Struct, frozen=True, kw_only=True):
    """Who speaks: a merchant, or (None) the house."""

    merchant_id: str | None
    actor: str


def propose(proposed: ev.EscrowProposed) -> list[Event]:
    """An owner that is a party has accepted by proposing; alone, that is agreement."""
    named = [party.merchant_id for party in proposed.parties]
    events: list[Event] = [proposed]
    if proposed.merchant_id in named:
        events.append(ev.EscrowAccepted(merchant_id=proposed.merchant_id))
    if set(named) == {proposed.merchant_id}:
        events.append(ev.EscrowAgreed())
    return events


def accept(escrow: Escrow, voice: Voice) -> list[Event]:
    """Nothing, where they have accepted before."""
    party = next((p for p in escrow.parties if p.merchant_id == voice.merchant_id), None)
    if party is None:
        raise Forbidden("only a party accepts")
    if party.accepted_at is not None:
        return []
    _check_status(escrow, S.PROPOSED)
    others = (p for p in escrow.parties if p.merchant_id != party.merchant_id)
    accepted = ev.EscrowAccepted(merchant_id=party.merchant_id)
    agreed = all(p.accepted_at is not None for p in others)
    return [accepted, ev.EscrowAgreed()] if agreed else [accepted]


def cancel(escrow: Escrow, voice: Voice) -> list[Event]:
    """The owner, or a party that does not want it, before there is money in it."""
    _check_status(escrow, S.PROPOSED, S.AGREED)
    return [ev.EscrowCanceled(by=voice.actor)]


def fund(escrow: Escrow, voice: Voice, now: datetime) -> list[Event]:
    if voice.merchant_id != escrow.owner:
        raise Forbidden("only the owner funds it")
    _check_status(escrow, S.AGREED)
    if now >= escrow.expires_at:
        raise IllegalMove("its time has passed")
    return [ev.EscrowFunded(amount=escrow.amount_minor)]


def say(escrow: Escrow, voice: Voice, kind: str, reference: str | None) -> list[Event]:
    """Approves, or confirms delivery, in every role the voice has; nothing, if that was said."""
    _check_moves(escrow)
    named = (*escrow.conditions.all, *escrow.conditions.any)
    wanted = {c.by for c in named if c.type == kind and c.by is not None}
    own = wanted & escrow.roles_of(voice.merchant_id or "")
    if not own:
        raise Forbidden(f"no {kind} of yours is among the conditions")
    known = {m.role for m in escrow.met if m.kind == kind}
    return [
        ev.EscrowConditionMet(kind=kind, role=role, by=voice.actor, reference=reference)
        for role in sorted(own - known)
    ]


def release(escrow: Escrow, release_id: str, amount: int | None, now: datetime) -> list[Event]:
    """To all parties, by what each has still to get; no amount means all of it."""
    _check_moves(escrow)
    if not escrow.is_ripe(now):
        raise ConditionsNotMet("the conditions are not met")
    return released(escrow, release_id, amount, "conditions")


def released(escrow: Escrow, release_id: str, amount: int | None, reason: str) -> list[Event]:
    dues = {p.merchant_id: p.due_minor for p in escrow.parties}
    wanted = _wanted(amount, sum(dues.values()))
    parts = taken(wanted, dues)
    return [ev.EscrowReleased(release_id=release_id, amount=wanted, parts=parts, reason=reason)]


def refund(
    escrow: Escrow, voice: Voice, amount: int | None, now: datetime
) -> tuple[int, dict[str, int]]:
    """How much goes back to the buyer, or to the owner where there is none, and whose part it was.

    The owner's own word is enough until the conditions are met; then the money is the parties', and
    a resolution that they agree on is needed. What was resolved for the buyer may always go.
    """
    if voice.merchant_id not in (None, escrow.owner):
        raise Forbidden("only the owner gives back")
    _check_moves(escrow)
    if escrow.buyer_due_minor:
        return giving_back(escrow, amount, escrow.buyer_due_minor)
    if escrow.is_ripe(now):
        raise IllegalMove("the conditions are met: freeze it, and agree on what goes back")
    return giving_back(escrow, amount, escrow.held_minor)


def giving_back(escrow: Escrow, amount: int | None, most: int) -> tuple[int, dict[str, int]]:
    """From what is the buyer's first, then from each party by what it has still to get."""
    wanted = _wanted(amount, most)
    return wanted, _taking(escrow, wanted)


def freeze(escrow: Escrow, voice: Voice, reason: str) -> list[Event]:
    """Nothing, where somebody has frozen it before."""
    if escrow.status is S.FROZEN and escrow.frozen_by is not None:
        return []
    _check_status(escrow, *LIVE)
    return [ev.EscrowFrozen(by=voice.actor, reason=reason)]


def resolve(escrow: Escrow, voice: Voice, parts: Mapping[str, int] | None) -> list[Event]:
    """What becomes of a frozen escrow: all that is in it as `parts` say; None: as agreed before.

    The house decides by itself; of the owner and the parties each has to say the same.
    """
    _check_status(escrow, S.FROZEN)
    if escrow.chargebacks:
        raise EscrowFrozen("the payer's bank disputes the payment: that has to end first")
    resolution = _RESUME if parts is None else {"parts": _checked(escrow, parts)}
    if voice.merchant_id is None:
        return _resolved(voice, resolution)
    own = ev.EscrowResolutionProposed(merchant_id=voice.merchant_id, resolution=resolution)
    said = {p.merchant_id for p in escrow.proposals if p.resolution == resolution}
    agreed = said | {voice.merchant_id} == escrow.voices
    return [own, *_resolved(voice, resolution)] if agreed else [own]


def expire(escrow: Escrow, release_id: str, now: datetime) -> list[Event]:
    """What its time brings: the end of what was never funded, release, or money back."""
    due = escrow.due_at
    if due is None or now < due:
        return []
    if escrow.status in (S.PROPOSED, S.AGREED):
        return [ev.EscrowExpired()]
    if escrow.buyer_due_minor:
        return []  # a refund is asked for it, and that is all there is
    if escrow.release == "automatic" and escrow.is_ripe(now):
        return released(escrow, release_id, None, "conditions")
    if now < escrow.expires_at:
        return []
    if escrow.on_expiry == "release":
        return released(escrow, release_id, None, "expiry")
    back = {"parts": {BUYER: escrow.held_minor}}
    return [ev.EscrowResolved(by="expiry", resolution=back)]


def charged_back(escrow: Escrow, dispute_id: str, amount: int) -> ev.EscrowChargedBack:
    """As much of a disputed amount as is there; the owner bears the rest."""
    covered = min(amount, escrow.held_minor)
    return ev.EscrowChargedBack(
        dispute_id=dispute_id, amount=covered, parts=_taking(escrow, covered)
    )


def chargeback_ended(escrow: Escrow, dispute_id: str, *, won: bool) -> list[Event]:
    """Nothing, where it never touched this escrow."""
    aside = next((a for a in escrow.chargebacks if a.id == dispute_id), None)
    if aside is None:
        return []
    ended = ev.EscrowChargebackEnded(
        dispute_id=dispute_id, amount=aside.amount_minor, won=won, parts=aside.parts
    )
    alone = escrow.frozen_by is None and len(escrow.chargebacks) == 1
    return [ended, ev.EscrowThawed()] if alone else [ended]


def parts_of_refund(escrow: Escrow, amount: int) -> dict[str, int]:
    return _taking(escrow, amount)


def _taking(escrow: Escrow, amount: int) -> dict[str, int]:
    of_buyer = min(amount, escrow.buyer_due_minor)
    others = {p.merchant_id: p.due_minor for p in escrow.parties}
    parts = taken(amount - of_buyer, others)
    return ({BUYER: of_buyer} if of_buyer else {}) | parts


def _resolved(voice: Voice, resolution: dict[str, Any]) -> list[Event]:
    return [ev.EscrowResolved(by=voice.actor, resolution=resolution), ev.EscrowThawed()]


def _checked(escrow: Escrow, parts: Mapping[str, int]) -> dict[str, int]:
    known = escrow.dues
    strangers = [who for who in parts if who not in known]
    if strangers:
        raise InvalidRequest(f"{strangers[0]} is no party", "shares")
    total = sum(parts.values())
    if total != escrow.held_minor:
        raise InvalidRequest(f"{total} is resolved of {escrow.held_minor} in escrow", "shares")
    return {who: parts[who] for who in sorted(parts) if parts[who]}


def _wanted(amount: int | None, most: int) -> int:
    wanted = most if amount is None else amount
    if wanted > most or most == 0:
        raise OverRelease(f"{wanted} asked for, {most} is there", "amount")
    return wanted


def _check_moves(escrow: Escrow) -> None:
    if escrow.status is S.FROZEN:
        raise EscrowFrozen("nothing moves until it is resolved")
    _check_status(escrow, S.FUNDED)


def _check_status(escrow: Escrow, *allowed: Status) -> None:
    if escrow.status not in allowed:
        raise IllegalMove(f"an escrow that is {escrow.status} cannot do that")
