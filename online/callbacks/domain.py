"""What a callback says, and what it is worth. Pure: no I/O, no clock."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from online.attempts.domain import Attempt, Status
from online.rails.domain import Outcome, OutcomeKind

MAX_BODY_BYTES: Final = 16 * 1024
_YEARS: Final = range(2000, 3000)  # of an `occurred_at` that can be true, and can be stored

# Part of an address at the rail, so that nothing but plain characters may come.
_Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")]
_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,90}\Z")]


class Verdict(StrEnum):
    """What became of a callback; while there is none it waits to be taken up again."""

    BELIEVED = "believed"  # how an open attempt ended: recorded
    KNOWN = "known"  # how an attempt had ended already
    NO_NEWS = "no_news"  # the operation goes on
    OUT_OF_ORDER = "out_of_order"  # older than what the rail has said of it before
    ENQUIRED = "enquired"  # contradicts how an attempt ended: the rail was asked
    ASKED = "asked"  # of a dispute or a mandate: the rail was asked
    UNKNOWN_REFERENCE = "unknown_reference"
    FOREIGN_REFERENCE = "foreign_reference"  # of another rail: not this one's to say
    UNREADABLE = "unreadable"
    GIVEN_UP = "given_up"  # it could be read, and never be acted upon


# Of these the rail's own order counts for whatever comes later about the same reference.
IN_ORDER: Final = frozenset({Verdict.BELIEVED, Verdict.KNOWN, Verdict.NO_NEWS, Verdict.ENQUIRED})


class Notice(Struct, frozen=True, kw_only=True):
    """A callback's own members; a rail may add some. Those of an operation's outcome are read
    with the rail's answers, so that they mean the same.
    """

    id: _Id
    type: Literal["operation", "dispute", "mandate"]
    reference: _Reference
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    occurred_at: Annotated[datetime, Meta(tz=True)]

    @property
    def order(self) -> tuple[int, datetime]:
        return self.sequence, self.occurred_at


class Arrival(Struct, frozen=True, kw_only=True):
    """A callback whose signature holds, before anything of it is understood."""

    id: UUID
    rail: str
    callback_id: str
    received_at: datetime
    secret: int
    body: bytes

    @property
    def digest(self) -> bytes:
        return sha256(self.body).digest()


class Stored(Struct, frozen=True, kw_only=True):
    """One to be understood, for the `tries`-th time. No body: it does not open any more."""

    id: UUID
    rail: str
    body: bytes | None
    tries: int


class Finding(Struct, frozen=True, kw_only=True):
    """What came of looking at one; without a verdict it is to be taken up again."""

    id: UUID
    verdict: Verdict | None = None
    notice: Notice | None = None
    error: str | None = None


class _Named(Struct, frozen=True):
    id: _Id


_decode_notice = msgspec.json.Decoder(Notice).decode
_decode_name = msgspec.json.Decoder(_Named).decode
_NO_SENSE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)


def callback_id(body: bytes) -> str:
    """The rail's own id of it, by which a repeated one is known; else one made of its bytes."""
    try:
        return _decode_name(body).id
    except _NO_SENSE:
        return f"sha256:{sha256(body).hexdigest()}"


def read(body: bytes) -> Notice | None:
    """None where it is no callback at all."""
    try:
        notice = _decode_notice(body)
    except _NO_SENSE:
        return None
    return notice if notice.occurred_at.year in _YEARS else None


class Move(StrEnum):
    """What an outcome that a rail tells of an attempt calls for."""

    BELIEVE = "believe"
    ENQUIRE = "enquire"
    LEAVE_OPEN = "leave_open"
    LEAVE_ENDED = "leave_ended"


_NOT_TOLD: Final = frozenset({Status.SENT, Status.PENDING, Status.UNKNOWN})


def judge(attempt: Attempt, outcome: Outcome) -> Move:
    """A signed final word ends what is open, and so far as that is one a deemed approval of a
    payment, which is told as a success. What ended otherwise is not moved by a callback: the rail
    is asked first.
    """
    if outcome.kind is OutcomeKind.DEEMED and attempt.operation == "authorize":
        return Move.BELIEVE if attempt.status in _NOT_TOLD else Move.LEAVE_OPEN
    if not outcome.is_final:
        return Move.LEAVE_OPEN
    if attempt.is_open:
        return Move.BELIEVE
    ended_well = attempt.status is Status.SUCCEEDED
    agrees = ended_well is (outcome.kind is OutcomeKind.APPROVED)
    return Move.LEAVE_ENDED if agrees else Move.ENQUIRE
