"""TypeIDs: a prefix and a base32 UUIDv7 (`pay_01h455vb4pex5vsknk084sn02q`).

Inside the code an id is a plain `uuid.UUID` (what the database stores, 16 bytes); the prefixed
text is for the wire, events and files. Format: https://github.com/jetify-com/typeid.
"""

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

PREFIXES: Final = frozenset(
    {
        *(
            "pi",
            "pay",
            "att",
            "rfd",
            "dsp",
            "cus",
            "mrc",
            "dev",
            "tok",
            "hdl",
            "dlg",
            "dlr",
            "hold",
        ),
        *("esc", "stl", "stm", "evt", "txn", "ent", "whk", "acc", "brk", "wrk", "lbl", "cli"),
        *("inv", "rev", "rle", "rtm", "rcb", "bnf", "pout", "mnd", "mex", "trf"),
        *("wal", "top"),
    }
)

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32, lower case
_VALUE: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_TEXT_LENGTH: Final = 26
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NAMESPACE: Final = UUID("8f0f6a3e-3c5d-5a51-9d6e-0c4b5a1d7e11")
_PAIRS: Final = [_ALPHABET[n >> 5] + _ALPHABET[n & 31] for n in range(1024)]


class InvalidId(ValueError):
    """A text that is not a TypeID with the expected prefix."""

    def __init__(self, prefix: str, text: str) -> None:
        super().__init__(f"expected an id like {prefix}_…, got {text[:40]!r}")
        self.prefix = prefix


def new(at: datetime) -> UUID:
    """A UUIDv7 whose time part is `at`: ids made later sort later, to the millisecond."""
    return from_ms((at - _EPOCH) // _MILLISECOND)


def from_ms(unix_ms: int) -> UUID:
    """A UUIDv7 for `unix_ms` milliseconds since 1970 (RFC 9562, section 5.7)."""
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (unix_ms & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | (random_bits & 0x3FFFFFFFFFFFFFFF)
    return UUID(int=value)


def earliest(at: datetime) -> UUID:
    """Sorts before every UUIDv7 that is made at `at` or later, and after those made before."""
    return UUID(int=((at - _EPOCH) // _MILLISECOND) << 80)


def derived(*parts: str) -> UUID:
    """The same id for the same parts, on every machine: the key of an idempotent effect."""
    return uuid.uuid5(_NAMESPACE, "\x1f".join(parts))


def encode(prefix: str, value: UUID) -> str:
    """`pay`, UUID → `pay_…`."""
    number = value.int
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def decode(prefix: str, text: str) -> UUID:
    """`pay_…` → UUID; raises `InvalidId` for another prefix or a malformed text."""
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != _TEXT_LENGTH or tail[0] > "7":
        raise InvalidId(prefix, text)
    number = 0
    for letter in tail:
        value = _VALUE.get(letter)
        if value is None:
            raise InvalidId(prefix, text)
        number = number << 5 | value
    return UUID(int=number)
