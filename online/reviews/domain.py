"""A review's states. Pure: events in, rows out; who may claim and decide, and when.

A claim is a lease: from `claimed_until` on the review counts as open again, without anybody
having to say so, so that work is never stuck with whoever went home.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status

Outcome = Literal["fraud", "good"]


class Status(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    DECIDED = "decided"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.ReviewOpened): S.OPEN,
    # Of a claimed one: its claimer goes on, or its time ran out.
    **{(s, ev.ReviewClaimed): S.CLAIMED for s in (S.OPEN, S.CLAIMED)},
    (S.CLAIMED, ev.ReviewReleased): S.OPEN,
    **{(s, ev.ReviewNoted): s for s in Status},
    **{(s, ev.ReviewDecided): S.DECIDED for s in (S.OPEN, S.CLAIMED)},
}


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `reviews`; `assignee` claimed it, or has decided it."""

    id: UUID
    payment_id: UUID
    merchant_id: UUID
    status: Status
    amount_minor: int
    currency: str
    score: int
    level: str
    due_at: datetime
    assignee: str | None = None
    claimed_until: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("rev", self.id)

    def holder(self, now: datetime) -> str | None:
        """Whose it is at that moment."""
        held = self.claimed_until is not None and now < self.claimed_until
        return self.assignee if held else None

    def standing(self, now: datetime) -> Status:
        """The status as people see it: a claim whose time ran out is none."""
        lapsed = self.status is S.CLAIMED and self.holder(now) is None
        return S.OPEN if lapsed else self.status


class Reviewer(msgspec.Struct, frozen=True):
    """Who acts. `leads`: may decide and release what others hold."""

    actor: str
    leads: bool = False


@dataclass(eq=False)
class ClaimedByAnother(Conflict):
    """Somebody else works on it, and their time has not run out."""

    code: ClassVar[str] = "claimed_by_another"


@dataclass(eq=False)
class NotClaimed(Conflict):
    """It has to be claimed before, or the claim ran out."""

    code: ClassVar[str] = "not_claimed"


@dataclass(eq=False)
class AlreadyDecided(Conflict):
    """It was decided otherwise; a decision is not taken back."""

    code: ClassVar[str] = "already_decided"


def apply(state: Review | None, occurred: Occurred) -> Review:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.ReviewOpened):
        return _opened(event, occurred)
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(event, occurred.at),
    )


def _opened(event: ev.ReviewOpened, occurred: Occurred) -> Review:
    return Review(
        id=occurred.aggregate_id,
        payment_id=ids.decode("pay", event.payment_id),
        merchant_id=occurred.merchant_id,
        status=S.OPEN,
        amount_minor=event.amount,
        currency=event.currency,
        score=event.score,
        level=event.level,
        due_at=event.due_at,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.ReviewClaimed():
            return {"assignee": event.by, "claimed_until": event.until}
        case ev.ReviewReleased():
            return {"assignee": None, "claimed_until": None}
        case ev.ReviewDecided():
            decided = {"outcome": event.outcome, "reason": event.reason, "decided_at": at}
            return {"assignee": event.by, "claimed_until": None, **decided}
        case _:
            return {}


# ── decisions ────────────────────────────────────────────────────────────────────────────


def claim(review: Review, who: Reviewer, now: datetime, lease: timedelta) -> ev.ReviewClaimed:
    """Also for more time: whoever holds it claims it again."""
    _check_undecided(review)
    if review.holder(now) not in {None, who.actor}:
        raise ClaimedByAnother("somebody else is working on it")
    return ev.ReviewClaimed(by=who.actor, until=now + lease)


def release(review: Review, who: Reviewer, now: datetime) -> ev.ReviewReleased:
    _check_undecided(review)
    _check_held(review, who, now)
    return ev.ReviewReleased(by=who.actor)


def decide(
    review: Review, who: Reviewer, now: datetime, outcome: Outcome, reason: str
) -> ev.ReviewDecided | None:
    """None when it was decided like this before."""
    if review.outcome == outcome:
        return None
    _check_undecided(review)
    if not who.leads:
        _check_held(review, who, now)
    return ev.ReviewDecided(outcome=outcome, reason=reason, by=who.actor)


def _check_undecided(review: Review) -> None:
    if review.status is S.DECIDED:
        raise AlreadyDecided(f"it was decided to be {review.outcome}")


def _check_held(review: Review, who: Reviewer, now: datetime) -> None:
    """By whoever acts, or by anybody for a lead."""
    holder = review.holder(now)
    if holder is None:
        raise NotClaimed("nobody holds it: claim it, again if the time ran out")
    if holder != who.actor and not who.leads:
        raise ClaimedByAnother("somebody else is working on it")
