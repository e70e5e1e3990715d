"""Sealing short secrets for the database: AES-256-GCM in an envelope.

Each value has a data key of its own, and only that data key is encrypted with the ring's key:
changing the ring's key re-wraps 32 bytes a row and never touches the value. The context (which
row, whose) is authenticated with both, so a ciphertext moved to another row does not open.
"""

import os
from base64 import b64decode, b64encode
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from online.security.keyfiles import KeyFileRefused, KeyRing

ALGORITHM: Final = "AES-256-GCM"

_FORMAT: Final = b"\x01"
_NONCE: Final = 12
_WRAPPED: Final = _NONCE + 32 + 16  # nonce, data key, tag
_SHORTEST: Final = len(_FORMAT) + _WRAPPED + _NONCE + 16


class CannotOpen(Exception):
    """The ciphertext, its context or its key is not the one it was sealed with."""


class EncryptedField(Struct, frozen=True, kw_only=True):
    """A sealed value as it is stored and exchanged; `value` is base64."""

    value: str
    key_id: str
    algorithm: Literal["AES-256-GCM"] = ALGORITHM

    @property
    def ciphertext(self) -> bytes:
        return b64decode(self.value)

    @classmethod
    def of(cls, ciphertext: bytes, key_id: str) -> "EncryptedField":
        return cls(value=b64encode(ciphertext).decode(), key_id=key_id)


class Sealer:
    """Seals with the ring's newest key and opens with any of them."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, plaintext: bytes, context: bytes) -> EncryptedField:
        key_id = self._ring.key_id(self._ring.current)
        bound = _bound(key_id, context)
        data_key, wrap_nonce, nonce = os.urandom(32), os.urandom(_NONCE), os.urandom(_NONCE)
        wrapping_key = AESGCM(self._ring.key(self._ring.current))
        wrapped = wrapping_key.encrypt(wrap_nonce, data_key, b"wrap:" + bound)
        sealed = AESGCM(data_key).encrypt(nonce, plaintext, b"data:" + bound)
        return EncryptedField.of(_FORMAT + wrap_nonce + wrapped + nonce + sealed, key_id)

    def open(self, field: EncryptedField, context: bytes) -> bytes:
        try:
            key = self._ring.key(self._ring.version_of(field.key_id))
            blob = field.ciphertext
        except (KeyFileRefused, ValueError) as error:
            raise CannotOpen("no such key") from error
        if len(blob) < _SHORTEST or blob[:1] != _FORMAT:
            raise CannotOpen("not a sealed value")
        wrapped, rest = blob[1 : 1 + _WRAPPED], blob[1 + _WRAPPED :]
        bound = _bound(field.key_id, context)
        try:
            data_key = AESGCM(key).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], b"wrap:" + bound)
            return AESGCM(data_key).decrypt(rest[:_NONCE], rest[_NONCE:], b"data:" + bound)
        except InvalidTag:
            raise CannotOpen("the value or its context was changed") from None


def _bound(key_id: str, context: bytes) -> bytes:
    return key_id.encode() + b"\x00" + context
