"""The customers table; every read names the merchant."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from online.customers.domain import Customer
from online.platform.copy_binary import Table
from online.platform.sql import Connection, copy_rows, load_queries

QUERIES = load_queries(__package__)
CUSTOMERS = Table(
    "customers",
    "id uuid, merchant_id uuid, name text, email text, phone text, upi_type text,"
    "vpa_masked text, livemode bool, created_at timestamptz",
)


async def insert_customer(connection: Connection, customer: Customer) -> None:
    row = msgspec.structs.asdict(customer)
    row["customer_name"] = row.pop("name")  # `name` is how a query is called
    await QUERIES.execute(connection, "insert_customer", **row)


async def customer(connection: Connection, customer_id: UUID, merchant_id: UUID) -> Customer | None:
    return await QUERIES.one_or_none(
        connection, "customer", Customer, id=customer_id, merchant_id=merchant_id
    )


async def insert_customers(connection: Connection, customers: Sequence[Customer]) -> None:
    """Set-wise."""
    await copy_rows(connection, CUSTOMERS, map(msgspec.structs.astuple, customers))
