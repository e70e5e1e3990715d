"""The merchants table."""

from uuid import UUID

import msgspec

from online.merchants.domain import Merchant
from online.platform.sql import Connection, load_queries

QUERIES = load_queries(__package__)


async def insert_merchant(connection: Connection, merchant: Merchant) -> None:
    row = msgspec.structs.asdict(merchant)
    row["merchant_name"] = row.pop("name")  # `name` is how a query is called
    await QUERIES.execute(connection, "insert_merchant", **row)


async def merchant(connection: Connection, merchant_id: UUID) -> Merchant | None:
    return await QUERIES.one_or_none(connection, "merchant", Merchant, id=merchant_id)
