"""Payments in PostgreSQL. Writes go through the writer, by `PAYMENTS`."""

from typing import Final
from uuid import UUID

from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.payments.domain import Payment, apply
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.payments")

PAYMENTS: Final = Aggregate(
    Snapshot(
        "payments",
        "id uuid, intent_id uuid, merchant_id uuid, customer_id uuid, status text,"
        "amount_minor int8, currency text, method text, capture_method text, priority text,"
        "instrument text, instrument_mask text, device_id text, funding text, card jsonb,"
        "card_checks jsonb, route text, rail text,"
        "rail_reference text, attempt_id uuid, authorized_minor int8, capture_open_minor int8,"
        "captured_minor int8, refund_open_minor int8, refunded_minor int8, reversed_minor int8,"
        "fee_minor int8, tax_minor int8, authorization_expires_at timestamptz, risk jsonb,"
        "next_action jsonb, last_error jsonb,"
        "version int8, livemode bool, created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)


async def get(connection: Connection, payment_id: UUID) -> Payment | None:
    """Any payment; for use cases that hold its id from our own records."""
    return await QUERIES.one_or_none(connection, "get", Payment, id=payment_id)


async def get_of_merchant(
    connection: Connection, payment_id: UUID, merchant_id: UUID
) -> Payment | None:
    """A payment as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get_of_merchant", Payment, id=payment_id, merchant_id=merchant_id
    )
