"""The merchants table and the history of their terms."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from online.merchants.domain import Merchant
from online.platform.sql import Connection, load_queries

QUERIES = load_queries(__package__)


async def insert_merchant(connection: Connection, merchant: Merchant, actor: str) -> None:
    row = _row(merchant)
    row["merchant_name"] = merchant.name  # `name` is how a query is called
    await QUERIES.execute(connection, "insert_merchant", **row)
    await _insert_terms(connection, merchant, actor, merchant.created_at)


async def update_terms(
    connection: Connection, merchant: Merchant, actor: str, now: datetime
) -> None:
    """The merchant is locked and `merchant.version` its next one."""
    await QUERIES.execute(connection, "update_terms", **_row(merchant))
    await _insert_terms(connection, merchant, actor, now)


async def merchant(connection: Connection, merchant_id: UUID) -> Merchant | None:
    return await QUERIES.one_or_none(connection, "merchant", Merchant, id=merchant_id)


async def merchants(connection: Connection, merchant_ids: Collection[UUID]) -> dict[UUID, Merchant]:
    rows = await QUERIES.all(connection, "merchants", Merchant, ids=list(merchant_ids))
    return {row.id: row for row in rows}


async def lock_merchant(connection: Connection, merchant_id: UUID) -> Merchant | None:
    return await QUERIES.one_or_none(connection, "lock_merchant", Merchant, id=merchant_id)


async def _insert_terms(
    connection: Connection, merchant: Merchant, actor: str, at: datetime
) -> None:
    row = _row(merchant) | {"actor": actor, "agreed_at": at}
    await QUERIES.execute(connection, "insert_terms", **row)


def _row(merchant: Merchant) -> dict[str, Any]:
    row = msgspec.structs.asdict(merchant)
    del row["name"]
    return row | {"settlement_cycles": list(merchant.settlement_cycles)}
