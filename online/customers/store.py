"""The customers table; every read names the merchant."""

from uuid import UUID

import msgspec

from online.customers.domain import Customer
from online.platform.sql import Connection, load_queries

QUERIES = load_queries(__package__)


async def insert_customer(connection: Connection, customer: Customer) -> None:
    row = msgspec.structs.asdict(customer)
    row["customer_name"] = row.pop("name")  # `name` is how a query is called
    await QUERIES.execute(connection, "insert_customer", **row)


async def customer(connection: Connection, customer_id: UUID, merchant_id: UUID) -> Customer | None:
    return await QUERIES.one_or_none(
        connection, "customer", Customer, id=customer_id, merchant_id=merchant_id
    )
