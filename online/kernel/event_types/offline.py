"""Settlements, breaks, labels: what offline brings about."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class SettlementCreated(Event, frozen=True, kw_only=True):
    """Amounts in minor units. `net` is what the period moved; what is due to the reserve and the
    tax office counts what earlier, unpaid periods left; `payout` is 0 where all stays in pending.
    """

    TYPE: ClassVar[str] = "settlement.created"
    merchant_id: str
    business_date: str
    currency: str
    gross: int
    refunds: int
    fees: int
    tax: int
    reserve: int
    net: int
    count: int
    disputes: int = 0
    warehouse_snapshot: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    reserve_released: int = 0
    carried: int = 0
    reserve_due: int = 0
    tds_due: int = 0
    tds: int = 0
    withheld: int = 0
    payout: int | None = None
    carried_out: int | None = None
    pay_on: str | None = None
    release_on: str | None = None


class SettlementCarried(Event, frozen=True, kw_only=True):
    """Nothing is paid: what there is waits for the next period."""

    TYPE: ClassVar[str] = "settlement.carried"
    carried_out: int


class SettlementMadePayable(Event, frozen=True, kw_only=True):
    """Nothing is sent: by contract the merchant pays it out itself, when and where it likes."""

    TYPE: ClassVar[str] = "settlement.made_payable"


class SettlementReserveReleased(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.reserve_released"
    amount: int
    business_date: str


class SettlementPayoutReturned(Event, frozen=True, kw_only=True):
    """The bank sent a payout back that it had paid."""

    TYPE: ClassVar[str] = "settlement.payout_returned"
    attempt_id: str
    amount: int
    returned_on: str
    code: str | None = None
    reference: str | None = None


class SettlementPayoutSent(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.payout_sent"
    attempt_id: str
    amount: int


class SettlementPayoutFailed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.payout_failed"
    attempt_id: str
    code: str | None = None


class SettlementPaid(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "settlement.paid"
    attempt_id: str
    utr: str | None = None


class BreakOpened(Event, frozen=True, kw_only=True):
    """`suspense` is what the break put on `suspense_account`: signed, credit positive."""

    TYPE: ClassVar[str] = "break.opened"
    kind: str
    side: str
    row_ids: list[str]
    business_date: str
    currency: str
    reason: str
    rail: str | None = None
    reference: str | None = None
    expected: int | None = None
    actual: int | None = None
    cause: str = "unknown"
    owner: str = "finance"
    opened_on: str | None = None
    at_stake: int = 0
    suspense: int = 0
    suspense_account: str | None = None
    suspense_cause: str | None = None
    tat_due_on: str | None = None
    tat_per_day: int = 0


class BreakAssigned(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.assigned"
    owner: str
    by: str


class BreakCommented(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.commented"
    text: str
    by: str


class BreakResolved(Event, frozen=True, kw_only=True):
    """Somebody found out what it was; `amount` is what left suspense for `account`, signed."""

    TYPE: ClassVar[str] = "break.resolved"
    explanation: str
    by: str
    account: str | None = None
    amount: int = 0


class BreakWriteOffRequested(Event, frozen=True, kw_only=True):
    """More than one person may write off alone: another one has to approve."""

    TYPE: ClassVar[str] = "break.write_off_requested"
    reason: str
    by: str


class BreakWriteOffRejected(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.write_off_rejected"
    by: str
    explanation: str | None = None


class BreakWriteOffApproved(Event, frozen=True, kw_only=True):
    """By somebody other than who asked; `amount` left suspense for `account`, signed."""

    TYPE: ClassVar[str] = "break.write_off_approved"
    by: str
    account: str
    amount: int


class BreakWrittenOff(Event, frozen=True, kw_only=True):
    """By one person alone; `amount` left suspense for `account`, signed."""

    TYPE: ClassVar[str] = "break.written_off"
    reason: str
    by: str
    account: str
    amount: int


class BreakClosed(Event, frozen=True, kw_only=True):
    """By reconciliation: the rows agree. `returned` is what a resolution or write-off had taken
    out of suspense and went back there, signed."""

    TYPE: ClassVar[str] = "break.closed"
    reason: str
    returned: int = 0


class LabelRecorded(Event, frozen=True, kw_only=True):
    """A payment turned out to be fraud, or not; the event's time is when that became known."""

    TYPE: ClassVar[str] = "label.recorded"
    payment_id: str
    merchant_id: str
    fraud: bool
    source: str  # dispute, report, review, aged
    known_at: datetime
    reason: str | None = None
