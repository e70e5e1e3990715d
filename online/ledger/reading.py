"""Questions that other slices ask the books. Reading only; the writer is the one that writes."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.ledger.pending import Span, Standing, Sums
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "reading.sql")

CauseKind = tuple[UUID, str]


class _StandingRow(Sums, frozen=True, kw_only=True):
    carried_minor: int
    balance_minor: int


class _PostedRow(msgspec.Struct, frozen=True):
    cause: UUID
    kind: str


async def posted(connection: Connection, wanted: Collection[CauseKind]) -> set[CauseKind]:
    """Those of `wanted` that the books have already."""
    causes, kinds = [cause for cause, _ in wanted], [kind for _, kind in wanted]
    rows = await QUERIES.all(connection, "posted", _PostedRow, causes=causes, kinds=kinds)
    return {(row.cause, row.kind) for row in rows}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one account holds, in stored sign, and the most it may."""

    posted_minor: int = 0
    pending_minor: int = 0
    ceiling_minor: int | None = None


async def held(connection: Connection, account_id: UUID) -> Held | None:
    """None: it was never opened. Not for striped accounts."""
    return await QUERIES.one_or_none(connection, "held", Held, id=account_id)


async def standings(connection: Connection, spans: Sequence[Span]) -> list[Standing]:
    """Captures, refunds, disputes, fees and taxes of each span, and what was there before.

    In the order of `spans`, read in one statement: everything is as of one moment.
    """
    rows = await QUERIES.all(
        connection,
        "pending_standings",
        _StandingRow,
        accounts=[span.account_id for span in spans],
        starts=[span.starts_at for span in spans],
        ends=[span.ends_at for span in spans],
    )
    return [_standing(row) for row in rows]


def _standing(row: _StandingRow) -> Standing:
    sums = Sums(**{name: getattr(row, name) for name in Sums.__struct_fields__})
    return Standing(sums=sums, carried_minor=row.carried_minor, balance_minor=row.balance_minor)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a pending account, in the merchant's sign: credit positive."""

    id: UUID
    transaction_id: UUID
    kind: str
    reference: str | None
    payment_id: str | None
    amount_minor: int
    occurred_at: datetime


async def lines(connection: Connection, span: Span, *, after: UUID | None, most: int) -> list[Line]:
    """The entries of a span but settlements themselves, in the order of posting."""
    return await QUERIES.all(
        connection,
        "pending_lines",
        Line,
        account=span.account_id,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        after=after,
        most=most,
    )
