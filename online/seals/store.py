"""The seals table: one chain, written once, never changed."""

from datetime import date, datetime
from typing import Final

import msgspec

from online.platform.sql import Connection, load_queries
from online.seals.domain import Seal
from online.seals.keys import PublicKey

QUERIES: Final = load_queries("online.seals")


async def hold_chain(connection: Connection) -> None:
    """Until the end of the transaction nobody else adds a seal."""
    await QUERIES.execute(connection, "hold_chain")


async def by_number(connection: Connection, number: int) -> Seal | None:
    return await QUERIES.one_or_none(connection, "by_number", Seal, number=number)


async def last(connection: Connection) -> Seal | None:
    return await QUERIES.one_or_none(connection, "last", Seal)


async def of_day(connection: Connection, day: date) -> list[Seal]:
    return await QUERIES.all(connection, "of_day", Seal, day=day)


async def read_before(connection: Connection, epoch: str, at: datetime) -> int:
    found: int = await QUERIES.scalar(connection, "read_before", epoch=epoch, at=at)
    return found


async def insert(connection: Connection, seal: Seal) -> None:
    await QUERIES.execute(connection, "insert", **msgspec.structs.asdict(seal))


async def page(
    connection: Connection, *, day: date | None, after: int | None, most: int
) -> list[Seal]:
    return await QUERIES.all(connection, "page", Seal, day=day, after=after, most=most)


async def keys(connection: Connection) -> list[PublicKey]:
    """Those that any seal was signed with."""
    return await QUERIES.all(connection, "keys", PublicKey)
