"""Holds as they must be: what is kept of a payment that was authorized and is taken bit by bit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

NEVER = {"failed", "blocked", "canceled", "expired"}
LONGER = timedelta(days=30)
AT_MOST = timedelta(days=90)


@dataclass
class Hold:
    """By UPI it may be kept for longer; the cards of a simulation know nothing of the kind."""

    name: str
    amount: int
    by_upi: bool
    id: str | None = None
    placed: bool = False

    def shown(self, payment: Any) -> dict[str, object]:
        """The fields of the API's answer that we know."""
        self.placed = self.placed or payment.authorized > 0
        if not self.placed:
            status = "failed" if payment.status in NEVER else "pending"
            return {"status": status, "amount": self.amount, "amount_held": 0}
        kept = payment.authorized - payment.captured
        over = "captured" if payment.captured else "canceled"
        if payment.status == "expired":
            over = "expired"
        return {
            "status": "placed" if kept else over,
            "amount": self.amount,
            "amount_held": kept,
            "amount_captured": payment.captured,
            "amount_released": self.amount - payment.authorized,
        }


def extended(payment: Any, asked_at: datetime) -> None:
    """Its network's rule counts from the request, up to the most since the payment."""
    until = min(asked_at + LONGER, payment.created_at + AT_MOST)
    payment.expires_at = max(payment.expires_at or until, until)
