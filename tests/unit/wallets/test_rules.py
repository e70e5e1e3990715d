"""What a wallet may hold and pay, with the date on both sides of each change."""

from datetime import date, timedelta

import pytest

from online.kernel.errors import LimitExceeded
from online.platform.settings import ROOT
from online.wallets.rules import check_payment, load_wallet_rules

RULES = load_wallet_rules(ROOT / "config" / "wallets.yaml")
DAY = timedelta(days=1)
LAUNCH, RBI_2023, RBI_2024 = date(2022, 9, 20), date(2023, 8, 24), date(2024, 12, 4)
PPI = date(2021, 8, 27)
NONE = None
SMALL, FULL = (10_000_00, None), (2_00_000_00, None)

TABLE = [
    ("lite", "none", LAUNCH - DAY, NONE),
    ("lite", "none", LAUNCH, (2_000_00, 200_00)),
    ("lite", "none", RBI_2023 - DAY, (2_000_00, 200_00)),
    ("lite", "none", RBI_2023, (2_000_00, 500_00)),
    ("lite", "minimum", RBI_2024 - DAY, (2_000_00, 500_00)),
    ("lite", "minimum", RBI_2024, (5_000_00, 1_000_00)),
    ("lite", "full", RBI_2024, (5_000_00, 1_000_00)),
    ("ppi", "none", PPI, NONE),
    ("ppi", "minimum", PPI - DAY, NONE),
    ("ppi", "minimum", PPI, SMALL),
    ("ppi", "full", PPI - DAY, NONE),
    ("ppi", "full", PPI, FULL),
    ("ppi", "minimum", date(2030, 1, 1), SMALL),
    ("other", "full", date(2030, 1, 1), NONE),
]


@pytest.mark.parametrize(("kind", "kyc", "day", "allowed"), TABLE)
def test_the_row_of_the_day(kind, kyc, day, allowed):
    rule = RULES.of(kind, kyc, day)
    assert (rule and (rule.ceiling_minor, rule.per_payment_minor)) == allowed


def test_one_payment_may_be_so_much_and_no_more():
    rule = RULES.of("lite", "none", RBI_2024)
    check_payment(rule, 1_000_00)
    with pytest.raises(LimitExceeded) as refused:
        check_payment(rule, 1_000_01)
    assert (refused.value.limit.cap, refused.value.param) == (1_000_00, "amount")
    check_payment(RULES.of("ppi", "full", RBI_2024), 2_00_000_00)


def test_every_row_names_its_source():
    assert all(rule.source for rule in RULES.rules)
