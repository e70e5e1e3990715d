"""What a rail is sent of what failed elsewhere: a share of its own, a few a second, no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.payments.retries import BudgetRules, RetryBudget


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


def emptied(budget, rail="b"):
    """How many tries fit, all at once."""
    taken = 0
    while not budget.is_spent(rail):
        budget.take(rail)
        taken += 1
    return taken


def test_what_was_saved_up_may_be_used_at_once(seconds):
    assert emptied(RetryBudget(BudgetRules(burst=7), seconds)) == 7


def test_first_tries_earn_their_share(seconds):
    budget = RetryBudget(BudgetRules(percent=20, floor_per_s=0, burst=10), seconds)
    emptied(budget)
    for _ in range(14):
        budget.first_try("b")
    assert emptied(budget) == 2


def test_a_rail_without_traffic_of_its_own_earns_by_the_second(seconds):
    budget = RetryBudget(BudgetRules(percent=20, floor_per_s=3, burst=10), seconds)
    emptied(budget)
    seconds.now += 0.5
    assert emptied(budget) == 1
    seconds.now += 0.5
    assert emptied(budget) == 2


def test_no_more_is_saved_up_than_a_burst(seconds):
    budget = RetryBudget(BudgetRules(percent=100, floor_per_s=100, burst=5), seconds)
    seconds.now += 3_600
    for _ in range(50):
        budget.first_try("b")
    assert emptied(budget) == 5


def test_each_rail_has_a_budget_of_its_own(seconds):
    budget = RetryBudget(BudgetRules(floor_per_s=0, burst=3), seconds)
    assert emptied(budget, "a") == 3
    assert not budget.is_spent("b")


@given(
    percent=st.integers(0, 100),
    floor=st.integers(0, 20),
    burst=st.integers(1, 20),
    turns=st.lists(st.sampled_from(["first", "more", "wait"]), max_size=200),
)
def test_never_more_than_the_rules_allow(percent, floor, burst, turns):
    seconds = Seconds()
    budget = RetryBudget(BudgetRules(percent=percent, floor_per_s=floor, burst=burst), seconds)
    first = more = 0
    for turn in turns:
        match turn:
            case "first":
                budget.first_try("b")
                first += 1
            case "wait":
                seconds.now += 0.25
            case _ if not budget.is_spent("b"):
                budget.take("b")
                more += 1
        assert more <= burst + first * percent / 100 + seconds.now * floor + 1e-6
