"""What every group of moves stands on: the run, and how something is picked from the model."""

from collections.abc import Sequence
from typing import TypeVar

from tests.simulation.things import Payment
from tests.simulation.workload import Workload

T = TypeVar("T")


class Picking:
    """Base of the groups of moves."""

    def __init__(self, workload: Workload) -> None:
        self.run = workload
        self.world = workload.world
        self.model = workload.model
        self.random = workload.random

    def pick(self, things: Sequence[T]) -> T | None:
        """Mostly one of the newest: those are the ones that something is going on with."""
        if not things:
            return None
        return self.random.choice(things[-12:] if self.random.random() < 0.8 else things)

    def amount(self, most: int) -> int:
        """Anything up to `most`, its edges rather often, now and then too much."""
        edge = self.random.choice([1, most // 3, most // 2, most - 1, most, most, most + 1])
        some = self.random.randint(1, max(1, most + most // 8))
        return max(1, edge if self.random.random() < 0.5 else some)

    def known(self, *statuses: str) -> list[Payment]:
        return [
            each
            for each in self.model.payments.values()
            if each.id is not None and (not statuses or each.status in statuses)
        ]

    def likely(self, payments: list[Payment]) -> list[Payment]:
        """Mostly those with which something can be done, now and then any at all."""
        return payments if self.random.random() < 0.85 else self.known()
