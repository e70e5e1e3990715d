"""Reads of `risk_activity` and `risk_labels`, and how their rows are written by the writer."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg import AsyncRawCursor
from psycopg.rows import tuple_row

from models.fraud.features import FEATURES, Number
from models.fraud.tiles import bounds
from online.devices.trust import Use
from online.platform.copy_binary import Table
from online.platform.sql import Connection, load_queries
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

# Numbered by us: the driver would look for the names in this long statement at each call.
_PARAMETERS: Final = tuple(dict.fromkeys(re.findall(r"%\((\w+)\)s", QUERIES["raw_features"])))
_FEATURES: Final = re.sub(
    r"%\((\w+)\)s", lambda m: f"${_PARAMETERS.index(m[1]) + 1}", QUERIES["raw_features"]
).encode()


def parameters(payment: RiskInput) -> dict[str, object]:
    """What the query of features is called with."""
    return bounds(payment.at) | {
        "customer_key": payment.customer_key,
        "card_key": payment.card_key,
        "vpa_key": payment.vpa_key,
        "device_key": payment.device_key,
        "ip_key": payment.ip_key,
        "merchant_id": payment.merchant_id,
        "livemode": payment.livemode,
    }


async def raw_features(connection: Connection, payment: RiskInput) -> tuple[str, dict[str, Number]]:
    """The snapshot read under, and every aggregate of the payment as of its time.

    Whole numbers or None: sums of squares pass 64 bits, PostgreSQL answers them as numeric.
    """
    given = parameters(payment)
    async with AsyncRawCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(_FEATURES, [given[name] for name in _PARAMETERS], prepare=True)
        row = await cursor.fetchone()
    if row is None:
        raise LookupError("the query of features answers one row, always")
    snapshot, *found = row
    whole = (None if value is None else int(value) for value in found)
    return snapshot, dict(zip(_NAMES, whole, strict=True))


async def use_of_device(
    connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
) -> Use:
    """Payments that named one of `names` before `at`."""
    return await OF_DEVICES.one(
        connection, "use_of_device", Use, names=list(names), at=at, livemode=livemode
    )
