"""Beneficiaries and payouts, as the model knows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.simulation.things import Merchant

COOLING = timedelta(hours=24)
NO = {"declined", "failed"}


@dataclass
class Beneficiary:
    """Somebody with a VPA. `id` is told by the first answer."""

    name: str
    merchant: str
    id: str
    status: str
    edition: int
    usable_from: datetime | None

    def is_usable(self, now: datetime) -> bool:
        waited = self.usable_from is not None and self.usable_from <= now
        return self.status == "usable" or (self.status == "cooling" and waited)

    def shown(self) -> dict[str, object]:
        return {"status": self.status, "edition": self.edition}


@dataclass
class Payout:
    """Money of a merchant's payable balance on its way to a beneficiary."""

    name: str
    merchant: Merchant
    of: str  # the merchant's name
    to: Beneficiary
    edition: int
    amount: int
    id: str = ""
    status: str = "processing"
    attempt_id: str = ""

    def shown(self) -> dict[str, object]:
        return {"status": self.status, "amount": self.amount}

    def ended(self, kind: str) -> None:
        """What the bank says of one that is at the bank."""
        if kind == "approved":
            self.status = "paid"
        elif kind in NO:
            self.status = kind
            self.merchant.payable += self.amount
        elif kind in {"unknown", "not_found"}:
            self.status = "unknown"

    def found(self) -> None:
        """Paid after all, when it had counted as refused."""
        self.status = "paid"
        self.merchant.payable -= self.amount
