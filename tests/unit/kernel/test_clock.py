"""Time: UTC instants, Indian business dates, and a clock that a file moves."""

from datetime import UTC, date, datetime, timedelta

import pytest

from online.kernel.clock import (
    IST,
    FileClock,
    FixedClock,
    SystemClock,
    business_date,
    write_offset,
)

SOON = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 10, 18, 29, 59, 999999, tzinfo=UTC), date(2026, 3, 10)),
        (datetime(2026, 3, 10, 18, 30, tzinfo=UTC), date(2026, 3, 11)),
        (datetime(2026, 3, 11, 0, 0, tzinfo=IST), date(2026, 3, 11)),
        (datetime(2026, 12, 31, 18, 30, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2028, 2, 28, 18, 30, tzinfo=UTC), date(2028, 2, 29)),
    ],
)
def test_a_business_day_begins_at_midnight_in_india(at, day):
    assert business_date(at) == day


def test_the_system_clock_is_utc():
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)
    assert SystemClock().now().utcoffset() == timedelta()


def test_a_fixed_clock_stands_until_it_is_moved():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    clock = FixedClock(at)
    assert clock.now() == clock.now() == at
    clock.advance(timedelta(days=1))
    assert clock.now() == at + timedelta(days=1)


def test_a_file_clock_without_a_file_is_the_system_clock(tmp_path):
    assert abs(FileClock(tmp_path / "clock.json").now() - datetime.now(UTC)) < SOON


def test_a_file_clock_reads_its_target_and_runs_on(tmp_path):
    path = tmp_path / "made" / "clock.json"
    clock = FileClock(path)
    target = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
    write_offset(path, target)
    first = clock.now()
    assert timedelta() <= first - target < SOON
    assert clock.now() >= first


def test_every_clock_of_a_folder_follows_the_file(tmp_path):
    path = tmp_path / "clock.json"
    clocks = [FileClock(path), FileClock(path)]
    for target in (datetime(2031, 5, 1, tzinfo=UTC), datetime(2020, 5, 1, tzinfo=UTC)):
        write_offset(path, target)
        assert all(timedelta() <= clock.now() - target < SOON for clock in clocks)
    path.unlink()
    assert all(abs(clock.now() - datetime.now(UTC)) < SOON for clock in clocks)
    assert list(tmp_path.iterdir()) == []
