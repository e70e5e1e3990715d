"""Mandates and executions in PostgreSQL. Writes go through the writer."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.mandates import domain, executions
from online.mandates.domain import Mandate
from online.mandates.executions import Execution
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.mandates")

MANDATES: Final = Aggregate(
    Snapshot(
        "mandates",
        "id uuid, merchant_id uuid, customer_id uuid, status text, mcc text,"
        "max_amount_minor int8, currency text, amount_rule text, frequency text, start_on date,"
        "end_on date, debit_rule text, debit_day int8, amount_minor int8, purpose text,"
        "instrument text, instrument_mask text, handle_id text, route text, rail text,"
        "attempt_id uuid, umn text, next_action jsonb, last_error jsonb, next_debit_on date,"
        "paused_by text, revoked_by text, told bool, tell_at timestamptz, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_mandates"],
        update=QUERIES["update_mandates"],
    ),
    domain.apply,
)
EXECUTIONS: Final = Aggregate(
    Snapshot(
        "mandate_executions",
        "id uuid, mandate_id uuid, merchant_id uuid, customer_id uuid, status text,"
        "amount_minor int8, currency text, period date, debit_on date, until_on date,"
        "notice_at timestamptz, debit_from timestamptz, next_try_at timestamptz, tried int8,"
        "payments text[], factor_required bool, last_error jsonb, scheduled_by text, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_executions"],
        update=QUERIES["update_executions"],
    ),
    executions.apply,
)


class _Period(Struct, frozen=True):
    mandate_id: UUID
    period: date


class Filters(Struct, frozen=True, kw_only=True):
    """What a list shows; None does not matter."""

    status: str | None = None
    customer_id: UUID | None = None


async def get(
    connection: Connection, mandate_id: UUID, merchant_id: UUID | None = None
) -> Mandate | None:
    """`merchant_id` None is the service itself."""
    return await QUERIES.one_or_none(
        connection, "mandate", Mandate, id=mandate_id, merchant_id=merchant_id
    )


async def by_ids(connection: Connection, mandates: Collection[UUID]) -> dict[UUID, Mandate]:
    rows = await QUERIES.all(connection, "mandates", Mandate, ids=list(mandates))
    return {row.id: row for row in rows}


async def page(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Mandate]:
    """Newest first; one more than asked for where there is more."""
    return await QUERIES.all(
        connection,
        "mandate_page",
        Mandate,
        merchant_id=merchant_id,
        status=filters.status,
        customer_id=filters.customer_id,
        after=asked.after,
        most=asked.most,
    )


async def execution(
    connection: Connection,
    execution_id: UUID,
    mandate_id: UUID | None = None,
    merchant_id: UUID | None = None,
) -> Execution | None:
    """None of the owners is the service itself."""
    return await QUERIES.one_or_none(
        connection,
        "execution",
        Execution,
        id=execution_id,
        mandate_id=mandate_id,
        merchant_id=merchant_id,
    )


async def execution_page(
    connection: Connection, mandate: Mandate, status: str | None, asked: Window
) -> list[Execution]:
    """Newest first; one more than asked for where there is more."""
    return await QUERIES.all(
        connection,
        "execution_page",
        Execution,
        mandate_id=mandate.id,
        merchant_id=mandate.merchant_id,
        status=status,
        after=asked.after,
        most=asked.most,
    )


async def of_period(connection: Connection, mandate_id: UUID, period: date) -> Execution | None:
    return await QUERIES.one_or_none(
        connection, "of_period", Execution, mandate_id=mandate_id, period=period
    )


async def taken(
    connection: Connection, periods: Sequence[tuple[UUID, date]]
) -> set[tuple[UUID, date]]:
    """Those periods of those mandates that an execution uses up."""
    rows = await QUERIES.all(
        connection,
        "taken",
        _Period,
        mandates=[mandate for mandate, _ in periods],
        periods=[period for _, period in periods],
    )
    return {(row.mandate_id, row.period) for row in rows}


async def idle_of(connection: Connection, mandate_id: UUID) -> list[Execution]:
    """Executions of a mandate of which nothing is at the rail, and that are not over."""
    return await QUERIES.all(connection, "idle_of", Execution, mandate_id=mandate_id)


async def to_schedule(connection: Connection, day: date, most: int) -> list[Mandate]:
    return await QUERIES.all(connection, "to_schedule", Mandate, day=day, most=most)


async def to_notify(connection: Connection, now: datetime, most: int) -> list[Execution]:
    return await QUERIES.all(connection, "to_notify", Execution, now=now, most=most)


async def to_try(connection: Connection, now: datetime, most: int) -> list[Execution]:
    return await QUERIES.all(connection, "to_try", Execution, now=now, most=most)


async def to_cancel(connection: Connection, most: int) -> list[Execution]:
    return await QUERIES.all(connection, "to_cancel", Execution, most=most)


async def to_expire(connection: Connection, today: date, most: int) -> list[Mandate]:
    return await QUERIES.all(connection, "to_expire", Mandate, today=today, most=most)


async def to_tell(connection: Connection, now: datetime, most: int) -> list[Mandate]:
    return await QUERIES.all(connection, "to_tell", Mandate, now=now, most=most)
