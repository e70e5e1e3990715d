"""Settlements, breaks, labels: what offline brings about."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class SettlementCreated(Event, frozen=True, kw_only=True):
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


class BreakClosed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "break.closed"
    reason: str


class LabelRecorded(Event, frozen=True, kw_only=True):
    """A payment turned out to be fraud, or not; the event's time is when that became known."""

    TYPE: ClassVar[str] = "label.recorded"
    payment_id: str
    merchant_id: str
    fraud: bool
    source: str
    known_at: datetime
