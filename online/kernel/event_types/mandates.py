"""What happens to a mandate, and to each execution of one. Days are India's."""

from datetime import date, datetime
from typing import Any, ClassVar

from online.kernel.event import Event


class MandateCreated(Event, frozen=True, kw_only=True):
    """Asked for by the merchant. `debit_rule` says on which days of a period, by `debit_day`;
    `amount` is what a mandate with a schedule of its own debits each time."""

    TYPE: ClassVar[str] = "mandate.created"
    merchant_id: str
    customer_id: str
    mcc: str
    max_amount: int
    currency: str
    amount_rule: str
    frequency: str
    start_on: date
    end_on: date
    purpose: str
    instrument: str
    instrument_mask: str
    debit_rule: str | None = None
    debit_day: int | None = None
    amount: int | None = None
    handle_id: str | None = None


class MandateRequested(Event, frozen=True, kw_only=True):
    """It was sent to the rail, which asks the payer."""

    TYPE: ClassVar[str] = "mandate.requested"
    attempt_id: str
    route: str
    rail: str
    route_decision: dict[str, Any] | None = None


class MandatePending(Event, frozen=True, kw_only=True):
    """The payer has still to approve it."""

    TYPE: ClassVar[str] = "mandate.pending"
    attempt_id: str
    next_action: dict[str, Any]


class MandateActivated(Event, frozen=True, kw_only=True):
    """The payer approved it; `umn` is its number at the switch."""

    TYPE: ClassVar[str] = "mandate.activated"
    attempt_id: str
    umn: str | None = None
    next_debit_on: date | None = None


class MandateFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "mandate.failed"
    attempt_id: str
    code: str
    decline_code: str | None = None
    message: str = ""


class MandatePaused(Event, frozen=True, kw_only=True):
    """`by` is the merchant or the payer."""

    TYPE: ClassVar[str] = "mandate.paused"
    by: str


class MandateResumed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "mandate.resumed"
    by: str
    next_debit_on: date | None = None


class MandateRevoked(Event, frozen=True, kw_only=True):
    """Over at once; `attempt_id` tells the rail where the merchant revoked."""

    TYPE: ClassVar[str] = "mandate.revoked"
    by: str
    attempt_id: str | None = None


class MandateRevocationTold(Event, frozen=True, kw_only=True):
    """The rail knows that it is revoked."""

    TYPE: ClassVar[str] = "mandate.revocation_told"
    attempt_id: str | None = None


class MandateRevocationDelayed(Event, frozen=True, kw_only=True):
    """The rail would not take it; it is told again at `again_at`."""

    TYPE: ClassVar[str] = "mandate.revocation_delayed"
    attempt_id: str
    again_at: datetime
    code: str | None = None


class MandateRevocationSent(Event, frozen=True, kw_only=True):
    """The rail is told again."""

    TYPE: ClassVar[str] = "mandate.revocation_sent"
    attempt_id: str


class MandateScheduled(Event, frozen=True, kw_only=True):
    """By its own schedule: an execution was made, and the day of the next one."""

    TYPE: ClassVar[str] = "mandate.scheduled"
    execution_id: str
    next_debit_on: date | None = None


class MandateSkipped(Event, frozen=True, kw_only=True):
    """A period of its own schedule passes without a debit, since `reason`."""

    TYPE: ClassVar[str] = "mandate.skipped"
    period: date
    reason: str
    next_debit_on: date | None = None


class MandateCompleted(Event, frozen=True, kw_only=True):
    """All that it was for is done."""

    TYPE: ClassVar[str] = "mandate.completed"


class MandateExpired(Event, frozen=True, kw_only=True):
    """Its last day is over."""

    TYPE: ClassVar[str] = "mandate.expired"


class ExecutionScheduled(Event, frozen=True, kw_only=True):
    """`period` is the first day of the period it uses up, `until_on` the last; the notice goes out
    at `notice_at`."""

    TYPE: ClassVar[str] = "mandate_execution.scheduled"
    mandate_id: str
    merchant_id: str
    customer_id: str
    amount: int
    currency: str
    period: date
    debit_on: date
    until_on: date
    notice_at: datetime
    by: str


class ExecutionNoticeDelayed(Event, frozen=True, kw_only=True):
    """The rail has not taken the notice; it is given again at `notice_at`."""

    TYPE: ClassVar[str] = "mandate_execution.notice_delayed"
    notice_at: datetime


class ExecutionNoticeSent(Event, frozen=True, kw_only=True):
    """The payer was told, so that they may revoke; nothing is debited before `debit_from`."""

    TYPE: ClassVar[str] = "mandate_execution.notice_sent"
    debit_from: datetime


class ExecutionTried(Event, frozen=True, kw_only=True):
    """A payment was made for it. `factor_required`: the payer has to give their PIN."""

    TYPE: ClassVar[str] = "mandate_execution.tried"
    payment_id: str
    factor_required: bool = False


class ExecutionRequiresAction(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "mandate_execution.requires_action"
    payment_id: str


class ExecutionUnknown(Event, frozen=True, kw_only=True):
    """Nobody knows yet whether the money moved: nothing is tried until that is known."""

    TYPE: ClassVar[str] = "mandate_execution.unknown"
    payment_id: str


class _Refusal(Event, frozen=True, kw_only=True):
    code: str
    decline_code: str | None = None
    message: str = ""


class ExecutionTryFailed(_Refusal, frozen=True, kw_only=True):
    """It is tried again at `next_try_at`. Without a payment: refused before there was one."""

    TYPE: ClassVar[str] = "mandate_execution.try_failed"
    next_try_at: datetime
    payment_id: str | None = None


class ExecutionPutOff(Event, frozen=True, kw_only=True):
    """Nothing could be tried; this is no try."""

    TYPE: ClassVar[str] = "mandate_execution.put_off"
    code: str
    next_try_at: datetime


class ExecutionSucceeded(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "mandate_execution.succeeded"
    payment_id: str
    amount: int


class ExecutionFailed(_Refusal, frozen=True, kw_only=True):
    """For good."""

    TYPE: ClassVar[str] = "mandate_execution.failed"
    payment_id: str | None = None


class ExecutionCanceled(Event, frozen=True, kw_only=True):
    """Before it was tried, or between two tries. Its period is free again if it never was."""

    TYPE: ClassVar[str] = "mandate_execution.canceled"
    reason: str
