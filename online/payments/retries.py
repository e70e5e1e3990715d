"""How often a payment that failed at one rail may go on to another. Pure but for the time it asks.

A rail that fails sends its payments to the others, which then fail for being asked too much. So
each rail has a budget for tries that failed elsewhere first: a share of its own first tries, and
a few a second for a rail that has none. It is kept in each worker's memory: a rail may see the
sum of what all workers allow.
"""

import time
from collections.abc import Callable

from msgspec import Struct


class BudgetRules(Struct, frozen=True, kw_only=True):
    """`percent` of first tries, `floor_per_s` on top, at most `burst` of them saved up."""

    percent: int = 20
    floor_per_s: int = 10
    burst: int = 100


class CascadeRules(Struct, frozen=True, kw_only=True):
    """At most `max_attempts` rails are tried, none begun later than `patience_s` after the first
    was chosen.
    """

    max_attempts: int = 3
    patience_s: float = 10.0
    budget: BudgetRules = BudgetRules()


class _Bucket:
    """One rail's tokens; a try that failed elsewhere first takes one."""

    def __init__(self, rules: BudgetRules, now: float) -> None:
        self._rules = rules
        self._tokens = float(rules.burst)
        self._at = now

    def add(self, tokens: float, now: float) -> float:
        """What there is after `tokens` more, or fewer. Time has added its own."""
        grown = self._tokens + (now - self._at) * self._rules.floor_per_s + tokens
        self._tokens, self._at = min(grown, float(self._rules.burst)), now
        return self._tokens


class RetryBudget:
    """The budgets of all rails."""

    def __init__(self, rules: BudgetRules, seconds: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._seconds = seconds
        self._buckets: dict[str, _Bucket] = {}

    def first_try(self, rail: str) -> None:
        """A payment goes to `rail` first: that much more it can bear of the others'."""
        self._add(rail, self._rules.percent / 100)

    def is_spent(self, rail: str) -> bool:
        return self._add(rail, 0.0) < 1.0

    def take(self, rail: str) -> None:
        """A payment that failed elsewhere goes to `rail`."""
        self._add(rail, -1.0)

    def _add(self, rail: str, tokens: float) -> float:
        now = self._seconds()
        if rail not in self._buckets:
            self._buckets[rail] = _Bucket(self._rules, now)
        return self._buckets[rail].add(tokens, now)
