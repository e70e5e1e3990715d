"""Mandates and their executions, as the model of a simulation knows them."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.simulation.things import Payment

TAKEN = {"captured", "partially_refunded", "refunded", "reversed"}
OPEN = {"processing": "processing", "requires_action": "requires_action", "unknown": "unknown"}


@dataclass
class Mandate:
    name: str
    merchant: str
    payer: str
    id: str
    most: int
    frequency: str
    begins: date
    status: str = "active"

    def period(self, day: date) -> date:
        match self.frequency:
            case "daily":
                return day
            case "weekly":
                return day - timedelta(days=day.weekday())
            case _:
                return day.replace(day=1)


@dataclass
class Execution:
    name: str
    mandate: Mandate
    id: str
    amount: int
    day: date
    canceled: bool = False
    payments: list[Payment] = field(default_factory=list)

    @property
    def uses_up(self) -> date | None:
        """Its period, unless that is free again."""
        free = self.canceled and not self.payments
        return None if free else self.mandate.period(self.day)

    def may_be(self) -> set[str]:
        """What the service may show: exactly what the last try came to, where there was one."""
        if not self.payments:
            return {"scheduled", "notified", "retrying", "failed", "canceled"}
        last = self.payments[-1].status
        if last in TAKEN:
            return {"succeeded"}
        return {OPEN[last]} if last in OPEN else {"retrying", "failed", "canceled"}
