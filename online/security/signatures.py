"""Request signatures: HMAC-SHA256 over what the merchant sent, byte for byte.

    Khata-Request-Signature: t=<unix s>,n=<nonce>,kid=<signing key id>,v1=<hex>

    v1 \\n t \\n nonce \\n METHOD \\n path?query \\n sha256(body) as hex \\n idempotency-key

Path and query are those on the wire, before any decoding. Without an `Idempotency-Key` the last
line is empty. A signature is good for 300 seconds either way, and once.
"""

import hashlib
import hmac
import re
from collections import deque
from typing import Final

from msgspec import Struct

HEADER: Final = "Khata-Request-Signature"
WINDOW_S: Final = 300

_FIELD = re.compile(r"([a-z0-9]+)=([A-Za-z0-9_.~-]{1,128})")
_NONCE = re.compile(r"[A-Za-z0-9_.~-]{8,64}")
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


class SignatureHeader(Struct, frozen=True, kw_only=True):
    timestamp: int
    nonce: str
    key_id: str
    signatures: tuple[str, ...]


def parse_header(text: str) -> SignatureHeader | None:
    """The header's parts, or None when it is not one of ours."""
    fields: dict[str, list[str]] = {}
    for part in text.split(","):
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            return None
        fields.setdefault(match[1], []).append(match[2])
    timestamps, nonces, key_ids = (fields.get(name, []) for name in ("t", "n", "kid"))
    if [len(timestamps), len(nonces), len(key_ids)] != [1, 1, 1]:
        return None
    signatures = tuple(s for s in fields.get("v1", []) if _HEX_SHA256.fullmatch(s))
    well_formed = re.fullmatch(r"[0-9]{1,12}", timestamps[0]) and _NONCE.fullmatch(nonces[0])
    if not well_formed or not 1 <= len(signatures) <= 2:
        return None
    return SignatureHeader(
        timestamp=int(timestamps[0]), nonce=nonces[0], key_id=key_ids[0], signatures=signatures
    )


def canonical(
    *, timestamp: int, nonce: str, method: str, target: bytes, body: bytes, idempotency_key: str
) -> bytes:
    """What is signed. `target` is path and query exactly as sent."""
    digest = hashlib.sha256(body).hexdigest()
    head = f"v1\n{timestamp}\n{nonce}\n{method.upper()}\n".encode()
    return head + target + f"\n{digest}\n{idempotency_key}".encode()


def sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def holds(secret: str, message: bytes, signatures: tuple[str, ...]) -> bool:
    """Whether any of the signatures is right; every one is compared, in constant time."""
    expected = sign(secret, message)
    results = [hmac.compare_digest(expected, signature) for signature in signatures]
    return any(results)


class NonceMemory:
    """Nonces seen in the last two windows, by key. One process remembers its own."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._order: deque[tuple[int, tuple[str, str]]] = deque()

    def is_new(self, key_id: str, nonce: str, now: int) -> bool:
        """True once for each nonce of a key, False when it comes again."""
        while self._order and self._order[0][0] < now - 2 * WINDOW_S:
            self._seen.discard(self._order.popleft()[1])
        item = (key_id, nonce)
        if item in self._seen:
            return False
        self._seen.add(item)
        self._order.append((now, item))
        return True
