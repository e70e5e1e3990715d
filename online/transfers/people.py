"""Who a transfer is between: VPAs as given, handles through the slice that keeps them."""

from typing import Protocol
from uuid import UUID

from online.customers.domain import mask_vpa
from online.customers.service import Customers
from online.kernel.errors import InvalidRequest
from online.limits.authority import Purchase, Source
from online.transfers.orders import Order, People, Person, Side
from online.vault.service import Vault


class Handles(Protocol):
    """What is behind a handle (`handles` fulfils it)."""

    async def source(self, reference: str, purchase: Purchase) -> Source: ...

    async def payee(
        self, reference: str | None, customer_id: UUID | None, merchant_id: UUID
    ) -> Source: ...


class Directory:
    """Finds both sides of an order."""

    def __init__(self, customers: Customers, vault: Vault, handles: Handles) -> None:
        self._customers = customers
        self._vault = vault
        self._handles = handles

    async def people(self, order: Order) -> People:
        """`NotFound` for what is not the merchant's, `NotForThisUser` for who may not send."""
        customer = await self._customers.get(order.payer_id, order.merchant_id)
        self._customers.require(customer, "transfer")
        return People(await self._payer(order), await self._payee(order))

    async def _payer(self, order: Order) -> Person:
        side = order.payer
        if side.vpa is not None:
            return self._by_vpa(side.vpa, order.payer_id)
        if side.handle is None:
            raise InvalidRequest("name the payer's account: `vpa` or `handle`", "from")
        purchase = Purchase(
            merchant_id=order.merchant_id,
            livemode=order.livemode,
            amount_minor=order.amount_minor,
            currency=order.currency,
            customer_id=order.payer_id,
            device_id=order.device_id,
            purpose="p2p",
        )
        source = await self._handles.source(side.handle, purchase)
        if source.authority.customer_id != order.payer_id:
            raise InvalidRequest("this handle belongs to another customer", "from.handle")
        return _person(source)

    async def _payee(self, order: Order) -> Person:
        side = order.payee
        if side.vpa is not None:
            return self._by_vpa(side.vpa, None)
        if side.handle is None and side.customer_id is None:
            raise InvalidRequest("name the payee: `vpa`, `handle` or `customer_id`", "to")
        if side.customer_id is not None:
            await self._customers.get(side.customer_id, order.merchant_id)
        found = await self._handles.payee(side.handle, side.customer_id, order.merchant_id)
        return _person(found)

    def _by_vpa(self, vpa: str, customer_id: UUID | None) -> Person:
        return Person(
            key=self._vault.instrument_hash(vpa),
            mask=mask_vpa(vpa),
            vpa=vpa,
            customer_id=customer_id,
        )


def one_of(side: Side, param: str) -> Side:
    """Refuses a side that is named in two ways at once."""
    named = [name for name in ("vpa", "handle") if getattr(side, name) is not None]
    if len(named) > 1:
        raise InvalidRequest("one thing names an account: `vpa` or `handle`", param)
    return side


def _person(source: Source) -> Person:
    return Person(
        key=source.key,
        mask=source.mask,
        reference=source.vpa,
        customer_id=source.authority.customer_id,
        authority=source.authority,
    )
