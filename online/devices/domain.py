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
from online.ledger.change import FOREVER, LimitMove, close, guard, reopen


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
    (S.PENDING, ev.DeviceBlocked): S.PENDING,
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
PROVED: Final = frozenset({S.COOLING, S.ACTIVE})
_BOUND: Final = PROVED | {S.SUSPENDED}  # takes a place among its customer's devices
_STOPPED: Final = frozenset({S.SUSPENDED, S.REVOKED})


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
    challenges: int  # asked for since the last proof
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

    @property
    def guarded(self) -> LimitMove:
        """Refuses a change that this device has part in once it is stopped, even just now."""
        return guard(subject_of(self.id), self.livemode, DeviceClosed)

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
    challenges: int


@dataclass(eq=False)
class DeviceBlocked(RateLimited):
    """Too many wrong proofs or challenges; nothing is tried until the block is over."""

    code: ClassVar[str] = "device_blocked"


@dataclass(eq=False)
class DeviceNotTrusted(Conflict):
    """The device is not the customer's, has proved nothing yet, or was stopped."""

    code: ClassVar[str] = "device_not_trusted"


@dataclass(eq=False)
class TooManyDevices(Conflict):
    """The customer has as many devices bound as their type allows; one has to be revoked before."""

    code: ClassVar[str] = "too_many_devices"


@dataclass(eq=False)
class ChallengeExpired(Conflict):
    """Linking again gives a new challenge."""

    code: ClassVar[str] = "challenge_expired"


@dataclass(eq=False)
class ProofInvalid(Refused):
    """The signature is not one over the challenge by the device's key."""

    code: ClassVar[str] = "proof_invalid"


@dataclass(eq=False)
class DeviceClosed(Conflict):
    """The device was suspended or revoked: nothing is paid by it."""

    code: ClassVar[str] = "device_closed"


def subject_of(device_id: UUID) -> str:
    """How a device is named among counters, where one that is closed stops its payments."""
    return f"device:{device_id}"


def apply(state: Device | None, occurred: Occurred) -> Device:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.DeviceLinked):
        return _linked(event, occurred)
    assert state is not None
    changes = {"status": status, "version": occurred.version, "updated_at": occurred.at}
    return msgspec.structs.replace(state, **changes | _changes(state, event, occurred.at))


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
        challenges=1,
        blocked_until=None,
        verified_at=None,
        cooling_until=None,
        reason=None,
        version=occurred.version,
        livemode=occurred.livemode,
        created_at=occurred.at,
        updated_at=occurred.at,
    )


def _changes(state: Device, event: Event, at: datetime) -> dict[str, Any]:
    match event:
        case ev.DeviceChallenged():
            return {
                "challenge_expires_at": event.challenge_expires_at,
                "challenges": state.challenges + 1,
            }
        case ev.DeviceRelinked():
            return {
                "platform": event.platform,
                "key_hash": event.key_hash,
                "sim_hash": event.sim_hash,
                "challenge_expires_at": event.challenge_expires_at,
                "challenges": state.challenges + 1,
                "verified_at": None,
                "cooling_until": None,
            }
        case ev.DeviceProofFailed():
            return {"wrong_proofs": event.attempt, "blocked_until": event.blocked_until}
        case ev.DeviceBlocked():
            return {"blocked_until": event.blocked_until, "challenges": 0}
        case ev.DeviceVerified():
            proved = {"wrong_proofs": 0, "challenges": 0, "blocked_until": None, "verified_at": at}
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
    looked at for its block. `DeviceBlocked` when something new is claimed meanwhile; one challenge
    too many blocks it, which has to be written down.
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
    stale = known.status is S.PENDING and now >= known.challenge_expires_at
    if (changed or stale) and known.challenges >= rule.challenges:
        return ev.DeviceBlocked(blocked_until=now + rule.block)
    if changed:
        return ev.DeviceRelinked(
            platform=claim.platform,
            key_hash=claim.key_hash,
            sim_hash=claim.sim_hash or known.sim_hash,
            challenge_expires_at=expires_at,
        )
    if stale:
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


def counters(
    before: Device | None, after: Device, places: int | None = None
) -> tuple[LimitMove, ...]:
    """What a move changes beside the device: its place among its customer's (`places`, asked for
    where one is taken), and whether payments that name it are refused."""
    livemode, moves = after.livemode, []
    was_bound = before is not None and before.status in _BOUND
    if was_bound != (after.status in _BOUND):
        moves.append(
            LimitMove(
                subject=f"customer:{after.customer_id}",
                rule="devices",
                window_start=FOREVER,
                delta=-1 if was_bound else 1,
                cap=places or 0,
                livemode=livemode,
                refusal=TooManyDevices,
            )
        )
    subject = subject_of(after.id)
    if before is None:  # from here on there is a row that both sides lock
        return (*moves, close(subject, livemode), reopen(subject, livemode))
    was_stopped, is_stopped = before.status in _STOPPED, after.status in _STOPPED
    if was_stopped != is_stopped:
        moves.append((close if is_stopped else reopen)(subject, livemode))
    return tuple(moves)


def settled(device: Device, now: datetime) -> list[Event]:
    """What time has done that no event says yet; it goes before whatever comes next."""
    due = device.status is S.COOLING and device.state_at(now) is S.ACTIVE
    return [ev.DeviceActivated()] if due else []


def blocked(device: Device, now: datetime) -> DeviceBlocked:
    until = device.blocked_until or now
    seconds = max(1, int((until - now).total_seconds()))
    return DeviceBlocked(
        f"too many tries; blocked until {until.isoformat()}", retry_after_s=seconds
    )
