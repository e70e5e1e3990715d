"""What happens to a device."""

from typing import ClassVar

from online.kernel.event import Event


class DeviceLinked(Event, frozen=True, kw_only=True):
    """Bound to a customer; `fingerprint` and `key_hash` are keyed hashes."""

    TYPE: ClassVar[str] = "device.linked"
    merchant_id: str
    customer_id: str
    fingerprint: str
    platform: str
    key_hash: str | None = None
