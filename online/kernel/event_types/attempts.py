"""What happens to an attempt: one call to a rail each."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class AttemptSent(Event, frozen=True, kw_only=True):
    """Committed before the rail is called.

    `order_id`: the TypeID of what ordered it, where that is no payment, refund or settlement.
    """

    TYPE: ClassVar[str] = "attempt.sent"
    operation: str
    amount: int
    currency: str
    rail: str
    route: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    settlement_id: str | None = None
    original_id: str | None = None
    next_enquiry_at: datetime | None = None
    order_id: str | None = None


class AttemptOutcome(Event, frozen=True, kw_only=True):
    """What the rail said, or that it did not; `enquiry` counts how often it was asked."""

    code: str | None = None
    rail_reference: str | None = None
    network_reference: str | None = None
    message: str = ""
    latency_ms: int | None = None
    enquiry: int = 0
    next_enquiry_at: datetime | None = None


class AttemptPending(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.pending"


class AttemptSucceeded(AttemptOutcome, frozen=True, kw_only=True):
    """`late`: after it had counted as declined or failed."""

    TYPE: ClassVar[str] = "attempt.succeeded"
    late: bool = False


class AttemptDeclined(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.declined"


class AttemptFailed(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.failed"


class AttemptDeemed(AttemptOutcome, frozen=True, kw_only=True):
    """The payer was debited; whether the payee's bank has the money, the switch says later."""

    TYPE: ClassVar[str] = "attempt.deemed"


class AttemptUnknown(AttemptOutcome, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "attempt.unknown"
