"""A device's states. Pure: events in, rows out.

A claim becomes a binding by a signature over a challenge; a binding counts in full only after it
has cooled. Another key or SIM makes it a claim again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import Conflict, RateLimited, Refused
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status


class Status(StrEnum):
    PENDING = "pending"  # claimed, nothing proved
    COOLING = "cooling"  # proved, too young to be trusted with much
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


S = Status
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.DeviceLinked): S.PENDING,
    (S.PENDING, ev.DeviceChallenged): S.PENDING,
    (S.PENDING, ev.DeviceRelinked): S.PENDING,
    (S.PENDING, ev.DeviceProofFailed): S.PENDING,
    (S.PENDING, ev.DeviceVerified): S.COOLING,
    (S.PENDING, ev.DeviceRevoked): S.REVOKED,
    (S.COOLING, ev.DeviceActivated): S.ACTIVE,
    (S.COOLING, ev.DeviceRelinked): S.PENDING,
    (S.COOLING, ev.DeviceSuspended): S.SUSPENDED,
    (S.COOLING, ev.DeviceRevoked): S.REVOKED,
    (S.ACTIVE, ev.DeviceRelinked): S.PENDING,
    (S.ACTIVE, ev.DeviceSuspended): S.SUSPENDED,
    (S.ACTIVE, ev.DeviceRevoked): S.REVOKED,
    (S.SUSPENDED, ev.DeviceResumed): S.COOLING,
    (S.SUSPENDED, ev.DeviceRevoked): S.REVOKED,
}
TERMINAL: Final = frozenset({S.REVOKED})


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `devices`. `fingerprint`, `key_hash` and `sim_hash` are keyed hashes."""

    id: UUID
    merchant_id: UUID
    customer_id: UUID
    status: Status
    fingerprint: str
    platform: str
    key_hash: str
    sim_hash: str | None
    challenge_expires_at: datetime
    wrong_proofs: int
    blocked_until: datetime | None
    verified_at: datetime | None
    cooling_until: datetime | None
    reason: str | None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("dev", self.id)

    def state_at(self, now: datetime) -> Status:
        """Its status, and `active` as soon as it has cooled, even before that is recorded."""
        cooled = self.cooling_until is not None and now >= self.cooling_until
        return S.ACTIVE if self.status is S.COOLING and cooled else self.status

    def blocked_at(self, now: datetime) -> bool:
        return self.blocked_until is not None and now < self.blocked_until


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a link says: whose installation this is, and what it is bound by, as keyed hashes."""

    merchant_id: UUID
    customer_id: UUID
    fingerprint: str
    platform: str
    key_hash: str
    sim_hash: str | None


class BindingRule(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take on a given day, and how many wrong proofs it takes to be blocked."""

    challenge: timedelta
    cooling: timedelta
    block: timedelta
    wrong_proofs: int


@dataclass(eq=False)
class DeviceBlocked(RateLimited):
    """Too many wrong proofs; nothing is tried until the block is over."""

    code: ClassVar[str] = "device_blocked"


@dataclass(eq=False)
class ChallengeExpired(Conflict):
    """Linking again gives a new challenge."""

    code: ClassVar[str] = "challenge_expired"


@dataclass(eq=False)
class ProofInvalid(Refused):
    """The signature is not one over the challenge by the device's key."""

    code: ClassVar[str] = "proof_invalid"


def apply(state: Device | None, occurred: Occurred) -> Device:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.DeviceLinked):
        return _linked(event, occurred)
    assert state is not None
    changes = {"status": status, "version": occurred.version, "updated_at": occurred.at}
    return msgspec.structs.replace(state, **changes | _changes(event, occurred.at))


def _linked(event: ev.DeviceLinked, occurred: Occurred) -> Device:
    return Device(
        id=occurred.aggregate_id,
        merchant_id=occurred.merchant_id,
        customer_id=ids.decode("cus", event.customer_id),
        status=S.PENDING,
        fingerprint=event.fingerprint,
        platform=event.platform,
        key_hash=event.key_hash or "",
        sim_hash=event.sim_hash,
        challenge_expires_at=event.challenge_expires_at or occurred.at,
        wrong_proofs=0,
        blocked_until=None,
        verified_at=None,
        cooling_until=None,
        reason=None,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.DeviceChallenged():
            return {"challenge_expires_at": event.challenge_expires_at}
        case ev.DeviceRelinked():
            return {
                "platform": event.platform,
                "key_hash": event.key_hash,
                "sim_hash": event.sim_hash,
                "challenge_expires_at": event.challenge_expires_at,
                "verified_at": None,
                "cooling_until": None,
            }
        case ev.DeviceProofFailed():
            return {"wrong_proofs": event.attempt, "blocked_until": event.blocked_until}
        case ev.DeviceVerified():
            proved = {"wrong_proofs": 0, "blocked_until": None, "verified_at": at}
            return proved | {"cooling_until": event.cooling_until}
        case ev.DeviceSuspended() | ev.DeviceRevoked():
            return {"reason": event.reason}
        case ev.DeviceResumed():
            return {"reason": None, "cooling_until": event.cooling_until}
        case _:
            return {}


# ── decisions ────────────────────────────────────────────────────────────────────────────


def on_link(known: Device | None, claim: Claim, rule: BindingRule, now: datetime) -> Event | None:
    """What a link means for what is known of the installation: None when nothing is new.

    `known` is the newest device of this installation and customer; a revoked one is only
    looked at for its block. `DeviceBlocked` when something new is claimed meanwhile.
    """
    expires_at = now + rule.challenge
    gone = known is None or known.status is S.REVOKED
    changed = known is not None and _differs(known, claim)
    if known is not None and known.blocked_at(now):
        if gone or changed:
            raise blocked(known, now)
        return None
    if known is None or gone:
        return ev.DeviceLinked(
            merchant_id=ids.encode("mrc", claim.merchant_id),
            customer_id=ids.encode("cus", claim.customer_id),
            fingerprint=claim.fingerprint,
            platform=claim.platform,
            key_hash=claim.key_hash,
            sim_hash=claim.sim_hash,
            challenge_expires_at=expires_at,
        )
    if changed:
        return ev.DeviceRelinked(
            platform=claim.platform,
            key_hash=claim.key_hash,
            sim_hash=claim.sim_hash or known.sim_hash,
            challenge_expires_at=expires_at,
        )
    if known.status is S.PENDING and now >= known.challenge_expires_at:
        return ev.DeviceChallenged(challenge_expires_at=expires_at)
    return None


def _differs(known: Device, claim: Claim) -> bool:
    """A SIM that is not named says nothing about the one that is known."""
    other_sim = claim.sim_hash is not None and claim.sim_hash != known.sim_hash
    return claim.key_hash != known.key_hash or other_sim


def on_proof(device: Device, *, holds: bool, rule: BindingRule, now: datetime) -> Event:
    """What a signature means; refused before it is looked at when blocked or too late."""
    if device.status is S.PENDING:
        if device.blocked_at(now):
            raise blocked(device, now)
        if now >= device.challenge_expires_at:
            raise ChallengeExpired("the challenge ran out; link the device again for a new one")
    if holds:
        return ev.DeviceVerified(cooling_until=now + rule.cooling)
    # A block that is over starts the count afresh.
    attempt = 1 if device.blocked_until is not None else device.wrong_proofs + 1
    over = attempt >= rule.wrong_proofs
    return ev.DeviceProofFailed(attempt=attempt, blocked_until=now + rule.block if over else None)


def settled(device: Device, now: datetime) -> list[Event]:
    """What time has done that no event says yet; it goes before whatever comes next."""
    due = device.status is S.COOLING and device.state_at(now) is S.ACTIVE
    return [ev.DeviceActivated()] if due else []


def blocked(device: Device, now: datetime) -> DeviceBlocked:
    until = device.blocked_until or now
    seconds = max(1, int((until - now).total_seconds()))
    return DeviceBlocked(
        f"too many wrong proofs; blocked until {until.isoformat()}", retry_after_s=seconds
    )
