"""How many rows the log and the ledger have of a day."""

from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "counted.sql")


async def entries_of(connection: Connection, day: date, *, low: int) -> int:
    """Entries of a business day, all of them written by transaction `low` or later."""
    found: int = await QUERIES.scalar(connection, "entries_of", day=day, low=str(low))
    return found


class _Day(msgspec.Struct, frozen=True):
    day: date


async def entry_days(connection: Connection, first: date, last: date) -> list[date]:
    """The days of a range that have entries; the whole ledger is looked through."""
    rows = await QUERIES.all(connection, "entry_days", _Day, first=first, last=last)
    return [row.day for row in rows]


async def events_of(connection: Connection, begin: datetime, *, low: int) -> int:
    """Events of the day that begins at an instant, likewise."""
    end = begin + timedelta(days=1)
    found: int = await QUERIES.scalar(connection, "events_of", begin=begin, end=end, low=str(low))
    return found
