"""Reads of `risk_activity` and `risk_labels`, and how their rows are written by the writer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from models.fraud.features import FEATURES, Number
from online.devices.trust import Use
from online.platform.copy_binary import Table
from online.platform.sql import Connection, load_queries
from online.risk.domain import RiskInput

QUERIES: Final = load_queries(__package__ or "online.risk")
OF_DEVICES: Final = load_queries(__package__ or "online.risk", "devices.sql")

ACTIVITY: Final = Table(
    "risk_activity",
    "payment_id uuid, at timestamptz, customer_key text, instrument text, device_key text,"
    "merchant_id uuid, amount_minor int8, livemode bool",
)
LABELS: Final = Table(
    "risk_labels",
    "payment_id uuid, merchant_id uuid, instrument text, fraud bool, known_at timestamptz,"
    "livemode bool",
)

# One column a feature; only aggregates that an empty window leaves unknown may be null.
_Row: Final[type[Any]] = msgspec.defstruct(
    "RawFeatures",
    [
        ("snapshot", str),
        *((f.name, int if f.empty is not None else int | None) for f in FEATURES),
    ],
)


async def raw_features(
    connection: Connection, payment: RiskInput
) -> tuple[str, Mapping[str, Number]]:
    """The snapshot read under, and every aggregate of the payment as of its time."""
    row = await QUERIES.one(
        connection,
        "raw_features",
        _Row,
        at=payment.at,
        customer_key=payment.customer_key,
        instrument=payment.instrument,
        device_key=payment.device_key,
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
    )
    values = msgspec.structs.asdict(row)
    return values.pop("snapshot"), values


async def use_of_device(
    connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
) -> Use:
    """Payments that named one of `names` before `at`."""
    return await OF_DEVICES.one(
        connection, "use_of_device", Use, names=list(names), at=at, livemode=livemode
    )
