"""Closed months in PostgreSQL: written once, never changed."""

from datetime import date, datetime
from typing import Final

from online.kernel.months import Month
from online.periods.domain import AccountPeriod, Period
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.periods")


async def periods(connection: Connection) -> list[Period]:
    """Newest first."""
    return await QUERIES.all(connection, "periods", Period, month=None)


async def get(connection: Connection, month: Month) -> Period | None:
    return await QUERIES.one_or_none(connection, "periods", Period, month=month.first)


async def last_closed(connection: Connection) -> Month | None:
    found: date | None = await QUERIES.scalar(connection, "last_closed")
    return None if found is None else Month.of(found)


async def earliest(connection: Connection) -> date | None:
    """The first business day that the books have anything of."""
    found: date | None = await QUERIES.scalar(connection, "earliest")
    return found


async def close(connection: Connection, month: Month, *, by: str, at: datetime) -> bool:
    """Whether it was open. Nothing is posted until the transaction of `connection` ends."""
    done = await QUERIES.execute(connection, "close", month=month.first, closed_by=by, closed_at=at)
    return done == 1


async def record(connection: Connection, month: Month, *, at: datetime) -> None:
    """Keeps the trial balance of a month that is closed; what is kept already stays."""
    first, after = month.first, month.next.first
    await QUERIES.execute(connection, "record_balances", month=first, after=after)
    await QUERIES.execute(connection, "record_totals", month=first, recorded_at=at)


async def balances(
    connection: Connection, month: Month, *, after: str, most: int
) -> list[AccountPeriod]:
    return await QUERIES.all(
        connection, "balances", AccountPeriod, month=month.first, after=after, most=most
    )
