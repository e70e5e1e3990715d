"""Entries of risk lists and a merchant's terms of risk. Pure: events in, rows out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status

Kind = Literal["allow", "block", "watch"]
Subject = Literal["card", "vpa", "device", "ip", "customer", "merchant"]
FailureMode = Literal["approve", "review", "block"]

HOUSE: Final = UUID(int=0)  # owns the lists that hold for all merchants
# A card's hash and a customer's id are those of one merchant: they say nothing elsewhere.
_OF_THE_HOUSE: Final[frozenset[Subject]] = frozenset({"vpa", "device", "ip", "merchant"})
_OF_A_MERCHANT: Final[frozenset[Subject]] = frozenset({"card", "vpa", "device", "ip", "customer"})


class Status(StrEnum):
    LISTED = "listed"
    REMOVED = "removed"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.RiskListListed): S.LISTED,
    (S.LISTED, ev.RiskListListed): S.LISTED,  # another reason, or another end
    (S.LISTED, ev.RiskListRemoved): S.REMOVED,
    (S.REMOVED, ev.RiskListListed): S.LISTED,
}


class Owner(msgspec.Struct, frozen=True):
    """Whose lists: a merchant's or the house's, of test or of live money."""

    id: UUID
    livemode: bool

    @property
    def scope(self) -> str:
        """As the wire and events name it."""
        return "house" if self.id == HOUSE else ids.encode("mrc", self.id)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `risk_lists`: one subject on one list of one owner, whenever and however often.

    `key` is what payments carry (a keyed hash, or an id), `mask` what people are shown.
    """

    id: UUID
    merchant_id: UUID
    kind: str
    subject: str
    key: str
    mask: str
    reason: str
    added_by: str
    status: Status
    expires_at: datetime | None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.livemode)

    def state_at(self, now: datetime) -> Literal["listed", "expired", "removed"]:
        """As it is then: an end needs nobody to record it."""
        if self.status is S.REMOVED:
            return "removed"
        over = self.expires_at is not None and now >= self.expires_at
        return "expired" if over else "listed"


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment carries that may stand on a list."""

    merchant_id: UUID
    livemode: bool
    card: str | None = None
    vpa: str | None = None
    device: str | None = None
    ip: str | None = None
    customer: str | None = None

    def named(self) -> list[tuple[str, str]]:
        """(subject, key) of everything there is."""
        given = {
            "card": self.card,
            "vpa": self.vpa,
            "device": self.device,
            "ip": self.ip,
            "customer": self.customer,
            "merchant": ids.encode("mrc", self.merchant_id),
        }
        return [(subject, key) for subject, key in given.items() if key is not None]


def apply(state: Entry | None, occurred: Occurred) -> Entry:
    """The one fold from events to the row of a list's entry."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.RiskListListed):
        return Entry(
            id=occurred.aggregate_id,
            merchant_id=occurred.merchant_id,
            kind=event.kind,
            subject=event.subject,
            key=event.key,
            mask=event.mask,
            reason=event.reason,
            added_by=event.by,
            status=status,
            expires_at=event.expires_at,
            version=occurred.version,
            livemode=occurred.livemode,
            created_at=state.created_at if state else occurred.at,
            updated_at=occurred.at,
        )
    assert state is not None
    return msgspec.structs.replace(
        state, status=status, version=occurred.version, updated_at=occurred.at
    )


def entry_id(owner: Owner, kind: Kind, subject: Subject, key: str) -> UUID:
    """The same for the same subject on the same list, so that nobody stands on it twice."""
    mode = "live" if owner.livemode else "test"
    return ids.derived("risk_list", str(owner.id), mode, kind, subject, key)


def check_subject(owner: Owner, subject: Subject) -> None:
    """Whether this owner's lists can say something about such a subject."""
    if owner.id == HOUSE and subject not in _OF_THE_HOUSE:
        raise InvalidRequest(f"a {subject} is known to its merchant alone", "subject")
    if owner.id != HOUSE and subject not in _OF_A_MERCHANT:
        raise InvalidRequest("merchants are listed by the house", "subject")


def check_end(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest("must be in the future", "expires_at")


# ── terms ────────────────────────────────────────────────────────────────────────────────────


class RiskTerms(msgspec.Struct, frozen=True, kw_only=True):
    """From which score on what happens, and what happens when the score comes late or not at all.

    A threshold equal to the next one leaves its decision out.
    """

    challenge_at: int
    review_at: int
    block_at: int
    failure_mode: FailureMode
    timeout_ms: int
    scorer: str | None = None  # the name of a scorer in the settings

    def __post_init__(self) -> None:
        if not 1 <= self.challenge_at <= self.review_at <= self.block_at <= 100:
            raise InvalidRequest(
                "1 ≤ challenge_at ≤ review_at ≤ block_at ≤ 100 does not hold", "challenge_at"
            )
