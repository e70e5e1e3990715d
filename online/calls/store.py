"""Idempotency keys in PostgreSQL, as far as they are read and forgotten; the writer writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from online.calls.domain import Call
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.calls")


async def find(connection: Connection, merchant_id: UUID, key: str) -> Call | None:
    return await QUERIES.one_or_none(connection, "find", Call, merchant_id=merchant_id, key=key)


async def forget_answered(connection: Connection, before: datetime, most: int) -> int:
    """Deletes up to `most` answered keys; how many there were."""
    return await QUERIES.execute(connection, "forget_answered", before=before, most=most)


async def unanswered(
    connection: Connection, before: datetime, after: Call | None, most: int
) -> list[Call]:
    """The next `most` keys without an answer, behind `after`."""
    return await QUERIES.all(
        connection,
        "unanswered",
        Call,
        before=before,
        after_merchant=after.merchant_id if after else None,
        after_key=after.key if after else "",
        most=most,
    )


async def forget(connection: Connection, calls: Sequence[Call], before: datetime) -> int:
    """Deletes these keys, unless they got an answer meanwhile; how many there were."""
    return await QUERIES.execute(
        connection,
        "forget",
        merchants=[call.merchant_id for call in calls],
        keys=[call.key for call in calls],
        before=before,
    )
