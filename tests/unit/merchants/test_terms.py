"""A merchant's terms: what goes together, and whose GSTIN is real."""

from typing import Any

import pytest

from online.kernel.errors import InvalidRequest
from online.merchants.domain import Merchant, NewTerms
from tests.builders import AT, MERCHANT

CHAI = Merchant(
    id=MERCHANT,
    name="Chai Point",
    mcc="5814",
    state_code="27",
    settlement_days=1,
    exposure_limit_minor=0,
    mdr_on_refund="kept",
    size="standard",
    requires_signature=False,
    version=1,
    livemode=False,
    created_at=AT,
    legal_name="Chai Point",
)


def under(**terms: Any) -> Merchant:
    return NewTerms(**terms).over(CHAI)


def test_what_is_not_named_stays():
    assert under() == CHAI
    assert under(min_payout_minor=100).min_payout_minor == 100


# Real registrations, printed on invoices by their owners, and Maharashtra's in form.
@pytest.mark.parametrize("gstin", ["27AAPFU0939F1ZV", "27AABCT3518Q1ZW"])
def test_a_gstin_has_a_check_digit(gstin):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    right = [each for each in digits if _accepted(gstin[:14] + each)]
    assert len(right) == 1


def test_a_known_gstin():
    assert under(gstin="27AAPFU0939F1ZV").gstin == "27AAPFU0939F1ZV"


def _accepted(gstin: str) -> bool:
    try:
        under(gstin=gstin)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize(
    "gstin",
    [
        "27AAPFU0939F1ZW",  # check digit
        "27AAPFU0993F1ZV",  # two digits changed places
        "29AAPFU0939F1ZV",  # another state
        "27aapfu0939f1zv",
        "27AAPFU0939F0ZV",
        "27AAPF10939F1ZV",
    ],
)
def test_a_gstin_that_cannot_be(gstin):
    with pytest.raises(InvalidRequest) as refused:
        under(gstin=gstin)
    assert refused.value.param == "gstin"


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"settlement_schedule": "weekly"}, "settlement_weekday"),
        ({"settlement_weekday": 3}, "settlement_weekday"),
        ({"settlement_schedule": "cycles"}, "settlement_cycles"),
        ({"settlement_cycles": ("11:00",)}, "settlement_cycles"),
        (
            {"settlement_schedule": "cycles", "settlement_cycles": ("11:00", "11:00")},
            "settlement_cycles",
        ),
        (
            {
                "settlement_schedule": "cycles",
                "settlement_cycles": ("11:00", "18:00"),
                "cutoff": "18:00",
            },
            "settlement_cycles",
        ),
        ({"reserve_bps": 500}, "reserve_days"),
        ({"reserve_days": 90}, "reserve_days"),
        ({"tds_bps": 10}, "tds_bps"),
    ],
)
def test_terms_that_do_not_go_together(terms, param):
    with pytest.raises(InvalidRequest) as refused:
        under(**terms)
    assert refused.value.param == param


def test_a_schedule_comes_with_its_days_and_a_section_with_its_rate():
    weekly = under(settlement_schedule="weekly", settlement_weekday=5)
    daily = NewTerms(settlement_schedule="daily").over(weekly)
    assert (daily.settlement_schedule, daily.settlement_weekday) == ("daily", None)
    taxed = under(tds_section="194-O", tds_bps=500)
    assert NewTerms(tds_section="194-O").over(taxed).tds_bps is None
    assert NewTerms(tds_section="").over(taxed) == CHAI


def test_an_empty_text_takes_away():
    known = under(gstin="27AAPFU0939F1ZV", address="1 MG Road, Pune")
    assert NewTerms(gstin="", address="").over(known) == CHAI
