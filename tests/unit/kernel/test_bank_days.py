"""Bank days: weekly rests, holidays, and counting over them."""

from datetime import date

import pytest

from online.kernel.bank_days import BankDays
from warehouse.bank_days import load_bank_days

DIWALI = date(2026, 11, 10)
DAYS = BankDays(frozenset({DIWALI}))


@pytest.mark.parametrize(
    ("day", "rests"),
    [
        (date(2026, 11, 15), True),  # a Sunday
        (date(2026, 11, 7), False),  # the first Saturday
        (date(2026, 11, 14), True),  # the second
        (date(2026, 11, 21), False),
        (date(2026, 11, 28), True),  # the fourth
        (date(2026, 8, 29), False),  # a fifth one
        (date(2026, 11, 16), False),
        (DIWALI, True),
    ],
)
def test_banks_rest_on_sundays_some_saturdays_and_holidays(day, rests):
    assert DAYS.is_bank_day(day) is not rests


@pytest.mark.parametrize(
    ("day", "n", "on"),
    [
        (date(2026, 11, 16), 1, date(2026, 11, 17)),
        (date(2026, 11, 16), 0, date(2026, 11, 16)),
        (date(2026, 11, 15), 0, date(2026, 11, 16)),  # never on a day of rest
        (date(2026, 11, 13), 1, date(2026, 11, 16)),  # over a second Saturday
        (date(2026, 11, 20), 1, date(2026, 11, 21)),  # the third one works
        (date(2026, 11, 13), 3, date(2026, 11, 18)),
        (date(2026, 11, 15), 1, date(2026, 11, 16)),  # from a Sunday, one day on
        (date(2026, 11, 9), 1, date(2026, 11, 11)),  # over a holiday
        (DIWALI, 0, date(2026, 11, 11)),
    ],
)
def test_t_plus_n_counts_bank_days(day, n, on):
    assert DAYS.add(day, n) == on


def test_the_list_in_config_has_every_day_once_with_source_and_grade():
    bank_days = load_bank_days()
    assert not bank_days.is_bank_day(date(2026, 8, 15))
    assert not bank_days.is_bank_day(date(2026, 11, 24))
    assert bank_days.add(date(2026, 3, 31), 0) == date(2026, 4, 2)  # two holidays in a row
    assert {day.year for day in bank_days.holidays} == {2025, 2026, 2027}
