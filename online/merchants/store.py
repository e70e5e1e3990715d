"""The merchants table and the history of their terms."""

from datetime import datetime
from uuid import UUID

import msgspec

from online.merchants.domain import Merchant
from online.platform.sql import Connection, load_queries

QUERIES = load_queries(__package__)


async def insert_merchant(connection: Connection, merchant: Merchant, actor: str) -> None:
    row = msgspec.structs.asdict(merchant)
    row["merchant_name"] = row.pop("name")  # `name` is how a query is called
    await QUERIES.execute(connection, "insert_merchant", **row)
    await _insert_terms(connection, merchant, actor, merchant.created_at)


async def update_terms(
    connection: Connection, merchant: Merchant, actor: str, now: datetime
) -> None:
    """The merchant is locked and `merchant.version` its next one."""
    row = msgspec.structs.asdict(merchant)
    del row["name"]
    await QUERIES.execute(connection, "update_terms", **row)
    await _insert_terms(connection, merchant, actor, now)


async def merchant(connection: Connection, merchant_id: UUID) -> Merchant | None:
    return await QUERIES.one_or_none(connection, "merchant", Merchant, id=merchant_id)


async def lock_merchant(connection: Connection, merchant_id: UUID) -> Merchant | None:
    return await QUERIES.one_or_none(connection, "lock_merchant", Merchant, id=merchant_id)


async def _insert_terms(
    connection: Connection, merchant: Merchant, actor: str, at: datetime
) -> None:
    row = msgspec.structs.asdict(merchant) | {"actor": actor, "agreed_at": at}
    del row["name"]
    await QUERIES.execute(connection, "insert_terms", **row)
