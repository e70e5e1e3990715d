"""Which business days may still be posted to."""

from datetime import date
from typing import Final

from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger")


async def open_from(connection: Connection) -> date | None:
    """The first of them; None while no month was ever closed. In a transaction, no month closes
    before it ends."""
    found: date | None = await QUERIES.scalar(connection, "open_from")
    return found
