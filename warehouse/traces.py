"""Where an attempt shows outside our own books, as lines for online's `/internal/v1/trace-links`.

Belongs here: the wire form, and the reads that feed it. Does not: sending, or finding the places
(`sql/trace_links.sql`).
"""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import msgspec

from online.kernel import ids
from warehouse.connection import Lake, Warehouse

# Statements are of one mode and currency so far.
_LIVEMODE, _CURRENCY = False, "INR"


class TraceLink(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `msgspec.json.encode(link)` is the wire form."""

    attempt: str
    hop: str
    reference: str
    at: date
    amount_minor: int | None = msgspec.field(name="amount", default=None)
    sha256: str | None = None


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was given out: what it is of, and the snapshot that it was made from."""

    statement_id: str
    merchant_id: UUID
    start_date: date
    end_date: date
    snapshot: int
    sha256: str


def links(warehouse: Lake, day: date) -> list[TraceLink]:
    """The day's links as stored."""
    found = warehouse.frame(
        'SELECT attempt, hop, reference, at_date AS "at", amount_minor, sha256 FROM trace_links'
        " WHERE business_date = $day ORDER BY attempt, hop, reference",
        day=day,
    )
    return [TraceLink(**row) for row in found.iter_rows(named=True)]


def statement_links(warehouse: Warehouse, statement: Cited) -> Iterator[TraceLink]:
    """A link for each attempt whose money the statement shows."""
    with warehouse.at_version(statement.snapshot) as lake:
        found = lake.query(
            "trace_statement",
            accounts=f"merchant:{ids.encode('mrc', statement.merchant_id)}:%",
            start_date=statement.start_date,
            end_date=statement.end_date,
            currency=_CURRENCY,
            livemode=_LIVEMODE,
        )
    for attempt, amount_minor in found.iter_rows():
        yield TraceLink(
            attempt=attempt,
            hop="statement",
            reference=statement.statement_id,
            at=statement.end_date,
            amount_minor=amount_minor,
            sha256=statement.sha256,
        )
