"""Wallets and top-ups in PostgreSQL. Writes go through the writer, by `WALLETS` and `TOP_UPS`."""

from datetime import datetime
from typing import Final
from uuid import UUID

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries
from online.wallets.domain import Wallet
from online.wallets.domain import apply as apply_wallet
from online.wallets.top_up import TopUp
from online.wallets.top_up import apply as apply_top_up

QUERIES: Final = load_queries("online.wallets")

WALLETS: Final = Aggregate(
    Snapshot(
        "wallets",
        "id uuid, customer_id uuid, merchant_id uuid, kind text, status text, currency text,"
        "sweep_at timestamptz, version int8, livemode bool, created_at timestamptz,"
        "updated_at timestamptz",
        lock=QUERIES["lock_wallets"],
        update=QUERIES["update_wallets"],
    ),
    apply_wallet,
)
TOP_UPS: Final = Aggregate(
    Snapshot(
        "top_ups",
        "id uuid, wallet_id uuid, customer_id uuid, merchant_id uuid, status text,"
        "amount_minor int8, currency text, purpose text, instrument text, instrument_mask text,"
        "route text, rail text, rail_reference text, attempt_id uuid, credited bool,"
        "returning_minor int8, return_due_minor int8, returned_minor int8, return_tries int2,"
        "return_due_at timestamptz, next_action jsonb, last_error jsonb, limits jsonb,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_top_ups"],
        update=QUERIES["update_top_ups"],
    ),
    apply_top_up,
)


async def wallet(connection: Connection, wallet_id: UUID) -> Wallet | None:
    """Any wallet; for use cases that hold its id from our own records."""
    return await QUERIES.one_or_none(connection, "wallet", Wallet, id=wallet_id)


async def wallet_of(connection: Connection, customer_id: UUID, merchant_id: UUID) -> Wallet | None:
    return await QUERIES.one_or_none(
        connection, "wallet_of", Wallet, customer_id=customer_id, merchant_id=merchant_id
    )


async def sweeping(connection: Connection, now: datetime, most: int) -> list[Wallet]:
    """Closed wallets that have to be looked at, the longest due first."""
    return await QUERIES.all(connection, "sweeping", Wallet, now=now, most=most)


async def top_up(connection: Connection, top_up_id: UUID) -> TopUp | None:
    """Any top-up; for recovery, which holds its id from our own records."""
    return await QUERIES.one_or_none(connection, "top_up", TopUp, id=top_up_id)


async def top_up_of_merchant(
    connection: Connection, top_up_id: UUID, merchant_id: UUID
) -> TopUp | None:
    """A top-up as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "top_up_of_merchant", TopUp, id=top_up_id, merchant_id=merchant_id
    )


async def top_ups(connection: Connection, wallet_id: UUID, asked: Window) -> list[TopUp]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection, "top_ups", TopUp, wallet_id=wallet_id, after=asked.after, most=asked.most
    )


async def has_top_ups(connection: Connection, wallet_id: UUID) -> bool:
    return bool(await QUERIES.scalar(connection, "has_top_ups", wallet_id=wallet_id))


async def returnable(connection: Connection, wallet_id: UUID, most: int) -> list[TopUp]:
    """Top-ups that still hold something of what they brought, the newest first."""
    return await QUERIES.all(connection, "returnable", TopUp, wallet_id=wallet_id, most=most)


async def returning_minor(connection: Connection, wallet_id: UUID) -> int:
    """What is on its way back to where it was loaded from."""
    return int(await QUERIES.scalar(connection, "returning", wallet_id=wallet_id))


async def return_due(connection: Connection, now: datetime, most: int) -> list[TopUp]:
    """Top-ups with something to give back that the rail had refused, the longest due first."""
    return await QUERIES.all(connection, "return_due", TopUp, now=now, most=most)
