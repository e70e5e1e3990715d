"""Everything that is read about a payment before it is judged, on one connection.

Belongs here: features, lists and the linked device, as one `Evidence`. Does not: what they mean
for the score (`scoring`), or how long they may take (`service`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from models.fraud.features import Number, values
from models.fraud.rules import Circumstances, list_names
from online.devices.trust import Named, PaymentByDevice, Use
from online.platform.db import Database
from online.platform.sql import Connection
from online.risk import store
from online.risk.domain import DeviceTrust, Factor, RiskInput, device_trust, linked_trust
from online.screening.domain import Keys


class LinkedDevices(Protocol):
    """What is known of the device that a payment names (`devices` fulfils it)."""

    async def named_by(self, connection: Connection, payment: PaymentByDevice) -> Named | None: ...


class Listed(Protocol):
    """Which lists something of a payment stands on (`screening.Lists` fulfils it)."""

    async def read(
        self, connection: Connection, keys: Keys, at: datetime
    ) -> frozenset[tuple[str, str]]: ...


class Evidence(Struct, frozen=True, kw_only=True):
    """What was found. `raw` is as read, `known` is all that follows from it by name."""

    snapshot: str
    raw: Mapping[str, Number]
    known: Mapping[str, float]
    circumstances: Circumstances
    device_trust: DeviceTrust
    device_reasons: tuple[Factor, ...] = ()


class Reader:
    """Reads evidence. Cancelled, it gives its connection back to the pool."""

    def __init__(
        self, database: Database, lists: Listed, devices: LinkedDevices | None = None
    ) -> None:
        self._database = database
        self._lists = lists
        self._devices = devices

    async def read(self, payment: RiskInput) -> Evidence:
        """As of the payment's own time: features and lists, and one read more if it names a
        device."""
        async with self._database.connection() as connection:
            snapshot, raw = await store.raw_features(connection, payment)
            found = await self._lists.read(connection, keys_of(payment), payment.at)
            known = values(raw, payment.facts)
            named = await self._named(connection, payment, known)
        trust = linked_trust(named) if named else device_trust(payment.device_key, known)
        reasons = named.reasons if named else ()
        card = payment.card or {}
        return Evidence(
            snapshot=snapshot,
            raw=raw,
            known=known,
            circumstances=Circumstances(
                funding=payment.funding or "",
                card_network=card.get("network") or "",
                card_country=card.get("country") or "",
                card_category=card.get("category") or "",
                device_trust=trust.score,
                device_state=trust.state,
                lists=list_names(found),
            ),
            device_trust=trust,
            device_reasons=tuple(Factor(p.code, p.description, p.points) for p in reasons),
        )

    async def _named(
        self, connection: Connection, payment: RiskInput, known: Mapping[str, float]
    ) -> Named | None:
        """The linked device that the payment names; without a name nothing is asked."""
        if payment.device_key is None or self._devices is None:
            return None
        asked = PaymentByDevice(
            merchant_id=payment.merchant_id,
            device_id=payment.device_key,
            customer_id=payment.customer_key,
            amount_minor=payment.amount_minor,
            spent_minor=int(known["customer_sum_24h"]),
            use=Use(int(known["device_count_30d"]), int(known["device_customers_7d"])),
            at=payment.at,
        )
        return await self._devices.named_by(connection, asked)


class DeviceUse:
    """Answers `devices` how much a device is used, from the activity that risk keeps."""

    async def use_of(
        self, connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
    ) -> Use:
        return await store.use_of_device(connection, names, at=at, livemode=livemode)


def keys_of(payment: RiskInput) -> Keys:
    """What of a payment may stand on a list."""
    return Keys(
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
        card=payment.card_key,
        vpa=payment.vpa_key,
        device=payment.device_key,
        ip=payment.ip_key,
        customer=payment.customer_key,
    )
