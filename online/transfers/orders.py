"""What a transfer is asked to be: who sends, who receives, from which device."""

from uuid import UUID

import msgspec

from online.kernel.errors import InvalidRequest
from online.limits.authority import Authority
from online.rails.domain import Upi, VpaReference


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Payer or payee as named by the caller: by VPA, by a handle, or (a payee) by who they are."""

    customer_id: UUID | None = None
    vpa: str | None = None
    handle: str | None = None

    def __repr__(self) -> str:
        return f"Side(customer_id={self.customer_id!r}, handle={self.handle!r})"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to make; amount in minor units. `note` is passed on, and not kept."""

    merchant_id: UUID
    livemode: bool
    payer_id: UUID
    payer: Side
    payee: Side
    amount_minor: int
    currency: str
    device_id: str
    note: str = ""
    priority: str = "balanced"
    ip_hash: str | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Payer or payee as found: a keyed hash, a mask, and what the rail needs."""

    key: str
    mask: str
    vpa: str | None = None
    reference: VpaReference | None = None
    customer_id: UUID | None = None
    authority: Authority | None = None  # of a handle

    @property
    def handle(self) -> str | None:
        """The TypeID of the handle by which they are named."""
        return self.authority.id if self.authority else None

    def __repr__(self) -> str:
        return f"Person(mask={self.mask!r})"


class People(msgspec.Struct, frozen=True):
    """Both sides of a transfer; nobody sends money to themselves."""

    payer: Person
    payee: Person

    def __post_init__(self) -> None:
        if self.payer.key == self.payee.key:
            raise InvalidRequest("payer and payee are the same account", "to")

    @property
    def authorities(self) -> tuple[Authority, ...]:
        found = (self.payer.authority, self.payee.authority)
        return tuple(each for each in found if each is not None)

    def upi(self, note: str) -> Upi:
        """How the switch is told of them. There is no collect between people."""
        return Upi(
            flow="intent",
            payer_vpa=self.payer.vpa,
            payer=self.payer.reference,
            payee_vpa=self.payee.vpa or "",
            payee=self.payee.reference,
            note=note,
        )
