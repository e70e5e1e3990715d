"""Wallets as the model knows them: what is in one, and what became of what was loaded into it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

UNDER_WAY = {"processing", "requires_action", "unknown"}
NO = {"declined", "failed"}
CEILING, MOST_A_PAYMENT = 5_000_00, 1_000_00  # of kind `lite`: config/wallets.yaml
FIRST, MOST = timedelta(minutes=1), timedelta(hours=6)


@dataclass
class Money:
    """What rails owe for top-ups, and what they gave back twice."""

    receivable: Counter[str]
    suspense: Counter[str]


@dataclass
class Spent:
    """A payment from a wallet; amounts in minor units."""

    id: str
    amount: int
    day: date
    refunded: int = 0
    reversed: bool = False


@dataclass
class Purse:
    """A user's wallet."""

    name: str
    merchant: str
    customer: str  # its id
    balance: int = 0
    closed: bool = False
    sweep: bool = False  # the worker has to look at it
    loads: list["Load"] = field(default_factory=list)
    spent: list[Spent] = field(default_factory=list)

    @property
    def pending(self) -> int:
        return sum(load.amount for load in self.loads if load.status in UNDER_WAY)

    def shown(self) -> dict[str, object]:
        return {
            "status": "closed" if self.closed else "open",
            "balance": self.balance,
            "pending": self.pending,
            "returning": sum(load.returning + load.due for load in self.loads),
        }

    def has_room(self, amount: int) -> bool:
        return self.balance + self.pending + amount <= CEILING

    def emptied(self) -> list[tuple["Load", int]]:
        """What goes back of which top-up, the newest first."""
        left, found = self.balance, []
        for load in reversed(self.loads):
            part = min(left, load.returnable)
            if part:
                found.append((load, part))
                left -= part
        return found


@dataclass
class Load:
    """A top-up; amounts in minor units."""

    purse: Purse
    money: Money
    name: str
    amount: int
    reference: str = ""
    rail: str = ""
    id: str = ""
    status: str = "processing"
    credited: bool = False
    returning: int = 0
    due: int = 0
    returned: int = 0
    twice: int = 0
    tries: int = 0
    due_at: datetime | None = None

    @property
    def returnable(self) -> int:
        gone = self.returning + self.due + self.returned
        return self.amount - gone if self.status == "succeeded" else 0

    def shown(self) -> dict[str, object]:
        return {
            "status": self.status,
            "amount": self.amount,
            "credited": self.credited,
            "amount_returning": self.returning + self.due,
            "amount_returned": self.returned,
        }

    def told(self, operation: str, amount: int, kind: str, now: datetime) -> None:
        """What the bank says of an attempt that may still say something."""
        if operation == "refund":
            self._back(amount, kind, now)
        elif kind == "approved":
            self._came(room=True)
        else:
            after = {"pending": "requires_action", "unknown": "unknown"}
            self.status = after.get(kind, "failed")

    def turned(self, operation: str, amount: int) -> None:
        """The bank has done after all what it had refused."""
        if operation != "refund":
            self._came(room=self.purse.has_room(self.amount))
        elif amount <= self.due:
            self.due -= amount
            self.due_at = self.due_at if self.due else None
            self._gone(amount)
        else:
            self.twice += amount
            self.money.suspense[self.rail] -= amount
            self.money.receivable[self.rail] -= amount

    def _came(self, *, room: bool) -> None:
        """All of it goes back where the wallet is closed, or has no room for what was not
        expected."""
        self.status = "succeeded"
        self.money.receivable[self.rail] += self.amount
        self.credited = room and not self.purse.closed
        if self.credited:
            self.purse.balance += self.amount
        else:
            self.returning += self.amount

    def _back(self, amount: int, kind: str, now: datetime) -> None:
        if kind == "approved":
            self.returning -= amount
            self._gone(amount)
        elif kind in NO:
            self.returning -= amount
            self.due += amount
            self.due_at = now + min(FIRST * 2**self.tries, MOST)
            self.tries += 1

    def _gone(self, amount: int) -> None:
        self.returned += amount
        self.money.receivable[self.rail] -= amount
        if self.returned == self.amount:
            self.status = "returned"
