"""What a payment may be made under beside the payer's own yes: a handle, a delegation, a mandate,
a balance. The slice that owns it answers; the payment's first commit carries what it brings.
"""

from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from online.kernel import ids
from online.ledger.change import LimitMove, NewEvent, SnapshotRow
from online.rails.domain import VpaReference

AuthorityKind = Literal["handle", "delegation", "mandate", "lite"]


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that somebody wants to make. Amount in minor units."""

    merchant_id: UUID
    livemode: bool
    amount_minor: int
    currency: str
    customer_id: UUID | None = None
    device_id: str | None = None
    intent_id: UUID | None = None
    purpose: str | None = None  # of UPI, two digits or letters


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """`moves` are taken with the payment and given back when it comes to nothing; they carry the
    caps and the guard of a revocation, so that no version of the aggregate has to be taken. `rows`,
    `events` and `released` go with the first commit, also where risk blocks."""

    kind: AuthorityKind
    id: str  # its TypeID; of a balance that of its customer
    customer_id: UUID  # who pays under it
    payer_id: UUID | None = None  # whose own limits count, where another pays for them
    moves: tuple[LimitMove, ...] = ()
    rows: tuple[SnapshotRow, ...] = ()
    events: tuple[NewEvent, ...] = ()
    released: tuple[LimitMove, ...] = ()  # given back in the same commit, before `moves` are taken
    facts: dict[str, Any] | None = None  # shown with the payment and kept in its events: no VPA

    @property
    def limited(self) -> UUID:
        """Whose own limits count."""
        return self.payer_id or self.customer_id

    def as_event_data(self) -> dict[str, Any]:
        """The `authority` field of a payment's first event, and of what is shown of it."""
        payer = {"payer_id": ids.encode("cus", self.payer_id)} if self.payer_id else {}
        return {
            "kind": self.kind,
            "id": self.id,
            "customer_id": ids.encode("cus", self.customer_id),
            **payer,
            **(self.facts or {}),
        }


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The money behind an authority: a VPA that the vault keeps, or (no `vpa`) a balance here."""

    authority: Authority
    key: str  # keyed hash of what pays
    mask: str  # ra***@ybl
    vpa: VpaReference | None = None
    purpose: str | None = None  # the code that such payments have at the switch, whatever was asked


class Sources(Protocol):
    """A slice that answers what is behind a handle, a delegation, a balance.

    `reference` is the text on the wire: a handle's, a delegation's TypeID; of a balance the
    TypeID of its customer. Raises `NotFound` for what is not the merchant's, and whatever of the
    authority's own terms (expired, revoked, over its amount) is known without a counter.
    """

    async def source(self, reference: str, purchase: Purchase) -> Source: ...
