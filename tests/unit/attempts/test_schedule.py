"""Schedules of the rails as the settings have them."""

import itertools
from datetime import timedelta

import pytest

from online.attempts.build import schedules_of
from online.attempts.schedule import CLAIM, Pace, Schedules
from online.platform.settings import load_settings
from online.rails.domain import OutcomeKind
from online.rails.http_rail import Timeouts
from tests.builders import AT

MINUTE = timedelta(minutes=1)


@pytest.fixture
def schedules() -> Schedules:
    return schedules_of(load_settings(environ={}))


def test_upi_is_asked_as_often_as_npci_allows(schedules):
    upi = schedules.of("upi_hdfc")
    assert upi.unknown == Pace(max_enquiries=3, min_interval=timedelta(seconds=90))
    times = [upi.first(AT)]
    for enquiry in range(1, 3):
        times.append(upi.next(OutcomeKind.UNKNOWN, enquiry, times[-1]))
    assert len(times) == 3
    assert times[-1] - AT < timedelta(hours=2)
    assert all(b - a >= timedelta(seconds=90) for a, b in itertools.pairwise(times))


def test_a_rail_may_have_more_enquiries_and_intervals_of_its_own():
    own = {
        "KHATA_PAYMENT_ROUTES__CARD_A__ENQUIRIES__MIN_INTERVAL_S": "20",
        "KHATA_PAYMENT_ROUTES__CARD_A__ENQUIRIES__PENDING_INTERVAL_S": "60",
        "KHATA_PAYMENT_ROUTES__CARD_A__ENQUIRIES__NOT_FOUND_FINAL_AFTER_S": "900",
    }
    schedules = schedules_of(load_settings(environ=own))
    card, other = schedules.of("card_a"), schedules.of("card_b")
    assert card.unknown == Pace(max_enquiries=10, min_interval=timedelta(seconds=20))
    assert card.pending.min_interval == MINUTE
    assert card.not_found_final_after == 15 * MINUTE
    assert other.unknown == Pace(max_enquiries=10, min_interval=timedelta(seconds=90))
    assert schedules.of("bank_hdfc") == schedules.usual


def test_a_payer_who_is_waited_for_is_not_asked_about_all_the_time(schedules):
    upi = schedules.of("upi_hdfc")
    assert upi.next(OutcomeKind.PENDING, 0, AT) - AT == 5 * MINUTE
    assert upi.next(OutcomeKind.NOT_FOUND, 0, AT) - AT == timedelta(seconds=90)


@pytest.mark.parametrize(("enquiries", "overdue"), [(0, False), (2, False), (3, True), (9, True)])
def test_overdue_is_what_the_rails_own_enquiries_did_not_settle(schedules, enquiries, overdue):
    assert schedules.of("upi_hdfc").is_overdue(enquiries, pending=False) is overdue


def test_a_claim_lasts_longer_than_any_enquiry():
    phases = Timeouts()
    longest_s = phases.pool_s + phases.connect_s + phases.write_s + phases.read_s
    assert timedelta(seconds=longest_s) < CLAIM
