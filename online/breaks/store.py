"""Breaks in PostgreSQL. Writes go through the writer, by `BREAKS`."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.breaks.domain import Break, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.breaks")

BREAKS: Final = Aggregate(
    Snapshot(
        "breaks",
        "id uuid, kind text, side text, rail text, reference text, row_ids text[],"
        "expected_minor int8, actual_minor int8, currency text, business_date date, reason text,"
        "state text, version int8, livemode bool, opened_at timestamptz, closed_at timestamptz,"
        "generation int8, cause text, owner text, opened_on date, at_stake_minor int8,"
        "suspense_minor int8, suspense_account text, suspense_cause uuid, tat_due_on date,"
        "tat_per_day_minor int8, explanation text, write_off_reason text, requested_by text,"
        "decided_by text, decided_at timestamptz, moved_minor int8, moved_to text",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which breaks are asked for; what is None does not matter. `upto` is the latest day."""

    livemode: bool
    state: str | None = None
    kind: str | None = None
    owner: str | None = None
    upto: date | None = None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a break."""

    event_type: str
    version: int
    at: datetime
    actor: str | None
    data: dict[str, Any]


async def by_ids(connection: Connection, break_ids: Collection[UUID]) -> dict[UUID, Break]:
    rows = await QUERIES.all(connection, "by_ids", Break, ids=list(break_ids))
    return {row.id: row for row in rows}


async def get(connection: Connection, break_id: UUID, *, livemode: bool) -> Break | None:
    return await QUERIES.one_or_none(connection, "get", Break, id=break_id, livemode=livemode)


async def page(connection: Connection, wanted: Filter, asked: Window) -> list[Break]:
    """Newest day first; one more than asked for where there is more."""
    return await QUERIES.all(
        connection,
        "page",
        Break,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(wanted),
    )


async def history(connection: Connection, break_id: UUID) -> list[Logged]:
    """All that happened to it, oldest first."""
    return await QUERIES.all(connection, "history", Logged, id=break_id)
