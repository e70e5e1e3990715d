"""What happens to a dispute."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class DisputeOpened(Event, frozen=True, kw_only=True):
    """A payer asked their bank for the money back; the amount leaves the merchant's balance."""

    TYPE: ClassVar[str] = "dispute.opened"
    payment_id: str
    merchant_id: str
    rail: str
    rail_reference: str
    reason_code: str
    amount: int
    currency: str
    respond_by: datetime
    fee: int = 0
    tax: int = 0


class DisputeEvidenceSubmitted(Event, frozen=True, kw_only=True):
    """`sha256` of the evidence as stored; the text itself may name people and stays outside."""

    TYPE: ClassVar[str] = "dispute.evidence_submitted"
    sha256: str


class DisputeDeadlinePassed(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "dispute.deadline_passed"


class DisputeWon(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "dispute.won"


class DisputeLost(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "dispute.lost"
    fee: int = 0
    tax: int = 0
