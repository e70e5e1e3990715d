"""What happens to a dispute."""

from datetime import datetime
from typing import ClassVar

from online.kernel.event import Event


class DisputeOpened(Event, frozen=True, kw_only=True):
    """A payer asked their bank for the money back; the amount leaves the merchant's balance."""

    TYPE: ClassVar[str] = "dispute.opened"
    payment_id: str
    merchant_id: str
    attempt_id: str  # that authorized the payment
    rail: str
    rail_reference: str
    reason_code: str  # as the network says it
    reason: str  # what it means: fraudulent, not_received, …
    amount: int
    currency: str
    respond_by: datetime


class DisputeEvidenceSubmitted(Event, frozen=True, kw_only=True):
    """`sha256` of the evidence as stored; the text itself may name people and stays outside."""

    TYPE: ClassVar[str] = "dispute.evidence_submitted"
    sha256: str


class DisputeEvidenceSent(Event, frozen=True, kw_only=True):
    """The rail has taken the evidence."""

    TYPE: ClassVar[str] = "dispute.evidence_sent"


class DisputeDeadlinePassed(Event, frozen=True, kw_only=True):
    """Nothing was said against it in time."""

    TYPE: ClassVar[str] = "dispute.deadline_passed"


class DisputeWon(Event, frozen=True, kw_only=True):
    """The amount comes back to the merchant."""

    TYPE: ClassVar[str] = "dispute.won"


class DisputeLost(Event, frozen=True, kw_only=True):
    """The amount is the payer's; the merchant is charged a fee and the tax on it."""

    TYPE: ClassVar[str] = "dispute.lost"
    fee: int = 0
    tax: int = 0
