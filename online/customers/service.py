"""Customers of a merchant."""

from collections.abc import Sequence
from uuid import UUID

from online.customers import store
from online.customers.domain import Customer, mask_vpa
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.platform.db import Database


class Customers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        *,
        merchant_id: UUID,
        livemode: bool,
        name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        upi_type: str | None = None,
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

    async def add_all(self, customers: Sequence[Customer]) -> None:
        """Many at once, as they are: for worlds made from a seed."""
        async with self._database.transaction() as tx:
            await store.insert_customers(tx, customers)
