"""Beneficiaries and payouts in PostgreSQL. Writes go through the writer, by the aggregates."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.payouts import beneficiary, domain
from online.payouts.beneficiary import Beneficiary
from online.payouts.domain import Payout
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.payouts")

BENEFICIARIES: Final = Aggregate(
    Snapshot(
        "payout_beneficiaries",
        "id uuid, merchant_id uuid, kind text, status text, edition int8, sealed_id uuid,"
        "mask text, name_mask text, fingerprint text, ifsc text, verification text,"
        "attempt_id uuid, name_score int2, code text, usable_from timestamptz, version int8,"
        "livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_beneficiaries"],
        update=QUERIES["update_beneficiaries"],
    ),
    beneficiary.apply,
)
PAYOUTS: Final = Aggregate(
    Snapshot(
        "payouts",
        "id uuid, merchant_id uuid, beneficiary_id uuid, edition int8, status text,"
        "amount_minor int8, currency text, mode text, purpose text, purpose_code text,"
        "reference text, mask text, ifsc text, scheduled_at timestamptz, attempt_id uuid,"
        "utr text, code text, limits jsonb, version int8, livemode bool,"
        "created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock_payouts"],
        update=QUERIES["update_payouts"],
    ),
    domain.apply,
)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of payouts is narrowed by; None leaves a field open."""

    status: str | None = None
    beneficiary_id: UUID | None = None


async def beneficiary_by_id(connection: Connection, beneficiary_id: UUID) -> Beneficiary | None:
    """Any; for recovery, which holds its id from our own records."""
    return await QUERIES.one_or_none(connection, "beneficiary", Beneficiary, id=beneficiary_id)


async def beneficiary_of(
    connection: Connection, beneficiary_id: UUID, merchant_id: UUID
) -> Beneficiary | None:
    return await QUERIES.one_or_none(
        connection,
        "beneficiary_of_merchant",
        Beneficiary,
        id=beneficiary_id,
        merchant_id=merchant_id,
    )


async def beneficiaries(
    connection: Connection, merchant_id: UUID, status: str | None, asked: Window
) -> list[Beneficiary]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "beneficiaries",
        Beneficiary,
        merchant_id=merchant_id,
        status=status,
        after=asked.after,
        most=asked.most,
    )


async def cooled(connection: Connection, now: datetime, most: int) -> list[Beneficiary]:
    """Those whose waiting is over."""
    return await QUERIES.all(connection, "cooled", Beneficiary, now=now, most=most)


async def payout(connection: Connection, payout_id: UUID) -> Payout | None:
    """Any; for recovery."""
    return await QUERIES.one_or_none(connection, "payout", Payout, id=payout_id)


async def payout_of(connection: Connection, payout_id: UUID, merchant_id: UUID) -> Payout | None:
    return await QUERIES.one_or_none(
        connection, "payout_of_merchant", Payout, id=payout_id, merchant_id=merchant_id
    )


async def payouts(
    connection: Connection, merchant_id: UUID, filters: Filters, asked: Window
) -> list[Payout]:
    """Newest first, one more than asked for."""
    return await QUERIES.all(
        connection,
        "payouts",
        Payout,
        merchant_id=merchant_id,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(filters),
    )


async def due(connection: Connection, now: datetime, most: int) -> list[Payout]:
    """Scheduled ones whose time has come."""
    return await QUERIES.all(connection, "due", Payout, now=now, most=most)
