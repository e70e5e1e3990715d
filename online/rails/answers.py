"""What a rail's HTTP answers have to look like, and what is believed of them.

Belongs here: shapes, bounds, reading. Does not: sending, and what an unreadable answer means for
the money (`http_rail.py`).
"""

from datetime import date, datetime
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Meta, Struct

from online.rails.codes import NEWEST, Dialect, read_outcome
from online.rails.domain import (
    Authentication,
    CardChecks,
    NameFound,
    NextAction,
    Outcome,
    OutcomeKind,
    RailDispute,
    UpiFunding,
)
from online.rails.mandates import RailMandate

_LONGEST_ANSWER: Final = 64 * 1024
_NUL: Final = b"\\u0000"
_LONGEST_LINK: Final = 4096
_SCHEMES: Final = {"upi_intent": {"upi"}, "upi_qr": {"upi"}, "redirect": {"https", "http"}}
_AUTHENTICATIONS: Final = frozenset(get_args(Authentication))
_SOURCES_OF_FUNDS: Final = frozenset(get_args(UpiFunding))
_Letters = Annotated[str, Meta(max_length=4)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Unreadable(Exception):
    """An answer that is no answer."""


NO_SENSE: Final = (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Checks(Struct, frozen=True):
    avs: _Letters | None = None
    cvc: _Letters | None = None
    eci: _Letters | None = None
    authentication: Annotated[str, Meta(max_length=40)] | None = None


class _Answer(Struct, frozen=True):
    """The rail's answer; members and words we do not know are left alone, a rail may add some."""

    status: Literal["approved", "declined", "pending", "failed"]
    code: Annotated[str, Meta(max_length=200)]
    rail_reference: Annotated[str, Meta(max_length=100)] | None = None
    network_reference: Annotated[str, Meta(max_length=100)] | None = None
    auth_code: Annotated[str, Meta(max_length=100)] | None = None
    message: str = ""
    next_action: NextAction | None = None
    checks: _Checks | None = None
    funding: Annotated[str, Meta(max_length=40)] | None = None
    beneficiary_name: _Name | None = None


class _NameFound(Struct, frozen=True):
    name: _Name


class _NotFound(Struct, frozen=True):
    status: Literal["not_found"]


class _Taken(Struct, frozen=True):
    status: Literal["taken"]


class _Dispute(Struct, frozen=True):
    reference: str
    original_reference: Annotated[str, Meta(min_length=1, max_length=100)]
    amount: Annotated[int, Meta(ge=1, le=10**15)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    reason_code: Annotated[str, Meta(min_length=1, max_length=40)]
    status: Literal["open", "won", "lost"]
    respond_by: Annotated[datetime, Meta(tz=True)]


class _Mandate(Struct, frozen=True):
    reference: str
    status: Literal["pending", "active", "paused", "revoked", "failed", "expired"]
    umn: Annotated[str, Meta(max_length=100)] | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_not_found = msgspec.json.Decoder(_NotFound).decode
_decode_taken = msgspec.json.Decoder(_Taken).decode
_decode_name = msgspec.json.Decoder(_NameFound).decode
_decode_dispute = msgspec.json.Decoder(_Dispute).decode
_decode_mandate = msgspec.json.Decoder(_Mandate).decode


def outcome(response: httpx.Response, dialect: Dialect, on: date = NEWEST) -> Outcome:
    """The outcome of an operation, told on that day; raises one of `NO_SENSE` unless all of it can
    be read."""
    return read(_content(response), dialect, on)


def read(content: bytes, dialect: Dialect, on: date = NEWEST) -> Outcome:
    """The same of an answer's members wherever they stand, in a callback too."""
    if _NUL in content:
        raise Unreadable("a NUL, which cannot be stored")
    answer = _decode_answer(content)
    told = read_outcome(
        dialect,
        OutcomeKind(answer.status),
        answer.code,
        message=answer.message[:200],
        rail_reference=answer.rail_reference,
        network_reference=answer.network_reference,
        auth_code=answer.auth_code,
        next_action=_checked(answer.next_action),
        on=on,
    )
    return msgspec.structs.replace(
        told,
        checks=_checks_of(answer.checks) if dialect == "card" else None,
        funding=_funding_of(answer.funding) if dialect == "upi" else None,
        payee_name=answer.beneficiary_name if dialect == "payout" else None,
    )


def dispute(response: httpx.Response, reference: str) -> RailDispute:
    """The dispute that was asked for; raises one of `NO_SENSE`, too, when it is another one."""
    answer = _decode_dispute(_content(response))
    if answer.reference != reference:
        raise Unreadable("another dispute")
    return RailDispute(
        reference=answer.reference,
        original_reference=answer.original_reference,
        amount_minor=answer.amount,
        currency=answer.currency,
        reason_code=answer.reason_code,
        status=answer.status,
        respond_by=answer.respond_by,
    )


def name_found(response: httpx.Response) -> NameFound:
    """Whose account it is; raises one of `NO_SENSE` unless it can be read."""
    return NameFound(name=_decode_name(_content(response)).name)


def mandate(response: httpx.Response, reference: str) -> RailMandate:
    """The mandate that was asked for; raises one of `NO_SENSE`, too, when it is another one."""
    answer = _decode_mandate(_content(response))
    if answer.reference != reference:
        raise Unreadable("another mandate")
    return RailMandate(reference=answer.reference, status=answer.status, umn=answer.umn)


def check_not_found(response: httpx.Response) -> None:
    """Whether it is the rail itself that knows nothing."""
    _decode_not_found(response.content)


def check_taken(response: httpx.Response) -> None:
    """Whether the rail says that it has what was handed in."""
    _decode_taken(_content(response))


def _content(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise Unreadable(f"status {response.status_code}")
    if len(response.content) > _LONGEST_ANSWER:
        raise Unreadable("too long")
    return response.content


def _checked(action: NextAction | None) -> NextAction | None:
    """A payer is sent nowhere but to a UPI app or a web page."""
    if action is None:
        return None
    links = (action.link, *([action.qr] if action.qr else []))
    for link in links:
        if len(link) > _LONGEST_LINK or not link.isprintable():
            raise Unreadable("next_action")
        try:
            scheme = urlsplit(link).scheme
        except ValueError:
            raise Unreadable("next_action") from None
        if scheme not in _SCHEMES[action.type]:
            raise Unreadable("next_action")
    return action


def _checks_of(checks: _Checks | None) -> CardChecks | None:
    if checks is None:
        return None
    word = checks.authentication
    return CardChecks(
        avs=checks.avs,
        cvc=checks.cvc,
        eci=checks.eci,
        authentication=word if word in _AUTHENTICATIONS else None,  # type: ignore[arg-type]
    )


def _funding_of(funding: str | None) -> str | None:
    """Fees depend on it: a word nobody agreed on prices nothing."""
    return funding if funding in _SOURCES_OF_FUNDS else None
