"""Intents in PostgreSQL. Writes go through the writer, by `INTENTS`."""

from datetime import datetime
from typing import Final
from uuid import UUID

from online.intents.domain import Intent, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.intents")

INTENTS: Final = Aggregate(
    Snapshot(
        "intents",
        "id uuid, merchant_id uuid, customer_id uuid, status text, amount_minor int8,"
        "currency text, payment_methods text[], capture_method text, priority text,"
        "description text, payment_id uuid, next_action jsonb, last_payment_error jsonb,"
        "version int8, livemode bool, created_at timestamptz, expires_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, intent_id: UUID, merchant_id: UUID) -> Intent | None:
    """An intent as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get", Intent, id=intent_id, merchant_id=merchant_id
    )


async def expired(connection: Connection, now: datetime, most: int) -> list[Intent]:
    """Intents whose time has passed and that nobody is paying."""
    return await QUERIES.all(connection, "expired", Intent, now=now, most=most)


async def overdue(
    connection: Connection, now: datetime, after: UUID | None, most: int
) -> list[Intent]:
    """Intents past their time whose payer may still act, in id order."""
    return await QUERIES.all(connection, "overdue", Intent, now=now, after=after, most=most)


async def page(
    connection: Connection, merchant_id: UUID, status: str | None, asked: Window
) -> list[Intent]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "page",
        Intent,
        merchant_id=merchant_id,
        status=status,
        after=asked.after,
        most=asked.most,
    )
