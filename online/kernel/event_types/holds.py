"""What happens to a hold: a payer's money that is kept for a merchant and taken, or let go, later.

It follows the payment behind it; amounts are minor units.
"""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class HoldRequested(Event, frozen=True, kw_only=True):
    """`purpose`: of a block by UPI, the code that the payer's app was told."""

    TYPE: ClassVar[str] = "hold.requested"
    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    method: str
    customer_id: str | None = None
    purpose: str | None = None
    description: str | None = None


class HoldPlaced(Event, frozen=True, kw_only=True):
    """The money is kept until `expires_at`."""

    TYPE: ClassVar[str] = "hold.placed"
    amount: int
    expires_at: datetime | None = None


class HoldFailed(Event, frozen=True, kw_only=True):
    """Nothing was ever kept."""

    TYPE: ClassVar[str] = "hold.failed"
    code: str


class HoldCaptured(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "hold.captured"
    amount: int
    captured_total: int


class HoldReleased(Event, frozen=True, kw_only=True):
    """Part of it, or all, is the payer's to use again."""

    TYPE: ClassVar[str] = "hold.released"
    amount: int
    released_total: int


class HoldExtended(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "hold.extended"
    expires_at: datetime


class HoldEnded(Event, frozen=True, kw_only=True):
    """Nothing is kept any more, and something was taken."""

    TYPE: ClassVar[str] = "hold.ended"


class HoldCanceled(Event, frozen=True, kw_only=True):
    """All of it was let go."""

    TYPE: ClassVar[str] = "hold.canceled"


class HoldExpired(Event, frozen=True, kw_only=True):
    """Its time passed, and nothing had been taken."""

    TYPE: ClassVar[str] = "hold.expired"
