"""What the books say was charged for captures, and what of it was given back."""

from collections.abc import Collection
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from online.ledger.recipes import Tax
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "charged.sql")


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """Money that moved and what it cost; minor units, never negative."""

    amount_minor: int = 0
    fee_minor: int = 0
    tax: Tax = Tax()


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    amount_minor: int
    fee_minor: int
    igst_minor: int
    cgst_minor: int
    sgst_minor: int


async def charged(connection: Connection, causes: Collection[UUID]) -> Charged:
    """Over the captures of these attempts; other operations among them count for nothing."""
    row = await _sums(connection, causes, "capture")
    tax = Tax(igst_minor=row.igst_minor, cgst_minor=row.cgst_minor, sgst_minor=row.sgst_minor)
    return Charged(amount_minor=row.amount_minor, fee_minor=row.fee_minor, tax=tax)


async def returned(connection: Connection, causes: Collection[UUID]) -> Charged:
    """Fee and tax that went back with the refunds of these attempts; `amount_minor` is both."""
    row = await _sums(connection, causes, "fee_returned")
    tax = Tax(igst_minor=-row.igst_minor, cgst_minor=-row.cgst_minor, sgst_minor=-row.sgst_minor)
    return Charged(amount_minor=row.amount_minor, fee_minor=-row.fee_minor, tax=tax)


async def _sums(connection: Connection, causes: Collection[UUID], kind: str) -> _Row:
    return await QUERIES.one(connection, "charged", _Row, causes=list(causes), kind=kind)


class _Day(msgspec.Struct, frozen=True):
    day: date


async def capture_days(connection: Connection, causes: Collection[UUID]) -> set[date]:
    """The business days on which the captures of these attempts were posted."""
    rows = await QUERIES.all(connection, "capture_days", _Day, causes=list(causes))
    return {row.day for row in rows}
