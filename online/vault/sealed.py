"""Texts that are kept sealed for one object elsewhere: a VPA, an account number and its holder.

Belongs here: sealing and opening them. Does not: what they are for, and masks of them.
"""

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from msgspec import Struct

from online.ledger.change import Append
from online.platform.copy_binary import Table

SEALED: Final = Table(
    "sealed_texts",
    "id uuid, merchant_id uuid, purpose text, ciphertext bytea, key_id text, livemode bool,"
    "created_at timestamptz",
)


class Sealed(Protocol):
    """What names a place: a rail's reference to a VPA does."""

    @property
    def purpose(self) -> str: ...

    @property
    def id(self) -> UUID: ...

    @property
    def merchant_id(self) -> UUID: ...


class Place(Struct, frozen=True, kw_only=True):
    """Where a text belongs; in another place it does not open. `purpose` names the kind of
    object, so that a handle's VPA cannot be read as a beneficiary's."""

    purpose: str
    id: UUID
    merchant_id: UUID

    @property
    def context(self) -> bytes:
        kind = f"sealed_texts\x00{self.purpose}\x00".encode()
        return kind + self.id.bytes + self.merchant_id.bytes


class SealedText(Struct, frozen=True):
    ciphertext: bytes
    key_id: str


def row(place: Place, sealed: SealedText, at: datetime, *, livemode: bool) -> Append:
    """Goes with the change that makes the object."""
    values = (
        *(place.id, place.merchant_id, place.purpose),
        *(sealed.ciphertext, sealed.key_id, livemode, at),
    )
    return Append(SEALED, (values,))
