"""Everything that is read about a payment before it is judged, together with others that wait.

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
from online.platform.sql import BlockingConnection, Connection
from online.platform.together import Together
from online.risk import store
from online.risk.domain import DeviceTrust, Factor, RiskInput, device_trust, linked_trust
from online.screening.domain import Keys


class LinkedDevices(Protocol):
    """What is known of the device that a payment names (`devices` fulfils it)."""

    async def named_by(self, connection: Connection, payment: PaymentByDevice) -> Named | None: ...


class Listed(Protocol):
    """Which lists something of a payment stands on (`screening.Lists` fulfils it)."""

    def read(
        self, connection: BlockingConnection, asked: Sequence[tuple[Keys, datetime]]
    ) -> Sequence[frozenset[tuple[str, str]]]: ...


class Evidence(Struct, frozen=True, kw_only=True):
    """What was found. `raw` is as read, `known` is all that follows from it by name."""

    snapshot: str
    raw: Mapping[str, Number]
    known: Mapping[str, float]
    circumstances: Circumstances
    device_trust: DeviceTrust
    device_reasons: tuple[Factor, ...] = ()


class Found(Struct, frozen=True):
    """What is read of a payment. `listed`: (subject, kind) of every list it stands on."""

    snapshot: str
    raw: Mapping[str, Number]
    listed: frozenset[tuple[str, str]]


class Reader:
    """Reads evidence: payments that wait at the same moment share their statements."""

    def __init__(
        self, database: Database, lists: Listed, devices: LinkedDevices | None = None
    ) -> None:
        self._database = database
        self._lists = lists
        self._devices = devices
        self._together = Together(database, self._find, name="risk-reader")

    async def stop(self) -> None:
        await self._together.stop()

    async def read(self, payment: RiskInput) -> Evidence:
        """As of the payment's own time: features and lists, and one read more if it names a
        device."""
        found = await self._together.ask(payment)
        known = values(found.raw, payment.facts)
        named = await self._named(payment, known)
        trust = linked_trust(named) if named else device_trust(payment.device_key, known)
        reasons = named.reasons if named else ()
        card = payment.card or {}
        return Evidence(
            snapshot=found.snapshot,
            raw=found.raw,
            known=known,
            circumstances=Circumstances(
                funding=payment.funding or "",
                card_network=card.get("network") or "",
                card_country=card.get("country") or "",
                card_category=card.get("category") or "",
                device_trust=trust.score,
                device_state=trust.state,
                lists=list_names(found.listed),
            ),
            device_trust=trust,
            device_reasons=tuple(Factor(p.code, p.description, p.points) for p in reasons),
        )

    def _find(self, connection: BlockingConnection, payments: Sequence[RiskInput]) -> list[Found]:
        """Features and lists of all of them: two statements."""
        features = store.raw_features(connection, payments)
        asked = [(keys_of(payment), payment.at) for payment in payments]
        listed = self._lists.read(connection, asked)
        return [Found(*feature, lists) for feature, lists in zip(features, listed, strict=True)]

    async def _named(self, payment: RiskInput, known: Mapping[str, float]) -> Named | None:
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
        async with self._database.connection() as connection:
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
