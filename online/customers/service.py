"""Customers of a merchant."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from online.customers import store
from online.customers.domain import Customer, check_kyc, kyc_of_new, mask_vpa
from online.customers.rights import Right, Rights, UserRule
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import Conflict, NotFound, VersionConflict
from online.platform.db import Database
from online.platform.lists import Window

Check = Callable[[int], None]
"""Refuses a version that the caller did not decide on."""


class Customers:
    def __init__(self, database: Database, clock: Clock, rights: Rights) -> None:
        self._database = database
        self._clock = clock
        self._rights = rights

    async def create(
        self,
        *,
        merchant_id: UUID,
        livemode: bool,
        name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        upi_type: str | None = None,
        kyc_level: str | None = None,
        vpa: str | None = None,
        customer_id: UUID | None = None,
    ) -> Customer:
        """`customer_id` is for worlds made from a seed."""
        now = self._clock.now()
        customer = Customer(
            id=customer_id or ids.new(now),
            merchant_id=merchant_id,
            name=name,
            email=email,
            phone=phone,
            upi_type=upi_type,
            kyc_level=kyc_of_new(upi_type, kyc_level),
            vpa_masked=mask_vpa(vpa) if vpa is not None else None,
            livemode=livemode,
            created_at=now,
        )
        async with self._database.connection() as connection:
            await store.insert_customer(connection, customer)
        return customer

    async def get(self, customer_id: UUID, merchant_id: UUID) -> Customer:
        async with self._database.connection() as connection:
            customer = await store.customer(connection, customer_id, merchant_id)
        if customer is None:
            raise NotFound("there is no such customer")
        return customer

    def rights(self, customer: Customer) -> UserRule:
        """What their type and KYC let them do today."""
        return self._rights.of(customer, business_date(self._clock.now()))

    async def places(self, customer_id: UUID, merchant_id: UUID) -> int:
        """How many devices a customer may have bound at a time."""
        return self.rights(await self.get(customer_id, merchant_id)).devices

    def require(self, customer: Customer, right: Right) -> None:
        """Raises `NotForThisUser` unless they may do that today."""
        self._rights.require(customer, right, business_date(self._clock.now()))

    async def by_ids(
        self, customer_ids: Collection[UUID], merchant_id: UUID
    ) -> dict[UUID, Customer]:
        """Those of the merchant's customers that are there, by id."""
        async with self._database.connection() as connection:
            return await store.by_ids(connection, customer_ids, merchant_id)

    async def page(self, merchant_id: UUID, asked: Window) -> list[Customer]:
        """Newest first; one more than asked for, where there is more."""
        async with self._database.connection() as connection:
            return await store.page(connection, merchant_id, asked)

    async def update(
        self, customer_id: UUID, merchant_id: UUID, fields: dict[str, Any], check: Check
    ) -> Customer:
        """Sets the named fields; None takes a value away. `vpa` is kept as its mask."""
        known = await self.get(customer_id, merchant_id)
        check(known.version)
        if known.erased_at is not None:
            raise Conflict("this customer was erased: add a new one")
        fields = dict(fields)
        if "vpa" in fields:
            vpa = fields.pop("vpa")
            fields["vpa_masked"] = mask_vpa(vpa) if vpa is not None else None
        changed = msgspec.structs.replace(known, **fields)
        check_kyc(changed.upi_type, changed.kyc_level)
        return await self._store(changed)

    async def erase(self, customer_id: UUID, merchant_id: UUID, check: Check) -> Customer:
        """Takes every personal field away for good; what was paid stays, under the bare id."""
        known = await self.get(customer_id, merchant_id)
        if known.erased_at is not None:
            return known
        check(known.version)
        erased = msgspec.structs.replace(
            known,
            name=None,
            email=None,
            phone=None,
            upi_type=None,
            kyc_level="none",
            vpa_masked=None,
            erased_at=self._clock.now(),
        )
        return await self._store(erased)

    async def _store(self, customer: Customer) -> Customer:
        async with self._database.connection() as connection:
            if not await store.update_customer(connection, customer):
                raise VersionConflict("the customer was changed meanwhile")
        return msgspec.structs.replace(customer, version=customer.version + 1)

    async def add_all(self, customers: Sequence[Customer]) -> None:
        """Many at once, as they are: for worlds made from a seed."""
        async with self._database.transaction() as tx:
            await store.insert_customers(tx, customers)
