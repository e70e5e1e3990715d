"""The statements table: written once, never changed."""

from typing import Final
from uuid import UUID

import msgspec

from online.platform.sql import Connection, load_queries
from online.statements.domain import Statement

QUERIES: Final = load_queries("online.statements")


async def insert(connection: Connection, statement: Statement, content: bytes) -> bool:
    """Whether it was new."""
    fields = msgspec.structs.asdict(statement)
    return await QUERIES.execute(connection, "insert", **fields, content=content) == 1


async def get(connection: Connection, statement_id: UUID) -> Statement | None:
    return await QUERIES.one_or_none(connection, "get", Statement, id=statement_id)


async def content(connection: Connection, statement_id: UUID) -> bytes:
    found: bytes = await QUERIES.scalar(connection, "content", id=statement_id)
    return found
