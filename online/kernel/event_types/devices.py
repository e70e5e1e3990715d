"""What happens to a device. Fingerprint, key and SIM are keyed hashes."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class DeviceLinked(Event, frozen=True, kw_only=True):
    """Claimed for a customer; `fingerprint` and `key_hash` are keyed hashes."""

    TYPE: ClassVar[str] = "device.linked"
    merchant_id: str
    customer_id: str
    fingerprint: str
    platform: str
    key_hash: str | None = None
    sim_hash: str | None = None
    challenge_expires_at: datetime | None = None


class DeviceChallenged(Event, frozen=True, kw_only=True):
    """A new challenge, since the one before ran out."""

    TYPE: ClassVar[str] = "device.challenged"
    challenge_expires_at: datetime


class DeviceRelinked(Event, frozen=True, kw_only=True):
    """The same installation came with another key or SIM: everything has to be proved again."""

    TYPE: ClassVar[str] = "device.relinked"
    platform: str
    key_hash: str
    challenge_expires_at: datetime
    sim_hash: str | None = None


class DeviceProofFailed(Event, frozen=True, kw_only=True):
    """`attempt` counts wrong proofs since the last block; the last one it takes blocks."""

    TYPE: ClassVar[str] = "device.proof_failed"
    attempt: int
    blocked_until: datetime | None = None


class DeviceBlocked(Event, frozen=True, kw_only=True):
    """One challenge too many was asked for, and none was answered."""

    TYPE: ClassVar[str] = "device.blocked"
    blocked_until: datetime


class DeviceVerified(Event, frozen=True, kw_only=True):
    """The holder of the private key answered the challenge."""

    TYPE: ClassVar[str] = "device.verified"
    cooling_until: datetime


class DeviceActivated(Event, frozen=True, kw_only=True):
    """The cooling period has passed."""

    TYPE: ClassVar[str] = "device.activated"


class DeviceSuspended(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "device.suspended"
    reason: str | None = None


class DeviceResumed(Event, frozen=True, kw_only=True):
    """The suspension is lifted; the device cools again."""

    TYPE: ClassVar[str] = "device.resumed"
    cooling_until: datetime


class DeviceRevoked(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "device.revoked"
    reason: str | None = None
