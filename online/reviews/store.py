"""Reviews in PostgreSQL. Writes go through the writer, by `REVIEWS`."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries
from online.reviews.domain import Review, apply

QUERIES: Final = load_queries("online.reviews")

REVIEWS: Final = Aggregate(
    Snapshot(
        "reviews",
        "id uuid, payment_id uuid, merchant_id uuid, status text, amount_minor int8,"
        "currency text, score int8, level text, due_at timestamptz, assignee text,"
        "claimed_until timestamptz, outcome text, reason text, decided_at timestamptz,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)
Order = Literal["newest", "most_at_stake"]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reviews are asked for, as of `now`; what is None does not matter.

    `tenant` is the merchant that asks; `merchant` is the one that is asked about.
    """

    livemode: bool
    now: datetime
    tenant: UUID | None = None
    merchant: UUID | None = None
    status: str | None = None
    level: str | None = None
    assignee: str | None = None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a review."""

    event_type: str
    version: int
    at: datetime
    actor: str | None
    data: dict[str, Any]


async def get(
    connection: Connection, review_id: UUID, *, tenant: UUID | None, livemode: bool
) -> Review | None:
    """As its merchant may see it (`tenant`), or one of ours (None)."""
    return await QUERIES.one_or_none(
        connection, "get", Review, id=review_id, tenant=tenant, livemode=livemode
    )


async def page(connection: Connection, wanted: Filter, asked: Window, order: Order) -> list[Review]:
    """In that order; one more than asked for where there is more."""
    return await QUERIES.all(
        connection,
        order,
        Review,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(wanted),
    )


async def history(connection: Connection, review_id: UUID) -> list[Logged]:
    """All that happened to it, oldest first."""
    return await QUERIES.all(connection, "history", Logged, id=review_id)
