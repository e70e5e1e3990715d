"""Periods and debit days: every frequency, month ends, leap years; and what always holds."""

from datetime import date, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.mandates.calendar import Calendar, DebitRule, Frequency, day_fits

F, R = Frequency, DebitRule
ONE_DAY = timedelta(days=1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def calendar(
    frequency: Frequency,
    rule: DebitRule | None = None,
    on: int | None = None,
    *,
    start: str = "2026-01-01",
    end: str = "2029-12-31",
) -> Calendar:
    return Calendar(frequency=frequency, start=day(start), end=day(end), rule=rule, day=on)


PERIODS = [
    (F.ONE_TIME, "2026-05-20", "2026-01-01", "2029-12-31"),
    (F.DAILY, "2028-02-29", "2028-02-29", "2028-02-29"),
    (F.AS_PRESENTED, "2026-05-20", "2026-05-20", "2026-05-20"),
    (F.WEEKLY, "2026-11-22", "2026-11-16", "2026-11-22"),  # a Sunday
    (F.WEEKLY, "2026-11-23", "2026-11-23", "2026-11-29"),  # a Monday
    (F.MONTHLY, "2028-02-29", "2028-02-01", "2028-02-29"),
    (F.MONTHLY, "2026-02-28", "2026-02-01", "2026-02-28"),
    (F.QUARTERLY, "2026-03-31", "2026-01-01", "2026-03-31"),
    (F.QUARTERLY, "2026-12-31", "2026-10-01", "2026-12-31"),
    (F.HALF_YEARLY, "2026-06-30", "2026-01-01", "2026-06-30"),
    (F.HALF_YEARLY, "2026-07-01", "2026-07-01", "2026-12-31"),
    (F.YEARLY, "2028-02-29", "2028-01-01", "2028-12-31"),
]


@pytest.mark.parametrize(("frequency", "on", "first", "last"), PERIODS)
def test_periods(frequency, on, first, last):
    found = calendar(frequency).period_of(day(on))
    assert (found, calendar(frequency).last_of(found)) == (day(first), day(last))


def test_a_period_ends_with_the_mandate():
    ends = calendar(F.MONTHLY, end="2026-03-10")
    assert ends.last_of(day("2026-03-01")) == day("2026-03-10")


ALLOWED = [
    (R.ON, 31, "2026-02-28", True),  # the last day of a shorter month
    (R.ON, 31, "2026-02-27", False),
    (R.ON, 31, "2028-02-29", True),
    (R.ON, 30, "2028-02-29", True),
    (R.ON, 29, "2026-02-28", True),
    (R.ON, 31, "2026-04-30", True),
    (R.ON, 5, "2026-04-05", True),
    (R.BEFORE, 5, "2026-04-05", True),
    (R.BEFORE, 5, "2026-04-06", False),
    (R.AFTER, 5, "2026-04-04", False),
    (R.AFTER, 5, "2026-04-30", True),
    (None, None, "2026-04-17", True),
    (None, None, "2025-12-31", False),  # before the mandate
    (None, None, "2030-01-01", False),  # after it
]


@pytest.mark.parametrize(("rule", "on", "asked", "allowed"), ALLOWED)
def test_which_days_a_monthly_mandate_allows(rule, on, asked, allowed):
    assert calendar(F.MONTHLY, rule, on).allows(day(asked)) is allowed


SCHEDULES = [
    (F.MONTHLY, 31, "2028-01-15", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
    (F.MONTHLY, 31, "2026-01-15", ["2026-01-31", "2026-02-28", "2026-03-31"]),
    (F.WEEKLY, 7, "2026-12-30", ["2027-01-03", "2027-01-10"]),
    (F.QUARTERLY, 15, "2026-01-16", ["2026-04-15", "2026-07-15", "2026-10-15"]),
    (F.HALF_YEARLY, 1, "2026-01-01", ["2026-01-01", "2026-07-01", "2027-01-01"]),
    (F.YEARLY, 26, "2026-01-26", ["2026-01-26", "2027-01-26"]),  # a holiday moves nothing
    (F.DAILY, None, "2028-02-28", ["2028-02-28", "2028-02-29", "2028-03-01"]),
    (F.ONE_TIME, None, "2026-01-01", ["2026-01-01"]),
]


@pytest.mark.parametrize(("frequency", "on", "since", "days"), SCHEDULES)
def test_debit_days_in_order(frequency, on, since, days):
    rule = R.ON if on else None
    found = calendar(frequency, rule, on).anchors(day(since))
    assert list(islice(found, len(days))) == [day(each) for each in days]


def test_a_mandate_that_begins_after_the_debit_day_begins_with_the_next_period():
    begins = calendar(F.MONTHLY, R.ON, 5, start="2026-01-10")
    assert next(begins.anchors(day("2026-01-10"))) == day("2026-02-05")
    over = calendar(F.MONTHLY, R.ON, 5, start="2026-01-10", end="2026-01-31")
    assert next(over.anchors(day("2026-01-10")), None) is None


@pytest.mark.parametrize(
    ("frequency", "on", "fits"),
    [
        (F.WEEKLY, 7, True),
        (F.WEEKLY, 8, False),
        (F.MONTHLY, 31, True),
        (F.DAILY, 1, False),
        (F.YEARLY, 1, True),
        (F.AS_PRESENTED, 1, False),
        (F.ONE_TIME, 1, False),
    ],
)
def test_which_frequencies_have_debit_days(frequency, on, fits):
    assert day_fits(frequency, on) is fits


DAYS = st.dates(date(2020, 1, 1), date(2040, 12, 31))


@st.composite
def calendars(draw):
    frequency = draw(st.sampled_from(list(Frequency)))
    start = draw(DAYS)
    end = start + timedelta(days=draw(st.integers(0, 1_500)))
    days = [n for n in range(1, 32) if day_fits(frequency, n)]
    on = draw(st.sampled_from([None, *days]))
    rule = None if on is None else draw(st.sampled_from(list(DebitRule)))
    return Calendar(frequency=frequency, start=start, end=end, rule=rule, day=on)


@given(calendars(), st.data())
def test_periods_lie_side_by_side(of, data):
    """Each day is in exactly one period, and a period's days all say so."""
    asked = data.draw(st.dates(of.start, of.end))
    period = of.period_of(asked)
    assert period <= asked <= of.last_of(period)
    last = of.last_of(period)
    assert of.period_of(max(period, of.start)) == period == of.period_of(last)
    if last < of.end:
        assert of.period_of(last + ONE_DAY) == last + ONE_DAY


@given(calendars())
def test_a_schedule_has_one_day_a_period_each_of_them_allowed(of):
    found = list(islice(of.anchors(of.start), 500))
    assert found == sorted(set(found))
    assert all(of.allows(each) for each in found)
    periods = [of.period_of(each) for each in found]
    assert len(periods) == len(set(periods))


@given(calendars(), st.data())
def test_whoever_asks_later_gets_the_rest_of_the_same_schedule(of, data):
    since = data.draw(st.dates(of.start, of.end))
    whole = [each for each in islice(of.anchors(of.start), 2_000) if each >= since]
    assert list(islice(of.anchors(since), 50)) == whole[:50]
