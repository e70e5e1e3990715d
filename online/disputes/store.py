"""Disputes in PostgreSQL. Writes go through the writer, by `DISPUTES` and `EVIDENCE`."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from online.disputes.domain import Dispute, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.copy_binary import Table
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.disputes")

DISPUTES: Final = Aggregate(
    Snapshot(
        "disputes",
        "id uuid, payment_id uuid, merchant_id uuid, attempt_id uuid, rail text,"
        "rail_reference text, status text, reason_code text, reason text, amount_minor int8,"
        "currency text, respond_by timestamptz, evidence_sha256 text, evidence_at timestamptz,"
        "evidence_sent_at timestamptz, fee_minor int8, tax_minor int8, closed_at timestamptz,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)
EVIDENCE: Final = Table(
    "dispute_evidence",
    "dispute_id uuid, merchant_id uuid, body text, sha256 text, livemode bool,"
    "created_at timestamptz",
)


async def get(connection: Connection, dispute_id: UUID) -> Dispute | None:
    """Any dispute; for use cases that hold its id from our own records."""
    return await QUERIES.one_or_none(connection, "get", Dispute, id=dispute_id)


async def get_of_merchant(
    connection: Connection, dispute_id: UUID, merchant_id: UUID, *, livemode: bool
) -> Dispute | None:
    """A dispute as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection,
        "get_of_merchant",
        Dispute,
        id=dispute_id,
        merchant_id=merchant_id,
        livemode=livemode,
    )


async def by_references(
    connection: Connection, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Dispute]:
    """Known ones among (rail, the rail's reference)."""
    rows = await QUERIES.all(
        connection,
        "by_references",
        Dispute,
        rails=[rail for rail, _ in keys],
        references=[reference for _, reference in keys],
    )
    return {(row.rail, row.rail_reference): row for row in rows}


async def of_payment(connection: Connection, payment_id: UUID) -> list[Dispute]:
    return await QUERIES.all(connection, "of_payment", Dispute, payment_id=payment_id)


async def page(
    connection: Connection,
    merchant_id: UUID,
    asked: Window,
    *,
    livemode: bool,
    status: str | None,
    payment_id: UUID | None,
) -> list[Dispute]:
    return await QUERIES.all(
        connection,
        "page",
        Dispute,
        merchant_id=merchant_id,
        livemode=livemode,
        status=status,
        payment_id=payment_id,
        after=asked.after,
        most=asked.most,
    )


async def overdue(connection: Connection, now: datetime, most: int) -> list[Dispute]:
    return await QUERIES.all(connection, "overdue", Dispute, now=now, most=most)


async def claim_to_ask(
    connection: Connection, now: datetime, before: datetime, most: int
) -> list[Dispute]:
    """Open disputes last asked about at `before` or earlier."""
    return await QUERIES.all(connection, "claim_to_ask", Dispute, now=now, before=before, most=most)


async def claim_to_send(
    connection: Connection, now: datetime, before: datetime, most: int
) -> list[Dispute]:
    """Disputes whose evidence was last tried at `before` or earlier."""
    return await QUERIES.all(
        connection, "claim_to_send", Dispute, now=now, before=before, most=most
    )


async def evidence_body(connection: Connection, dispute_id: UUID) -> str | None:
    body: str | None = await QUERIES.scalar(connection, "evidence_body", dispute_id=dispute_id)
    return body
