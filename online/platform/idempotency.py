"""Idempotency keys: the table, and what a caller learns who comes with a known key.

The writer reserves and answers keys inside its transactions; this module reads them.
A key belongs to a merchant; it is kept at least 24 hours.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from online.kernel.errors import (
    IdempotencyInFlight,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidRequest,
    Refused,
)
from online.platform.copy_binary import Table

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # a string as RFC 9651 writes one
_ESCAPED: Final = re.compile(r"\\(.)")

# How long a key is remembered at least; from then on it may be forgotten, and is free again.
KEPT: Final = timedelta(hours=24)

KEYS: Final = Table(
    "idempotency_keys",
    "merchant_id uuid, key text, request_hash bytea, resource_id uuid, status int2, body bytea,"
    "created_at timestamptz, livemode bool, resource_type text",
)


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """Reserves a key (and answers it at once when `status` is given)."""

    merchant_id: UUID
    key: str
    request_hash: bytes
    created_at: datetime
    livemode: bool
    resource_type: str | None = None  # the prefix of its TypeID: `pay`, `pi`, `rfd`
    resource_id: UUID | None = None
    status: int | None = None
    body: bytes | None = None

    def making(self, resource_type: str, resource_id: UUID) -> "IdempotencyKey":
        """The key with what its call makes: an id and the prefix it is shown with."""
        return msgspec.structs.replace(self, resource_type=resource_type, resource_id=resource_id)


class IdempotencyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Stores the final answer of a reserved key."""

    merchant_id: UUID
    key: str
    status: int
    body: bytes


class StoredKey(msgspec.Struct, frozen=True):
    """A row of the table. `status` and `body` are None while the first call runs."""

    merchant_id: UUID
    key: str
    request_hash: bytes
    resource_id: UUID | None
    status: int | None
    body: bytes | None
    created_at: datetime


@dataclass(eq=False)
class KeyTaken(Refused):
    """The key is there already: the caller replays, waits, or is told that it was reused."""

    stored: StoredKey | None = None
    code: ClassVar[str] = "idempotency_in_flight"


def reservation(
    header: str | None, call: tuple[str, str, bytes], owner: tuple[UUID, bool], now: datetime
) -> IdempotencyKey:
    """The key of a call that moves money; `call` is method, path and body as sent."""
    if header is None:
        raise IdempotencyKeyMissing("send an Idempotency-Key header", "Idempotency-Key")
    key = key_text(header)
    if not is_key(key):
        raise InvalidRequest("must be 1 to 255 printable ASCII characters", "Idempotency-Key")
    method, path, body = call
    merchant_id, livemode = owner
    return IdempotencyKey(
        merchant_id=merchant_id,
        key=key,
        request_hash=sha256(b"\n".join((method.encode(), path.encode(), body))).digest(),
        created_at=now,
        livemode=livemode,
    )


def key_text(header: str) -> str:
    """A structured-field string (quoted) and a bare one are the same key."""
    quoted = _QUOTED.fullmatch(header)
    return _ESCAPED.sub(r"\1", quoted[1]) if quoted else header


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


class Answer(msgspec.Struct, frozen=True):
    """A response as it is sent: HTTP status and JSON body."""

    status: int
    body: bytes
    replayed: bool = False


class Present(msgspec.Struct, frozen=True):
    """The present state of a key's resource; `busy` while its first call may still be running."""

    answer: Answer
    busy: bool


async def once(
    act: Callable[[], Awaitable[Answer]],
    present: Callable[[UUID], Awaitable[Present]],
    request_hash: bytes,
) -> Answer:
    """Acts, or answers for the first call with the same key.

    A finished call is replayed word for word. A call that died, or whose outcome is not known
    yet, is answered with the present state of the resource it made: never with a second attempt.
    """
    try:
        return await act()
    except KeyTaken as taken:
        stored = taken.stored
    if stored is None or stored.request_hash != request_hash:
        raise IdempotencyKeyReused(
            "this Idempotency-Key came with another request", "Idempotency-Key"
        )
    if stored.status is not None:
        return Answer(stored.status, stored.body or b"", replayed=True)
    if stored.resource_id is None:
        raise IdempotencyInFlight("the first call with this key is running", "Idempotency-Key")
    now = await present(stored.resource_id)
    if now.busy:
        raise IdempotencyInFlight("the first call with this key is running", "Idempotency-Key")
    return msgspec.structs.replace(now.answer, replayed=True)
