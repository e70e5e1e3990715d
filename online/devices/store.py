"""Devices in PostgreSQL. Writes go through the writer, by `DEVICES` and `KEYS`."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.devices.domain import Device, apply
from online.ledger.aggregate import Aggregate
from online.ledger.change import Snapshot
from online.platform.copy_binary import Table
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.devices")

DEVICES: Final = Aggregate(
    Snapshot(
        "devices",
        "id uuid, merchant_id uuid, customer_id uuid, status text, fingerprint text,"
        "platform text, key_hash text, sim_hash text, challenge_expires_at timestamptz,"
        "wrong_proofs int8, challenges int8, blocked_until timestamptz, verified_at timestamptz,"
        "cooling_until timestamptz, reason text, version int8, livemode bool,"
        "created_at timestamptz, updated_at timestamptz",
        lock=QUERIES["lock"],
        update=QUERIES["update"],
    ),
    apply,
)
KEYS: Final = Table(
    "device_keys",
    "device_id uuid, version int8, key_hash text, installation text, public_key text,"
    "livemode bool, created_at timestamptz",
)


class Bound(msgspec.Struct, frozen=True):
    """The key in the clear, and the merchant's own name of the installation."""

    installation: str
    public_key: str


async def get(connection: Connection, device_id: UUID, merchant_id: UUID) -> Device | None:
    """A device as its merchant may see it; somebody else's is not there."""
    return await QUERIES.one_or_none(
        connection, "get", Device, id=device_id, merchant_id=merchant_id
    )


async def newest_of_installation(
    connection: Connection, fingerprint: str, customer_id: UUID
) -> Device | None:
    return await QUERIES.one_or_none(
        connection,
        "newest_of_installation",
        Device,
        fingerprint=fingerprint,
        customer_id=customer_id,
    )


async def of_payment(
    connection: Connection, fingerprint: str, customer_id: UUID | None
) -> Device | None:
    return await QUERIES.one_or_none(
        connection, "of_payment", Device, fingerprint=fingerprint, customer_id=customer_id
    )


async def bound_by(connection: Connection, device: Device) -> Bound:
    return await QUERIES.one(
        connection, "bound_by", Bound, device_id=device.id, key_hash=device.key_hash
    )


async def cooled(connection: Connection, now: datetime, most: int) -> list[Device]:
    return await QUERIES.all(connection, "cooled", Device, now=now, most=most)
