"""What happens to a payment handle. No VPA: a mask and keyed hashes."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class HandleCreated(Event, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`; `max_total` None: only `max_uses` ends it."""

    TYPE: ClassVar[str] = "handle.created"
    merchant_id: str
    customer_id: str
    purpose: str
    currency: str
    max_amount: int
    max_uses: int
    expires_at: datetime
    alias_hash: str
    instrument: str
    instrument_mask: str
    max_total: int | None = None


class HandleRevoked(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "handle.revoked"
    reason: str | None = None


class HandleExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "handle.expired"
