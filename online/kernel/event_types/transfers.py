"""What happens to a transfer between two people (P2P)."""

from datetime import datetime
from typing import Any, ClassVar

from online.kernel.event import Event
from online.kernel.event_types.payments import LimitTaken


class TransferCreated(Event, frozen=True, kw_only=True):
    """Payer and payee as keyed hashes and masks. `limits`: what it took of counters, given back
    from here when it comes to nothing; `limit_rules` every dated rule that let it pass.
    """

    TYPE: ClassVar[str] = "transfer.created"
    merchant_id: str
    amount: int
    currency: str
    customer_id: str
    device_id: str
    payer: str
    payer_mask: str
    payee: str
    payee_mask: str
    payer_handle: str | None = None
    payee_handle: str | None = None
    payee_customer_id: str | None = None
    limits: tuple[LimitTaken, ...] = ()
    limit_rules: tuple[str, ...] = ()


class TransferProcessing(Event, frozen=True, kw_only=True):
    """What risk and routing decided, with their inputs, versions and reasons."""

    TYPE: ClassVar[str] = "transfer.processing"
    attempt_id: str
    route: str
    rail: str
    risk: dict[str, Any]
    route_decision: dict[str, Any]


class TransferBlocked(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.blocked"
    risk: dict[str, Any]


class TransferRequiresAction(Event, frozen=True, kw_only=True):
    """The payer has still to say yes, in their own app."""

    TYPE: ClassVar[str] = "transfer.requires_action"
    attempt_id: str


class TransferUnknown(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.unknown"
    attempt_id: str
    code: str | None = None
    message: str = ""


class TransferDeemed(Event, frozen=True, kw_only=True):
    """The payer is debited and the credit not confirmed: by `due_at` it is, or goes back.

    `late`: after it had counted as failed or canceled.
    """

    TYPE: ClassVar[str] = "transfer.deemed"
    attempt_id: str
    code: str
    due_at: datetime
    rail_reference: str | None = None
    late: bool = False


class TransferSucceeded(Event, frozen=True, kw_only=True):
    """`late`: as of a deemed one."""

    TYPE: ClassVar[str] = "transfer.succeeded"
    attempt_id: str
    rail_reference: str | None = None
    late: bool = False


class TransferFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.failed"
    code: str
    attempt_id: str
    decline_code: str | None = None
    message: str = ""


class TransferReturned(Event, frozen=True, kw_only=True):
    """The payer has the money of a deemed transfer back."""

    TYPE: ClassVar[str] = "transfer.returned"
    attempt_id: str
    code: str


class TransferCancelRequested(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.cancel_requested"
    attempt_id: str


class TransferCancelFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.cancel_failed"
    attempt_id: str
    code: str


class TransferCanceled(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "transfer.canceled"
    attempt_id: str
