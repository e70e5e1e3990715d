"""Settlements in PostgreSQL. Writes go through the writer, by `SETTLEMENTS`."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Final
from uuid import UUID

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.sql import Connection, load_queries
from online.settlements.domain import Settlement, apply

QUERIES: Final = load_queries("online.settlements")

SETTLEMENTS: Final = Aggregate(
    Snapshot(
        "settlements",
        "id uuid, merchant_id uuid, business_date date, currency text, status text,"
        "gross_minor int8, refunds_minor int8, disputes_minor int8, fees_minor int8,"
        "tax_minor int8, reserve_minor int8, net_minor int8, payout_attempt_id uuid, utr text,"
        "warehouse_snapshot int8, version int8, livemode bool, created_at timestamptz,"
        "starts_at timestamptz, ends_at timestamptz, released_minor int8, carried_minor int8,"
        "reserve_due_minor int8, tds_due_minor int8, tds_minor int8, withheld_minor int8,"
        "payout_minor int8, carried_out_minor int8, pay_on date, release_on date,"
        "reserve_released_on date, payout_code text",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, settlement_id: UUID) -> Settlement | None:
    return await QUERIES.one_or_none(connection, "get", Settlement, id=settlement_id)


async def page(
    connection: Connection, merchant_id: UUID | None, *, after: UUID | None, most: int
) -> list[Settlement]:
    """Newest period first; None is everybody."""
    return await QUERIES.all(
        connection, "page", Settlement, merchant_id=merchant_id, after=after, most=most
    )


async def since(connection: Connection, merchant_id: UUID, day: date) -> list[Settlement]:
    return await QUERIES.all(connection, "since", Settlement, merchant_id=merchant_id, day=day)


async def covering(
    connection: Connection,
    *,
    merchant_id: UUID,
    currency: str,
    livemode: bool,
    days: Collection[date],
) -> list[Settlement]:
    """The settlements whose periods touch any of these business days, oldest first."""
    return await QUERIES.all(
        connection,
        "covering",
        Settlement,
        merchant_id=merchant_id,
        currency=currency,
        livemode=livemode,
        days=list(days),
    )


async def latest(
    connection: Connection, whose: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Settlement]:
    """The last settlement of each merchant and currency that has one."""
    rows = await QUERIES.all(
        connection,
        "latest",
        Settlement,
        merchants=[merchant for merchant, _ in whose],
        currencies=[currency for _, currency in whose],
    )
    return {(row.merchant_id, row.currency): row for row in rows}


End = tuple[UUID, str, datetime]


async def ending(connection: Connection, ends: Collection[End]) -> dict[End, Settlement]:
    """Those settlements of a merchant and currency that end at these instants."""
    rows = await QUERIES.all(
        connection,
        "ending",
        Settlement,
        merchants=[end[0] for end in ends],
        currencies=[end[1] for end in ends],
        ends=[end[2] for end in ends],
    )
    return {(row.merchant_id, row.currency, row.ends_at): row for row in rows}


async def to_pay(connection: Connection, today: date, most: int) -> list[Settlement]:
    return await QUERIES.all(connection, "to_pay", Settlement, today=today, most=most)


async def to_release(connection: Connection, today: date, most: int) -> list[Settlement]:
    return await QUERIES.all(connection, "to_release", Settlement, today=today, most=most)
