"""Transfers between two people, as the model knows them: what each answer of the bank makes of one.

None of it is a merchant's money. The memo accounts of a rail hold what its payers have been
debited; a payer's counters hold what is sent, on its way or deemed.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

UNDER_WAY = {"processing", "requires_action", "unknown"}
BELIEVED_OVER = {"failed", "canceled", "returned"}
NO = {"declined", "failed"}
MOST_A_DAY, MOST_AMOUNT_A_DAY = 20, 1_00_000_00  # of P2P: config/limits.yaml


@dataclass
class People:
    """What people have sent each other: by rail, and by payer and day."""

    memo: Counter[str] = field(default_factory=Counter)
    sent: Counter[tuple[str, date]] = field(default_factory=Counter)
    times: Counter[tuple[str, date]] = field(default_factory=Counter)

    def refuses(self, payer: str, day: date, amount: int) -> bool:
        over = self.sent[payer, day] + amount > MOST_AMOUNT_A_DAY
        return over or self.times[payer, day] >= MOST_A_DAY


@dataclass
class Transfer:
    """Amount in minor units."""

    people: People
    name: str
    merchant: str
    payer: str  # a customer's id
    day: date
    amount: int
    id: str = ""
    status: str = "processing"
    rail: str = ""
    authorization: str = ""  # the attempt that sends it
    late: bool = False

    def shown(self) -> dict[str, object]:
        return {"status": self.status, "amount": self.amount, "late": self.late}

    def counts(self, sign: int) -> None:
        self.people.sent[self.payer, self.day] += sign * self.amount
        self.people.times[self.payer, self.day] += sign

    def told(self, operation: str, kind: str) -> None:
        """What the bank says of an attempt that may still say something."""
        if operation == "void":
            self._called_off(kind)
        elif kind in {"approved", "deemed"}:
            self._debited("succeeded" if kind == "approved" else "deemed")
        elif self.status == "deemed":
            self._sent_back(kind)
        elif self.status in UNDER_WAY:
            after = {"pending": "requires_action", "unknown": "unknown"}
            self.status = after.get(kind, "failed")
            self.counts(-1 if kind in NO else 0)

    def _called_off(self, kind: str) -> None:
        if kind == "approved" and self.status == "requires_action":
            self.status = "canceled"
            self.counts(-1)

    def _debited(self, status: str) -> None:
        """Once: what was deemed is in the books already."""
        self.late = self.late or self.status in BELIEVED_OVER
        if self.status != "deemed":
            self.people.memo[self.rail] += self.amount
        self.status = status

    def _sent_back(self, kind: str) -> None:
        if kind in NO:
            self.status = "returned"
            self.people.memo[self.rail] -= self.amount
            self.counts(0 if self.late else -1)
