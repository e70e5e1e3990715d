"""An escrow as it must be: what is set aside, and what each party has still to get.

The split is worked out here by fractions, not by the service's integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


def split(amount: int, due: Mapping[str, int]) -> dict[str, int]:
    """Whole units by weight; what is left over goes one unit each, in the order of the parties."""
    total = sum(due.values())
    parts = {who: int(Fraction(amount * part, total)) for who, part in due.items()}
    for who in [who for who in due if due[who]][: amount - sum(parts.values())]:
        parts[who] += 1
    return parts


@dataclass
class Escrow:
    """Of the owner's pending balance; `due` by the names of the parties."""

    name: str
    owner: str
    id: str
    amount: int
    due: dict[str, int]
    status: str = "agreed"
    approved: bool = False
    released: int = 0
    returned: int = 0
    paid: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(self.due.values()) if self.status in {"funded", "frozen"} else 0

    def take(self, parts: Mapping[str, int]) -> int:
        for who, part in parts.items():
            self.due[who] -= part
        if not any(self.due.values()):
            self.status = "closed"
        return sum(parts.values())

    def shown(self) -> dict[str, object]:
        return {
            "status": self.status,
            "amount": self.amount,
            "amount_held": self.held,
            "amount_released": self.released,
            "amount_returned": self.returned,
        }
