"""A dispute's states, and what news about one adds to what is known. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, IllegalMove
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.DisputeOpened): S.NEEDS_RESPONSE,
    (S.NEEDS_RESPONSE, ev.DisputeEvidenceSubmitted): S.UNDER_REVIEW,
    (S.NEEDS_RESPONSE, ev.DisputeDeadlinePassed): S.UNDER_REVIEW,
    (S.UNDER_REVIEW, ev.DisputeEvidenceSent): S.UNDER_REVIEW,
    **{(s, ev.DisputeWon): S.WON for s in (S.NEEDS_RESPONSE, S.UNDER_REVIEW)},
    **{(s, ev.DisputeLost): S.LOST for s in (S.NEEDS_RESPONSE, S.UNDER_REVIEW)},
}
TERMINAL: Final = frozenset({S.WON, S.LOST})


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `disputes`; amounts in minor units of `currency`."""

    id: UUID
    payment_id: UUID
    merchant_id: UUID
    attempt_id: UUID  # that authorized the payment
    rail: str
    rail_reference: str
    status: Status
    reason_code: str
    reason: str
    amount_minor: int
    currency: str
    respond_by: datetime
    evidence_sha256: str | None = None
    evidence_at: datetime | None = None
    evidence_sent_at: datetime | None = None
    fee_minor: int = 0
    tax_minor: int = 0
    closed_at: datetime | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("dsp", self.id)


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a rail says of a dispute, by an answer or by its file. Amount in minor units."""

    rail: str
    reference: str
    original_reference: str  # the attempt that authorized the payment
    amount_minor: int
    currency: str
    reason_code: str
    status: Literal["open", "won", "lost"]
    respond_by: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same dispute again."""
        return self.rail, self.reference


@dataclass(eq=False)
class DisputeConflict(Conflict):
    """News that contradicts what is recorded; the books stay as they are and somebody looks."""

    code: ClassVar[str] = "dispute_conflict"


@dataclass(eq=False)
class EvidenceLate(Conflict):
    """The time in which a merchant could answer has passed."""

    code: ClassVar[str] = "evidence_late"


def apply(state: Dispute | None, occurred: Occurred) -> Dispute:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.DisputeOpened):
        return _opened(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(event, occurred.at),
    )


def _opened(event: ev.DisputeOpened, occurred: Occurred) -> Dispute:
    return Dispute(
        id=occurred.aggregate_id,
        payment_id=ids.decode("pay", event.payment_id),
        merchant_id=occurred.merchant_id,
        attempt_id=ids.decode("att", event.attempt_id),
        rail=event.rail,
        rail_reference=event.rail_reference,
        status=Status.NEEDS_RESPONSE,
        reason_code=event.reason_code,
        reason=event.reason,
        amount_minor=event.amount,
        currency=event.currency,
        respond_by=event.respond_by,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.DisputeEvidenceSubmitted():
            return {"evidence_sha256": event.sha256, "evidence_at": at}
        case ev.DisputeEvidenceSent():
            return {"evidence_sent_at": at}
        case ev.DisputeLost():
            return {"fee_minor": event.fee, "tax_minor": event.tax, "closed_at": at}
        case ev.DisputeWon():
            return {"closed_at": at}
        case _:
            return {}


# ── decisions ────────────────────────────────────────────────────────────────────────────

_CLOSED_BY: Final[Mapping[str, type[Event]]] = {"won": ev.DisputeWon, "lost": ev.DisputeLost}


def steps(known: Dispute | None, news: News) -> tuple[type[Event], ...]:
    """What `news` adds to what is known; nothing when it is old, or older than what is known.

    Raises `DisputeConflict` where the two cannot both be true: nothing is posted twice, and
    nothing that was posted is taken back on a rail's second thought.
    """
    if known is not None:
        _check_same(known, news)
    closed = _CLOSED_BY.get(news.status)
    if known is not None and known.status in TERMINAL:
        if closed is not None and known.status != news.status:
            raise DisputeConflict(f"it was {known.status} before and is said to be {news.status}")
        return ()
    opened = () if known else (ev.DisputeOpened,)
    return (*opened, closed) if closed else opened


def _check_same(known: Dispute, news: News) -> None:
    attempt = ids.encode("att", known.attempt_id)
    if news.original_reference != attempt:
        raise DisputeConflict(f"it was about {attempt} before", "original_reference")
    if (news.amount_minor, news.currency) != (known.amount_minor, known.currency):
        before = f"{known.amount_minor} {known.currency}"
        raise DisputeConflict(f"it was about {before} before", "amount")


def check_evidence(dispute: Dispute, now: datetime) -> None:
    """Refuses evidence in what is decided, too late, or already handed in."""
    if dispute.status in TERMINAL:
        raise IllegalMove(f"a dispute that is {dispute.status} takes no evidence")
    if now >= dispute.respond_by:
        raise EvidenceLate(f"evidence was due by {dispute.respond_by.isoformat()}")
    if dispute.status is Status.UNDER_REVIEW:
        raise IllegalMove("evidence was submitted before")
