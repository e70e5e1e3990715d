"""Breaks in PostgreSQL. Writes go through the writer, by `BREAKS`."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from online.breaks.domain import Break, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.breaks")

BREAKS: Final = Aggregate(
    Snapshot(
        "breaks",
        "id uuid, kind text, side text, rail text, reference text, row_ids text[],"
        "expected_minor int8, actual_minor int8, currency text, business_date date, reason text,"
        "state text, version int8, livemode bool, opened_at timestamptz, closed_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def by_ids(connection: Connection, break_ids: Collection[UUID]) -> dict[UUID, Break]:
    rows = await QUERIES.all(connection, "by_ids", Break, ids=list(break_ids))
    return {row.id: row for row in rows}


async def page(
    connection: Connection,
    *,
    livemode: bool,
    state: str | None,
    kind: str | None,
    after: UUID | None,
    most: int,
) -> list[Break]:
    return await QUERIES.all(
        connection,
        "page",
        Break,
        livemode=livemode,
        state=state,
        kind=kind,
        after=after,
        most=most,
    )
