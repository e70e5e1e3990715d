"""A repeated call is answered by its key, never judged by what its first call has changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from online.kernel.errors import Refused, RouteUnavailable
from online.platform.db import Database
from online.platform.idempotency import IdempotencyKey, KeyTaken, StoredKey
from online.platform.sql import load_queries

QUERIES: Final = load_queries("online.platform", "known_keys.sql")


@asynccontextmanager
async def replays_first(database: Database, key: IdempotencyKey) -> AsyncIterator[None]:
    """Around deciding and the first commit: a refusal of a call whose key is known becomes
    `KeyTaken`.

    A refund of all that is left, repeated, finds nothing left to refund: that is no news to its
    caller, who asked the same thing before and is owed the same answer.
    """
    try:
        yield
    except KeyTaken:
        raise
    except (Refused, RouteUnavailable):
        async with database.connection() as connection:
            stored = await QUERIES.one_or_none(
                connection, "find", StoredKey, merchant_id=key.merchant_id, key=key.key
            )
        if stored is None:
            raise
        raise KeyTaken("this Idempotency-Key is in use", "Idempotency-Key", stored) from None
