"""Devices: linking, proving, trusting. The public face of the slice.

A wrong proof is written before it is refused, so that the count survives whoever counts.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

import msgspec

from online.devices import store
from online.devices.domain import (
    PROVED,
    TERMINAL,
    Claim,
    Device,
    DeviceNotTrusted,
    ProofInvalid,
    Status,
    blocked,
    counters,
    on_link,
    on_proof,
    settled,
)
from online.devices.proofs import canonical_pem, holds, read_public_key
from online.devices.rules import DeviceRules, on
from online.devices.store import DEVICES, KEYS
from online.devices.trust import Named, PaymentByDevice, Trust, Use, reasons, trust
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.kernel.ids import InvalidId
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Append, Change
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.sql import Connection

_SWEEP: Final = 200


class LinkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """`installation` is the merchant's own id of it; `public_key` a PEM."""

    merchant_id: UUID
    customer_id: UUID
    installation: str
    platform: str
    public_key: str
    sim_hash: str | None
    livemode: bool


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do to a device; `match` refuses a version that was not the one decided on."""

    device_id: UUID
    merchant_id: UUID
    metadata: Metadata
    match: Callable[[int], None]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A device with everything that is told about it. No challenge where none can be answered."""

    device: Device
    installation: str
    state: Status
    trust: Trust
    challenge: str | None


class CustomerDirectory(Protocol):
    """Raises `NotFound` for what is not a customer of the merchant (`customers` fulfils it)."""

    async def get(self, customer_id: UUID, merchant_id: UUID) -> object: ...

    async def places(self, customer_id: UUID, merchant_id: UUID) -> int:
        """How many devices the customer may have bound at a time."""
        ...


class Usage(Protocol):
    """How much a device is used, by the names payments give it (`risk` answers, wired above)."""

    async def use_of(
        self, connection: Connection, names: Sequence[str], *, at: datetime, livemode: bool
    ) -> Use: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`. `secret` keys every hash."""

    database: Database
    writer: Writer
    clock: Clock
    customers: CustomerDirectory
    usage: Usage
    rules: DeviceRules
    secret: bytes


class Devices:
    """Use cases on devices."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def show(self, device_id: UUID, merchant_id: UUID) -> Shown:
        return await self._shown(await self._get(device_id, merchant_id))

    async def link(self, order: LinkOrder, metadata: Metadata) -> tuple[Shown, bool]:
        """The device, and whether it is new. Another key or SIM has to be proved again."""
        await self._with.customers.get(order.customer_id, order.merchant_id)
        pem = canonical_pem(read_public_key(order.public_key))
        claim = self._claim(order, pem)
        while True:
            now = self._with.clock.now()
            async with self._with.database.connection() as connection:
                known = await store.newest_of_installation(
                    connection, claim.fingerprint, claim.customer_id
                )
            rule = on(self._with.rules.binding, business_date(now)).rule
            event = on_link(known, claim, rule, now)
            if known is not None and event is None:
                return await self._shown(known), False
            assert event is not None
            moved = self._linked(known, event, order, metadata)
            before = known if not isinstance(event, ev.DeviceLinked) else None
            try:
                await self._with.writer.submit(
                    _change(before, moved, *_key_rows(moved, order, pem))
                )
            except VersionConflict:
                continue
            if isinstance(event, ev.DeviceBlocked):
                raise blocked(moved.state, now)
            return await self._shown(moved.state), isinstance(event, ev.DeviceLinked)

    def _linked(
        self, known: Device | None, event: Event, order: LinkOrder, metadata: Metadata
    ) -> Moved[Device]:
        now = self._with.clock.now()
        if known is not None and not isinstance(event, ev.DeviceLinked):
            return DEVICES.move(known, [event], now, metadata)
        origin = Origin(id=ids.new(now), merchant_id=order.merchant_id, livemode=order.livemode)
        return DEVICES.create(origin, [event], now, metadata)

    async def verify(self, ask: Ask, signature: bytes, sim_hash: str | None = None) -> Shown:
        """Proof of possession. The same proof again is answered again; one that names another SIM
        than the link did is a wrong one."""
        while True:
            now = self._with.clock.now()
            device = await self._get(ask.device_id, ask.merchant_id)
            rule = on(self._with.rules.binding, business_date(now)).rule
            async with self._with.database.connection() as connection:
                bound = await store.bound_by(connection, device)
            key = read_public_key(bound.public_key)
            good = holds(key, signature, self._challenge(device).encode())
            good = good and self._same_sim(device, sim_hash)
            if good and device.status in {Status.COOLING, Status.ACTIVE}:
                return await self._shown(device)
            event = on_proof(device, holds=good, rule=rule, now=now)
            moved = DEVICES.move(device, [event], now, ask.metadata)
            owner = (device.customer_id, device.merchant_id)
            places = await self._with.customers.places(*owner) if good else None
            try:
                await self._with.writer.submit(_change(device, moved, places=places))
            except VersionConflict:
                continue
            if isinstance(event, ev.DeviceProofFailed):
                left = 0 if event.blocked_until else rule.wrong_proofs - event.attempt
                raise ProofInvalid(
                    f"not a signature over the challenge by this device's key; {left} tries left",
                    param="signature",
                )
            return await self._shown(moved.state)

    async def suspend(self, ask: Ask, reason: str | None) -> Shown:
        return await self._move(ask, ev.DeviceSuspended(reason=reason))

    async def resume(self, ask: Ask) -> Shown:
        """Lifts a suspension; the device cools again."""
        now = self._with.clock.now()
        rule = on(self._with.rules.binding, business_date(now)).rule
        return await self._move(ask, ev.DeviceResumed(cooling_until=now + rule.cooling))

    async def revoke(self, ask: Ask, reason: str | None) -> Shown:
        """For good; the installation may be linked anew. Once more changes nothing."""
        return await self._move(ask, ev.DeviceRevoked(reason=reason))

    async def _move(self, ask: Ask, event: Event) -> Shown:
        while True:
            now = self._with.clock.now()
            device = await self._get(ask.device_id, ask.merchant_id)
            ask.match(device.version)
            if isinstance(event, ev.DeviceRevoked) and device.status in TERMINAL:
                return await self._shown(device)
            moved = DEVICES.move(device, [*settled(device, now), event], now, ask.metadata)
            try:
                await self._with.writer.submit(_change(device, moved))
            except VersionConflict:
                continue
            return await self._shown(moved.state)

    async def activate_cooled(self) -> int:
        """Records what time has done; answers how many. For the worker."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.cooled(connection, now, _SWEEP)
        metadata = Metadata(actor="worker:devices")
        moves = [DEVICES.move(device, settled(device, now), now, metadata) for device in due]
        changes = [_change(*pair) for pair in zip(due, moves, strict=True)]
        refusals = await self._with.writer.submit_all(changes)
        return sum(refusal is None for refusal in refusals)

    # ── a customer's own ─────────────────────────────────────────────────────────────────

    async def of_customer(self, name: str, customer_id: UUID, merchant_id: UUID) -> Device:
        """A customer's device, by our id or the merchant's own, that has proved its key and is
        not stopped; `DeviceNotTrusted` for any other."""
        device_id = _decoded("dev", name)
        async with self._with.database.connection() as connection:
            if device_id is not None:
                device = await store.get(connection, device_id, merchant_id)
            else:
                fingerprint = self._fingerprint(merchant_id, name)
                device = await store.of_payment(connection, fingerprint, customer_id)
        now = self._with.clock.now()
        own = device is not None and device.customer_id == customer_id
        if device is None or not own or device.state_at(now) not in PROVED:
            raise DeviceNotTrusted("no linked device of the customer", "device_id")
        return device

    async def signed_by(
        self, name: str, customer_id: UUID, merchant_id: UUID, signature: bytes, text: str
    ) -> Device:
        """The customer's ACTIVE device that signed `text`; one that cools signs nothing yet."""
        device = await self.of_customer(name, customer_id, merchant_id)
        if device.state_at(self._with.clock.now()) is not Status.ACTIVE:
            raise DeviceNotTrusted("the device still cools", "device_id")
        async with self._with.database.connection() as connection:
            bound = await store.bound_by(connection, device)
        if not holds(read_public_key(bound.public_key), signature, text.encode()):
            raise ProofInvalid("the signature is not one by this device", "signature")
        return device

    # ── trust ────────────────────────────────────────────────────────────────────────────

    async def named(
        self, name: str, customer_id: str | None, merchant_id: UUID, *, livemode: bool
    ) -> Named | None:
        """The same for whoever has read nothing yet: its use is read, too."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            use = await self._with.usage.use_of(connection, (name,), at=now, livemode=livemode)
            payment = PaymentByDevice(
                merchant_id=merchant_id,
                device_id=name,
                customer_id=customer_id,
                amount_minor=0,
                spent_minor=0,
                use=use,
                at=now,
            )
            return await self.named_by(connection, payment)

    async def named_by(self, connection: Connection, payment: PaymentByDevice) -> Named | None:
        """What is known of the device that a payment names; one indexed read."""
        customer_id = _decoded("cus", payment.customer_id)
        device_id = _decoded("dev", payment.device_id)
        if device_id is not None:
            device = await store.get(connection, device_id, payment.merchant_id)
        else:
            fingerprint = self._fingerprint(payment.merchant_id, payment.device_id)
            device = await store.of_payment(connection, fingerprint, customer_id)
        if device is None:
            return None
        day = business_date(payment.at)
        found = trust(device, payment.use, on(self._with.rules.trust, day), payment.at)
        own = customer_id is None or customer_id == device.customer_id
        why = reasons(
            found.state,
            payment,
            on(self._with.rules.risk, day),
            own=own,
            cooling_minor=on(self._with.rules.binding, day).cooling_amount_per_day_minor,
        )
        return Named(reference=device.reference, trust=found, reasons=why)

    async def _get(self, device_id: UUID, merchant_id: UUID) -> Device:
        async with self._with.database.connection() as connection:
            device = await store.get(connection, device_id, merchant_id)
        if device is None:
            raise NotFound("there is no such device")
        return device

    async def _shown(self, device: Device) -> Shown:
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            bound = await store.bound_by(connection, device)
            use = await self._with.usage.use_of(
                connection,
                (bound.installation, device.reference),
                at=now,
                livemode=device.livemode,
            )
        answerable = (
            device.status is Status.PENDING
            and not device.blocked_at(now)
            and now < device.challenge_expires_at
        )
        return Shown(
            device=device,
            installation=bound.installation,
            state=device.state_at(now),
            trust=trust(device, use, on(self._with.rules.trust, business_date(now)), now),
            challenge=self._challenge(device) if answerable else None,
        )

    # ── hashes ───────────────────────────────────────────────────────────────────────────

    def _claim(self, order: LinkOrder, pem: str) -> Claim:
        sim = order.sim_hash
        of_sim = self._keyed_hash(b"sim", order.merchant_id.bytes, sim.encode()) if sim else None
        return Claim(
            merchant_id=order.merchant_id,
            customer_id=order.customer_id,
            fingerprint=self._fingerprint(order.merchant_id, order.installation),
            platform=order.platform,
            key_hash=self._keyed_hash(b"key", pem.encode()),
            sim_hash=of_sim,
        )

    def _same_sim(self, device: Device, sim_hash: str | None) -> bool:
        """Whether a proof, if it names a SIM, came from the one that was linked."""
        if sim_hash is None or device.sim_hash is None:
            return True
        named = self._keyed_hash(b"sim", device.merchant_id.bytes, sim_hash.encode())
        return hmac.compare_digest(named, device.sim_hash)

    def _fingerprint(self, merchant_id: UUID, installation: str) -> str:
        return self._keyed_hash(b"installation", merchant_id.bytes, installation.encode())

    def _challenge(self, device: Device) -> str:
        """Follows from what is stored: nobody without our key can know the next one."""
        parts = (device.id.bytes, device.key_hash.encode())
        expires_at = device.challenge_expires_at.astimezone(UTC).isoformat().encode()
        digest = bytes.fromhex(self._keyed_hash(b"challenge", *parts, expires_at))
        nonce = urlsafe_b64encode(digest).decode().rstrip("=")
        return f"khata-device-link.v1.{device.reference}.{nonce}"

    def _keyed_hash(self, purpose: bytes, *parts: bytes) -> str:
        text = b"\x00".join((purpose, *parts))
        return hmac.new(self._with.secret, text, hashlib.sha256).hexdigest()


def _change(
    before: Device | None, moved: Moved[Device], *appends: Append, places: int | None = None
) -> Change:
    return Change(
        snapshots=(moved.row,),
        events=moved.events,
        limits=counters(before, moved.state, places),
        appends=appends,
    )


def _key_rows(moved: Moved[Device], order: LinkOrder, pem: str) -> tuple[Append, ...]:
    """The key in the clear, under the version of the event that bound it."""
    if isinstance(moved.events[-1].event, ev.DeviceChallenged | ev.DeviceBlocked):
        return ()
    device = moved.state
    row = (
        device.id,
        device.version,
        device.key_hash,
        order.installation,
        pem,
        device.livemode,
        device.updated_at,
    )
    return (Append(KEYS, (row,)),)


def _decoded(prefix: str, text: str | None) -> UUID | None:
    """An id of ours, or None for any other text."""
    try:
        return ids.decode(prefix, text) if text else None
    except InvalidId:
        return None
