"""What happens to an intent."""

from datetime import datetime
from typing import Any, ClassVar

from online.kernel.event import Event


class IntentCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.created"
    merchant_id: str
    amount: int
    currency: str
    payment_methods: list[str]
    capture_method: str
    priority: str
    expires_at: datetime
    customer_id: str | None = None
    description: str | None = None


class IntentUpdated(Event, frozen=True, kw_only=True):
    """The terms as they are from now on; only before a payment is under way."""

    TYPE: ClassVar[str] = "intent.updated"
    amount: int
    payment_methods: list[str]
    capture_method: str
    priority: str
    expires_at: datetime
    customer_id: str | None = None
    description: str | None = None


class IntentPaymentMethodAttached(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.payment_method_attached"
    method: str


class _IntentFollows(Event, frozen=True, kw_only=True):
    payment_id: str


class IntentProcessing(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.processing"


class IntentRequiresAction(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.requires_action"
    payment_id: str
    next_action: dict[str, Any]


class IntentRequiresCapture(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.requires_capture"


class IntentSucceeded(_IntentFollows, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.succeeded"


class IntentPaymentFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.payment_failed"
    payment_id: str
    error: dict[str, Any]


class IntentCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.canceled"
    reason: str | None = None


class IntentExpired(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "intent.expired"
