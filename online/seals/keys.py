"""The keys that seals are signed with: Ed25519, RFC 8032.

Belongs here: what signs, and its public half. Does not: what is signed. `SealKeys` is all that the
service knows of a key: a security module that never shows the private half fits behind it.
"""

import base64
import hashlib
from pathlib import Path
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from online.security.keyfiles import KeyRing, load_key_ring

FAMILY: Final = "seal_signing"


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is the 32 bytes of RFC 8032."""

    key_id: str
    value: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """As RFC 8037 writes it."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": self.key_id,
            "x": base64url(self.value),
            "alg": "EdDSA",
            "use": "sig",
        }


class SealKeys(Protocol):
    """Signs with the newest key; `public` has every key that may still have to be checked."""

    @property
    def current(self) -> PublicKey: ...

    @property
    def public(self) -> list[PublicKey]: ...

    def sign(self, text: bytes) -> bytes: ...


class FileSealKeys:
    """Keys from an owner-only file; a version added to it signs from the next start on."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = {
            version: Ed25519PrivateKey.from_private_bytes(ring.key(version))
            for version in ring.versions
        }

    @property
    def current(self) -> PublicKey:
        return _public(self._keys[max(self._keys)])

    @property
    def public(self) -> list[PublicKey]:
        return [_public(key) for _, key in sorted(self._keys.items())]

    def sign(self, text: bytes) -> bytes:
        return self._keys[max(self._keys)].sign(text)


def load_seal_keys(keys: Path) -> SealKeys:
    """From the folder of keys; made on first use."""
    return FileSealKeys(load_key_ring(keys / "seal_signing.key", FAMILY))


def key_id_of(public: bytes) -> str:
    """The key's thumbprint (RFC 7638): the same key has the same id everywhere."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": base64url(public)}
    return base64url(hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest())


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _public(key: Ed25519PrivateKey) -> PublicKey:
    value = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PublicKey(key_id=key_id_of(value), value=value)
