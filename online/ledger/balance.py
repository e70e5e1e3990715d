"""A locked account while a batch is decided: what it holds, and what it would refuse.

Amounts are in stored sign (debit negative); floors and ceilings speak of the normal side. A
pending amount counts against them when it is made.
"""

from dataclasses import dataclass

from online.kernel.money import INT64_MAX
from online.ledger.journal import Layer


@dataclass(slots=True)
class Delta:
    """What one change moves on an account: as it asks, and as forced journals say it happened."""

    posted: int = 0
    pending: int = 0
    forced_posted: int = 0
    forced_pending: int = 0
    own_money: bool = False  # no limit below zero counts

    def add(self, amount_minor: int, layer: Layer, *, forced: bool) -> None:
        match layer, forced:
            case "posted", False:
                self.posted += amount_minor
            case "posted", True:
                self.forced_posted += amount_minor
            case _, False:
                self.pending += amount_minor
            case _:
                self.forced_pending += amount_minor


@dataclass(slots=True)
class Balance:
    """An account's row. `sign` is 1 where credits grow it, -1 where debits do."""

    posted: int
    pending: int
    version: int
    sign: int
    floor: int | None
    ceiling: int | None
    code: str
    moved: bool = False

    @property
    def forced(self) -> int:
        """How far the account stands past its floor or ceiling."""
        if self.floor is None and self.ceiling is None:
            return 0
        least, most = self._range(0, 0)
        below = 0 if self.floor is None else self.floor - least
        above = 0 if self.ceiling is None else most - self.ceiling
        return max(0, below, above)

    def fits(self, delta: Delta) -> bool:
        """Whether both layers would still fit into 64 bits."""
        posted = self.posted + delta.posted + delta.forced_posted
        pending = self.pending + delta.pending + delta.forced_pending
        return max(abs(posted), abs(pending)) <= INT64_MAX

    def refuses(self, delta: Delta) -> bool:
        """Whether what is asked takes the account past its floor or ceiling, or further past it.

        What is forced in the same change counts as there before.
        """
        if self.floor is None and self.ceiling is None:
            return False
        posted, pending = delta.forced_posted, delta.forced_pending
        least_before, most_before = self._range(posted, pending)
        least, most = self._range(posted + delta.posted, pending + delta.pending)
        floor = max(self.floor or 0, 0) if delta.own_money else self.floor
        if floor is not None and least < min(floor, least_before):
            return True
        return self.ceiling is not None and most > max(self.ceiling, most_before)

    def post(self, amount_minor: int, layer: Layer) -> int:
        """Moves the account by one entry; answers the layer's balance after it."""
        self.version += 1
        self.moved = True
        if layer == "posted":
            self.posted += amount_minor
            return self.posted
        self.pending += amount_minor
        return self.pending

    def _range(self, posted: int, pending: int) -> tuple[int, int]:
        """The least and the most that the normal side holds after this, now and as promised."""
        now = self.sign * (self.posted + posted)
        promised = now + self.sign * (self.pending + pending)
        return min(now, promised), max(now, promised)
