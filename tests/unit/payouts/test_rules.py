"""The dated rows of `config/payouts.yaml`, on both sides of each day."""

from datetime import date, timedelta

import msgspec
import pytest

from online.kernel.errors import InvalidRequest
from online.payouts.rules import Mode, PayoutRules, load_payout_rules
from online.platform.settings import ROOT

RULES = load_payout_rules(ROOT / "config" / "payouts.yaml")
TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("kind", "amount", "wanted", "mode"),
    [
        ("vpa", 1_00_000_00, None, "upi"),
        ("bank_account", 1, None, "imps"),
        ("bank_account", 5_00_000_00, None, "imps"),
        ("bank_account", 5_00_000_01, None, "rtgs"),
        ("bank_account", 2_00_000_00, "rtgs", "rtgs"),
        ("bank_account", 10**12, "neft", "neft"),
    ],
)
def test_the_way_of_an_amount(kind, amount, wanted, mode):
    assert RULES.mode_for(kind, amount, TODAY, wanted).mode == mode


@pytest.mark.parametrize(
    ("kind", "amount", "wanted", "param"),
    [
        ("vpa", 1_00_000_01, None, "amount"),
        ("vpa", 1, "imps", "mode"),
        ("bank_account", 1, "upi", "mode"),
        ("bank_account", 1_99_999_99, "rtgs", "amount"),
        ("bank_account", 5_00_000_01, "imps", "amount"),
    ],
)
def test_no_way(kind, amount, wanted, param):
    with pytest.raises(InvalidRequest) as refused:
        RULES.mode_for(kind, amount, TODAY, wanted)
    assert refused.value.param == param


def test_a_row_begins_on_its_day():
    """IMPS took up to Rs 5,00,000 from 8 October 2021, RTGS all hours from 14 December 2020."""
    for mode in RULES.modes:
        eve = mode.valid_from - timedelta(days=1)
        assert mode.is_valid_on(mode.valid_from)
        assert not mode.is_valid_on(eve)
    eve = date(2021, 10, 7)
    assert RULES.mode_for("bank_account", 5_00_000_00, eve, None).mode == "rtgs"
    assert RULES.mode_for("bank_account", 5_00_000_00, date(2021, 10, 8), None).mode == "imps"
    assert RULES.mode_for("bank_account", 5_00_000_00, date(2020, 12, 13), None).mode == "neft"


def test_the_last_row_of_a_day_counts():
    longer = msgspec.structs.replace(RULES.cooling[0], hours=48, valid_from=date(2027, 1, 1))
    rules: PayoutRules = msgspec.structs.replace(RULES, cooling=(*RULES.cooling, longer))
    assert rules.cooling_on(date(2026, 12, 31)) == timedelta(hours=24)
    assert rules.cooling_on(date(2027, 1, 1)) == timedelta(hours=48)
    with pytest.raises(LookupError):
        rules.cooling_on(date(2019, 12, 31))


@pytest.mark.parametrize(
    ("mode", "utr", "odd"),
    [
        ("upi", "632018973963", False),
        ("imps", "632018973963", False),
        ("imps", "63201897396", True),
        ("neft", "HDFCN26321702459", False),
        ("neft", "AXISCN1169361047", False),  # bank letters of five, as Axis writes them
        ("neft", "632018973963", True),
        ("rtgs", "HDFCR52026112312345678", False),
        ("rtgs", "HDFCN26321702459", True),
    ],
)
def test_the_form_of_a_banks_number(mode, utr, odd):
    assert RULES.is_odd(mode, utr, TODAY) is odd


def test_every_purpose_goes_under_corporate_disbursement():
    assert {RULES.purpose(each.name).upi for each in RULES.purposes} == {"15"}
    with pytest.raises(InvalidRequest, match="cashback"):
        RULES.purpose("bribe")


def test_every_row_says_where_it_is_from():
    rows = (*RULES.modes, *RULES.cooling, *RULES.name_match, *RULES.verification)
    assert all(row.source for row in rows)
    assert {mode.mode for mode in RULES.modes} == {"upi", "imps", "neft", "rtgs"}
    assert isinstance(RULES.modes[0], Mode)
