"""The customers table; every read names the merchant."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg.errors import CheckViolation

from online.customers.domain import Customer
from online.kernel.errors import Conflict
from online.platform.copy_binary import Table
from online.platform.lists import Window
from online.platform.sql import Connection, copy_rows, load_queries

QUERIES = load_queries(__package__)
CUSTOMERS = Table(
    "customers",
    "id uuid, merchant_id uuid, name text, email text, phone text, upi_type text,"
    "vpa_masked text, livemode bool, created_at timestamptz, version int8, erased_at timestamptz,"
    "kyc_level text",
)


def _parameters(customer: Customer) -> dict[str, Any]:
    row = msgspec.structs.asdict(customer)
    row["customer_name"] = row.pop("name")  # `name` is how a query is called
    return row


async def insert_customer(connection: Connection, customer: Customer) -> None:
    await QUERIES.execute(connection, "insert_customer", **_parameters(customer))


async def update_customer(connection: Connection, customer: Customer) -> bool:
    """Stores new values over the version they were made from; False when it is gone.

    `Conflict` where the customer's wallet is open and needs them as they are: the database says so,
    since a wallet may be opened meanwhile.
    """
    try:
        return await QUERIES.execute(connection, "update_customer", **_parameters(customer)) == 1
    except CheckViolation as error:
        if error.diag.constraint_name != "customers_wallet_open":
            raise
        raise Conflict("this customer's wallet is open: close it first") from None


async def customer(connection: Connection, customer_id: UUID, merchant_id: UUID) -> Customer | None:
    return await QUERIES.one_or_none(
        connection, "customer", Customer, id=customer_id, merchant_id=merchant_id
    )


async def page(connection: Connection, merchant_id: UUID, asked: Window) -> list[Customer]:
    return await QUERIES.all(
        connection, "page", Customer, merchant_id=merchant_id, after=asked.after, most=asked.most
    )


async def insert_customers(connection: Connection, customers: Sequence[Customer]) -> None:
    """Set-wise."""
    await copy_rows(connection, CUSTOMERS, map(msgspec.structs.astuple, customers))


async def by_ids(
    connection: Connection, customer_ids: Collection[UUID], merchant_id: UUID
) -> dict[UUID, Customer]:
    rows = await QUERIES.all(
        connection, "by_ids", Customer, ids=list(customer_ids), merchant_id=merchant_id
    )
    return {row.id: row for row in rows}
