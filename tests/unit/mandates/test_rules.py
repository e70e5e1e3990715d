"""The dated rules as they are shipped: hours with both edges, notices, retries, PINs."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from online.kernel.clock import IST
from online.mandates.rulebook import load_mandate_rules
from online.mandates.rules import Tries
from online.platform.settings import ROOT

RULES = load_mandate_rules(ROOT / "config" / "mandates.yaml")
TICK = timedelta(microseconds=1)


def ist(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST).astimezone(UTC)


HOURS = [
    ("2026-11-10 00:00", True, None),
    ("2026-11-10 09:59:59.999999", True, None),
    ("2026-11-10 10:00", False, "2026-11-10 13:00"),
    ("2026-11-10 12:59:59.999999", False, "2026-11-10 13:00"),
    ("2026-11-10 13:00", True, None),
    ("2026-11-10 16:59:59.999999", True, None),
    ("2026-11-10 17:00", False, "2026-11-10 21:30"),
    ("2026-11-10 21:29:59.999999", False, "2026-11-10 21:30"),
    ("2026-11-10 21:30", True, None),
    ("2026-11-10 23:59:59.999999", True, None),
    # The day before the rule and its first day.
    ("2025-07-31 10:00", True, None),
    ("2025-07-31 18:00", True, None),
    ("2025-08-01 10:00", False, "2025-08-01 13:00"),
    ("2025-08-01 18:00", False, "2025-08-01 21:30"),
    # A bank holiday is a day like any other to UPI.
    ("2026-01-26 11:00", False, "2026-01-26 13:00"),
    ("2026-01-26 14:00", True, None),
]


@pytest.mark.parametrize(("at", "is_open", "opens"), HOURS)
def test_hours(at, is_open, opens):
    assert RULES.is_open(ist(at)) is is_open
    assert RULES.next_open(ist(at)) == ist(opens or at)


DAY = date(2026, 11, 10)
NOTICES = [
    # told at, the first moment for a debit on the 10th
    ("2026-11-08 12:00", "2026-11-10 00:00"),
    ("2026-11-09 00:00", "2026-11-10 00:00"),
    ("2026-11-09 08:00", "2026-11-10 08:00"),
    ("2026-11-09 09:59:59", "2026-11-10 09:59:59"),
    ("2026-11-09 10:00", "2026-11-10 13:00"),
    ("2026-11-09 16:59:59", "2026-11-10 16:59:59"),
    ("2026-11-09 17:00", "2026-11-10 21:30"),
    ("2026-11-09 23:59:59.999999", "2026-11-10 23:59:59.999999"),
    ("2026-11-10 00:00", None),
    ("2026-11-11 08:00", None),
]


@pytest.mark.parametrize(("told_at", "debit_from"), NOTICES)
def test_a_debit_comes_a_day_after_its_notice_and_on_its_day(told_at, debit_from):
    assert RULES.debit_from(DAY, ist(told_at)) == (debit_from and ist(debit_from))


def test_the_payer_is_told_two_days_ahead_or_at_once():
    assert RULES.notice_at(DAY, ist("2026-11-01 09:00")) == ist("2026-11-08 00:00")
    assert RULES.notice_at(DAY, ist("2026-11-08 09:00")) == ist("2026-11-08 09:00")


RETRIES = [
    # tried, failed at, until, next
    (1, "2026-11-10 08:00", DAY, "2026-11-10 09:00"),
    (1, "2026-11-10 09:00", DAY, "2026-11-10 13:00"),  # an hour later it is closed
    (1, "2026-11-10 08:59:59", DAY, "2026-11-10 09:59:59"),
    (2, "2026-11-10 13:30", DAY, "2026-11-10 16:30"),
    (2, "2026-11-10 14:00", DAY, "2026-11-10 21:30"),
    (3, "2026-11-10 15:30", DAY, "2026-11-10 21:30"),
    (3, "2026-11-10 17:59:59", DAY, "2026-11-10 23:59:59"),
    (3, "2026-11-10 18:00", DAY, None),  # its period would be over
    (3, "2026-11-10 18:00", date(2026, 11, 30), "2026-11-11 00:00"),
    (4, "2026-11-10 08:00", date(2026, 11, 30), None),  # one try and three retries
]


@pytest.mark.parametrize(("tried", "failed_at", "until", "following"), RETRIES)
def test_retries_have_their_spacing_keep_the_hours_and_end(tried, failed_at, until, following):
    found = RULES.next_try(tried, ist(failed_at), until)
    assert found == (following and ist(following))


def test_one_try_and_three_retries():
    at, tried = ist("2026-11-01 00:00"), 1
    while (following := RULES.next_try(tried, at, date(2026, 12, 31))) is not None:
        assert following > at
        assert RULES.is_open(following)
        at, tried = following, tried + 1
    assert tried == 4


PINS = [
    # category, last day of the old rule, its threshold, first day of the new one, its threshold
    ("5814", date(2021, 9, 30), 200_000, date(2021, 10, 1), 500_000),
    ("5814", date(2022, 6, 15), 500_000, date(2022, 6, 16), 1_500_000),
    ("6211", date(2023, 12, 11), 1_500_000, date(2023, 12, 12), 10_000_000),
    ("5413", date(2023, 12, 11), 1_500_000, date(2023, 12, 12), 10_000_000),
    ("5814", date(2023, 12, 11), 1_500_000, date(2023, 12, 12), 1_500_000),
]


@pytest.mark.parametrize(("mcc", "before", "old", "since", "new"), PINS)
def test_a_pin_is_needed_above_the_threshold_of_the_day(mcc, before, old, since, new):
    assert not RULES.needs_factor(old, mcc, before)
    assert RULES.needs_factor(old + 1, mcc, before)
    assert not RULES.needs_factor(new, mcc, since)
    assert RULES.needs_factor(new + 1, mcc, since)


@pytest.mark.parametrize(
    ("code", "decline_code", "again"),
    [
        ("insufficient_funds", "insufficient_funds", True),
        ("payment_declined", "declined_by_payer", False),
        ("rail_failed", None, True),
        ("route_unavailable", None, True),
        ("payment_declined", "account_blocked", False),
        ("payment_declined", "mandate_revoked", False),
        ("fraud_blocked", None, False),
        ("payment_canceled", None, False),
    ],
)
def test_what_is_tried_again(code, decline_code, again):
    assert RULES.is_retried(code, decline_code, DAY) is again


def test_a_day_without_a_rule_is_an_error_and_so_is_a_spacing_too_few():
    with pytest.raises(LookupError):
        RULES.is_open(ist("2020-06-30 12:00"))
    row = {**msgspec.to_builtins(RULES.tries[0]), "spacing_minutes": [60]}
    with pytest.raises(msgspec.ValidationError, match="a spacing for each retry"):
        msgspec.convert(row, Tries)
