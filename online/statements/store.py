"""The tables statements and statement_issues: written once, never changed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.platform.sql import Connection, load_queries
from online.statements.domain import Asked, Issue, Key, Neighbours, Period, Statement

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


async def page(
    connection: Connection,
    merchant_id: UUID | None,
    days: tuple[date | None, date | None],
    *,
    livemode: bool,
    after: UUID | None,
    most: int,
) -> list[Statement]:
    start_date, end_date = days
    return await QUERIES.all(
        connection,
        "page",
        Statement,
        merchant_id=merchant_id,
        start_date=start_date,
        end_date=end_date,
        livemode=livemode,
        after=after,
        most=most,
    )


async def newest(connection: Connection, period: Period, livemode: bool) -> Statement | None:
    fields = msgspec.structs.asdict(period)
    return await QUERIES.one_or_none(connection, "newest", Statement, **fields, livemode=livemode)


async def neighbours(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Neighbours]:
    found = await QUERIES.all(connection, "neighbours", Neighbours, ids=list(ids))
    return {each.id: each for each in found}


async def issue(
    connection: Connection, asked: Sequence[Asked], *, livemode: bool, at: datetime
) -> set[Key]:
    """Numbers what is new, and names it. Nobody else does until the transaction ends."""
    await QUERIES.execute(connection, "lock_numbers")
    new = await QUERIES.all(
        connection,
        "issue",
        Key,
        **_periods(asked),
        snapshots=[each.snapshot for each in asked],
        hashes=[each.books_sha256 for each in asked],
        livemode=livemode,
        issued_at=at,
    )
    return set(new)


async def issues(connection: Connection, asked: Sequence[Asked]) -> list[Issue]:
    """The last two editions of each period, the earlier one first."""
    return await QUERIES.all(connection, "issues", Issue, **_periods(asked))


async def is_issued(connection: Connection, statement: Statement) -> bool:
    return bool(
        await QUERIES.scalar(
            connection,
            "is_issued",
            merchant_id=statement.merchant_id,
            livemode=statement.livemode,
            number=statement.number,
            edition=statement.edition,
            start_date=statement.start_date,
            end_date=statement.end_date,
        )
    )


def _periods(asked: Sequence[Asked]) -> dict[str, list[Any]]:
    return {
        "merchants": [each.merchant_id for each in asked],
        "currencies": [each.currency for each in asked],
        "starts": [each.start_date for each in asked],
        "ends": [each.end_date for each in asked],
    }
