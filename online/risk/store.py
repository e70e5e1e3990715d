"""Reads of `risk_activity` and `risk_labels`, and how their rows are written by the writer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, SupportsInt

import msgspec
from psycopg.rows import tuple_row

from models.fraud.features import FEATURES, Number
from models.fraud.tiles import bounds
from online.devices.trust import Use
from online.platform.copy_binary import Table
from online.platform.sql import BlockingConnection, Connection, load_queries
from online.risk.domain import RiskInput

QUERIES: Final = load_queries(__package__ or "online.risk")
OF_DEVICES: Final = load_queries(__package__ or "online.risk", "devices.sql")

ACTIVITY: Final = Table(
    "risk_activity",
    "payment_id uuid, at timestamptz, customer_key text, instrument text, card_key text,"
    "vpa_key text, device_key text, ip_key text, merchant_id uuid, amount_minor int8,"
    "livemode bool",
)
LABELS: Final = Table(
    "risk_labels",
    "payment_id uuid, merchant_id uuid, instrument text, card_key text, vpa_key text,"
    "customer_key text, device_key text, ip_key text, amount_minor int8, fraud bool,"
    "known_at timestamptz, livemode bool",
)

_NAMES: Final = tuple(feature.name for feature in FEATURES)


def parameters(payments: Sequence[RiskInput]) -> dict[str, str]:
    """What the query of features is called with."""
    rows = [
        bounds(payment.at)
        | {
            "nr": nr,
            "customer_key": payment.customer_key,
            "card_key": payment.card_key,
            "vpa_key": payment.vpa_key,
            "device_key": payment.device_key,
            "ip_key": payment.ip_key,
            "merchant_id": payment.merchant_id,
            "livemode": payment.livemode,
        }
        for nr, payment in enumerate(payments)
    ]
    return {"payments": msgspec.json.encode(rows).decode()}


def raw_features(
    connection: BlockingConnection, payments: Sequence[RiskInput]
) -> list[tuple[str, dict[str, Number]]]:
    """The snapshot read under, and every aggregate of each payment as of its own time.

    Whole numbers or None: sums of squares pass 64 bits, PostgreSQL answers them as numeric.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(QUERIES["raw_features"], parameters(payments), prepare=True)
        return [
            (snapshot, dict(zip(_NAMES, map(_whole, found), strict=True)))
            for snapshot, *found in cursor
        ]


def _whole(value: SupportsInt | None) -> Number:
    return None if value is None else int(value)


async def use_of_device(
    connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
) -> Use:
    """Payments that named one of `names` before `at`."""
    return await OF_DEVICES.one(
        connection, "use_of_device", Use, names=list(names), at=at, livemode=livemode
    )
