"""What happens to a refund."""

from typing import ClassVar

from online.kernel.event import Event


class RefundCreated(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.created"
    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    attempt_id: str
    rail: str
    reason: str | None = None
    mdr_on_refund: str = "kept"  # the merchant's contract when the refund was asked for
    escrow_id: str | None = None  # that it is taken from
    method: str | None = None  # of the payment


class RefundSucceeded(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.succeeded"
    rail_reference: str | None = None
    fee_returned: int = 0
    tax_returned: int = 0


class RefundFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.failed"
    code: str


class RefundUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "refund.unknown"
    code: str | None = None
