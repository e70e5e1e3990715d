"""How a rail signs what it tells us: HMAC-SHA256 over the time and the body, byte for byte.

    Rail-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>]

    v1 = HMAC-SHA256(secret, <t as written> "." <body as sent>)

While a secret is changed a rail may sign with the old one and with the new one at once, so `v1`
may stand twice. Nothing else may stand in the header: of what is signed, every byte counts.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

HEADER: Final = "Rail-Signature"
TOLERANCE_S: Final = 300  # either way

_HEADER = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})(?:,v1=([0-9a-f]{64}))?")


class Refusal(StrEnum):
    """Why nothing is believed; counted, never told to whoever sent it."""

    UNKNOWN_RAIL = "unknown_rail"
    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG = "wrong"
    STALE = "stale"  # right, but of another time


class Signature(Struct, frozen=True, kw_only=True):
    timestamp: str  # as written: it is signed as text
    digests: tuple[str, ...]


def parse(header: str) -> Signature | None:
    """The header's parts, or None when it is not one of ours."""
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    return Signature(timestamp=match[1], digests=tuple(filter(None, match.groups()[1:])))


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def check(
    header: str | None, body: bytes, secrets: Mapping[int, bytes], now: datetime
) -> int | Refusal:
    """The version of the secret that signed `body`. Every pair is compared, in constant time."""
    if header is None:
        return Refusal.MISSING
    signature = parse(header)
    if signature is None:
        return Refusal.MALFORMED
    right = [
        version
        for version, secret in secrets.items()
        if _holds(sign(secret, signature.timestamp, body), signature.digests)
    ]
    if not right:
        return Refusal.WRONG
    if abs(now.timestamp() - int(signature.timestamp)) > TOLERANCE_S:
        return Refusal.STALE
    return right[-1]


def _holds(expected: str, digests: tuple[str, ...]) -> bool:
    results = [hmac.compare_digest(expected, digest) for digest in digests]
    return any(results)
