"""The keys that links are signed with: ECDSA on P-256 with SHA-256 (FIPS 186-5).

Belongs here: what signs, what checks, the public half. Does not: what is signed (`domain.py`).
The same link has the same signature whenever it is made (RFC 6979).
"""

import base64
import hashlib
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from online.security.keyfiles import KeyRing, load_key_ring

FAMILY: Final = "upi_link_signing"
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_SIGNS: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_CHECKS: Final = ec.ECDSA(hashes.SHA256())


class LinkKeys:
    """Signs with the newest key; a link of an older one can still be checked."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = {version: _private(ring.key(version)) for version in ring.versions}
        self._current = self._keys[max(self._keys)]

    def sign(self, text: str) -> str:
        """Base64 of the DER that X9.62 writes."""
        return base64.b64encode(self._current.sign(text.encode(), _SIGNS)).decode()

    def holds(self, text: str, signature: str) -> bool:
        """Whether one of our keys made it."""
        try:
            raw = base64.b64decode(signature.translate(_URL_SAFE), validate=True)
        except ValueError:
            return False
        return any(_holds(key.public_key(), raw, text.encode()) for key in self._keys.values())

    @property
    def jwks(self) -> list[dict[str, str]]:
        """Public halves as RFC 7517 writes them, oldest first."""
        return [_jwk(key.public_key()) for _, key in sorted(self._keys.items())]


def load_link_keys(keys: Path) -> LinkKeys:
    """From the folder of keys; made on first use."""
    return LinkKeys(load_key_ring(keys / "upi_link_signing.key", FAMILY))


_URL_SAFE: Final = str.maketrans("-_", "+/")


def _private(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """A scalar in [1, n): 256 random bits are out of that range once in 2³² keys, and wrap."""
    scalar = int.from_bytes(secret, "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def _holds(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, _CHECKS)
    except InvalidSignature:
        return False
    return True


def _jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    point = {"crv": "P-256", "kty": "EC", "x": _base64url(numbers.x), "y": _base64url(numbers.y)}
    thumbprint = hashlib.sha256(msgspec.json.encode(point, order="sorted")).digest()  # RFC 7638
    kid = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    return {**point, "kid": kid, "alg": "ES256", "use": "sig"}


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
