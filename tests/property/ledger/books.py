"""A dictionary that keeps books: what the ledger must agree with after every step.

Written from the accounts and recipes as LEDGER says them, in signed amounts by account code,
without any of the service's own posting code.
"""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from online.kernel import ids

Leg = tuple[str, str, int]  # account code, layer, debit negative or credit positive
RAIL = "card_a"
RECEIVABLE = f"rail:{RAIL}:receivable"
REFUNDS = f"refunds:{RAIL}:payable"
IN_TRANSIT = "payouts:bank_hdfc:in_transit"


def pending(merchant: UUID) -> str:
    return f"merchant:{ids.encode('mrc', merchant)}:pending"


def payable(merchant: UUID) -> str:
    return f"merchant:{ids.encode('mrc', merchant)}:payable"


def move(from_: str, to: str, amount: int, layer: str = "posted") -> list[Leg]:
    """Dr `from_` / Cr `to`."""
    return [(from_, layer, -amount), (to, layer, amount)]


def authorized(merchant: UUID, amount: int) -> list[Leg]:
    return move(RECEIVABLE, pending(merchant), amount, "pending")


def released(merchant: UUID, amount: int) -> list[Leg]:
    return move(pending(merchant), RECEIVABLE, amount, "pending")


def captured(merchant: UUID, amount: int, fee: int, tax: int) -> list[Leg]:
    return [
        *released(merchant, amount),
        *move(RECEIVABLE, pending(merchant), amount),
        *move(pending(merchant), "fees:mdr", fee),
        *move(pending(merchant), "tax:igst", tax),
    ]


@dataclass
class PaymentInBooks:
    """What the model knows of a payment."""

    merchant: UUID
    authorized: int
    captured: int = 0
    refunded: int = 0
    refunds: dict[UUID, int] = field(default_factory=dict)  # open ones

    @property
    def uncaptured(self) -> int:
        return self.authorized - self.captured

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded - sum(self.refunds.values())


class Books:
    """Balances by account code and layer; accounts in `floors` may not fall below."""

    def __init__(self, floors: dict[str, int]) -> None:
        self.balances: Counter[tuple[str, str]] = Counter()
        self.floors = floors

    def affordable(self, legs: list[Leg]) -> bool:
        """Whether no floor is passed, nor passed further, with what is promised as gone."""
        deltas: Counter[tuple[str, str]] = Counter()
        for code, layer, amount in legs:
            deltas[code, layer] += amount
        for code in {code for code, _, _ in legs} & self.floors.keys():
            posted, promised = self.balances[code, "posted"], self.balances[code, "pending"]
            before = min(posted, posted + promised)
            posted += deltas[code, "posted"]
            promised += deltas[code, "pending"]
            if min(posted, posted + promised) < min(before, self.floors[code]):
                return False
        return True

    def below(self) -> dict[str, int]:
        """How far accounts stand below their floors, where they do."""
        found = {}
        for code, floor in self.floors.items():
            posted, promised = self.balances[code, "posted"], self.balances[code, "pending"]
            found[code] = floor - min(posted, posted + promised)
        return {code: amount for code, amount in found.items() if amount > 0}

    def post(self, legs: list[Leg]) -> None:
        for code, layer, amount in legs:
            self.balances[code, layer] += amount

    def standing(self) -> dict[tuple[str, str], int]:
        return {key: amount for key, amount in self.balances.items() if amount}
