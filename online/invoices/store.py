"""Tax documents in PostgreSQL: written once, never changed."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from online.invoices.domain import Invoice
from online.kernel.months import Month
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.invoices")


class Original(msgspec.Struct, frozen=True):
    """An invoice that a credit note may refer to."""

    merchant_id: UUID
    month: date
    number: str
    issued_on: date
    livemode: bool


class _Last(msgspec.Struct, frozen=True):
    series: str
    sequence: int


class _Format(msgspec.Struct, frozen=True):
    invoice_id: UUID
    format: str


async def hold_numbers(connection: Connection) -> None:
    """Until the transaction ends nobody else is given a number."""
    await QUERIES.execute(connection, "hold_numbers")


async def last_numbers(connection: Connection, series: Collection[str]) -> dict[str, int]:
    rows = await QUERIES.all(connection, "last_numbers", _Last, series=list(series))
    return {row.series: row.sequence for row in rows}


async def of_month(
    connection: Connection, month: Month, currency: str, merchants: Collection[UUID]
) -> list[Invoice]:
    return await QUERIES.all(
        connection,
        "of_month",
        Invoice,
        month=month.first,
        currency=currency,
        merchants=list(merchants),
    )


async def originals(
    connection: Connection, merchants: Collection[UUID], months: Collection[Month], currency: str
) -> list[Original]:
    """Invoices of these merchants and months, oldest month first."""
    return await QUERIES.all(
        connection,
        "originals",
        Original,
        merchants=list(merchants),
        months=[month.first for month in months],
        currency=currency,
    )


async def insert(connection: Connection, invoices: Sequence[Invoice]) -> None:
    rows = msgspec.json.encode(invoices).decode()
    await QUERIES.execute(connection, "insert", rows=rows)


async def get(connection: Connection, invoice_id: UUID) -> Invoice | None:
    return await QUERIES.one_or_none(connection, "get", Invoice, id=invoice_id)


async def page(
    connection: Connection,
    *,
    merchant_id: UUID | None,
    month: Month | None,
    after: UUID | None,
    most: int,
) -> list[Invoice]:
    return await QUERIES.all(
        connection,
        "page",
        Invoice,
        merchant_id=merchant_id,
        month=month.first if month else None,
        after=after,
        most=most,
    )


async def keep_file(
    connection: Connection,
    invoice_id: UUID,
    form: str,
    *,
    sha256: bytes,
    content: bytes,
    at: datetime,
) -> bool:
    """Whether it was new."""
    kept = await QUERIES.execute(
        connection,
        "keep_file",
        invoice_id=invoice_id,
        format=form,
        sha256=sha256,
        content=content,
        created_at=at,
    )
    return kept == 1


async def file_hash(connection: Connection, invoice_id: UUID, form: str) -> bytes | None:
    found: bytes | None = await QUERIES.scalar(
        connection, "file_hash", invoice_id=invoice_id, format=form
    )
    return found


async def file_content(connection: Connection, invoice_id: UUID, form: str) -> bytes | None:
    found: bytes | None = await QUERIES.scalar(
        connection, "file_content", invoice_id=invoice_id, format=form
    )
    return found


async def formats(connection: Connection, invoice_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The formats in which each document is here."""
    found: dict[UUID, list[str]] = {id_: [] for id_ in invoice_ids}
    for row in await QUERIES.all(connection, "formats", _Format, ids=list(invoice_ids)):
        found[row.invoice_id].append(row.format)
    return found
