"""Who may do what, by type and KYC; and which of them contradict each other."""

from datetime import UTC, date, datetime

import pytest

from online.customers.domain import Customer, kyc_of_new
from online.customers.rights import NotForThisUser, load_rights
from online.kernel.errors import InvalidRequest
from online.platform.settings import ROOT
from tests.builders import uid

RIGHTS = load_rights(ROOT / "config" / "users.yaml")
AT = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)
DAY = date(2026, 11, 16)
ALL = {"pay", "top_up", "transfer", "mandate", "delegate", "secondary", "credit_line"}


def customer(upi_type=None, kyc_level="none", erased_at=None):
    return Customer(
        id=uid("customer"), merchant_id=uid("merchant"), name=None, email=None, phone=None,
        upi_type=upi_type, kyc_level=kyc_level, vpa_masked=None, livemode=False, created_at=AT,
        erased_at=erased_at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("who", "rights", "devices"),
    [
        (customer("max", "full"), ALL, 5),
        (customer("mini"), {"pay", "top_up", "secondary"}, 1),
        (customer("mini", "minimum"), {"pay", "top_up", "secondary"}, 1),
        (customer(), ALL - {"top_up", "credit_line"}, 5),
        (customer(erased_at=AT), set(), 1),
        (customer("max", "full", erased_at=AT), set(), 1),
    ],
    ids=["max", "mini", "mini with minimum", "untyped", "erased", "erased max"],
)
def test_who_may_do_what(who, rights, devices):
    rule = RIGHTS.of(who, DAY)
    assert (set(rule.rights), rule.devices) == (rights, devices)
    for right in ALL:
        if right in rights:
            RIGHTS.require(who, right, DAY)
        else:
            with pytest.raises(NotForThisUser):
                RIGHTS.require(who, right, DAY)


def test_before_the_first_row_nobody_may_do_anything():
    assert RIGHTS.of(customer("max", "full"), date(2019, 12, 31)).rights == ()


@pytest.mark.parametrize(
    ("upi_type", "given", "level"),
    [
        ("max", None, "full"), ("max", "full", "full"), ("max", "minimum", None),
        ("max", "none", None), ("mini", None, "none"), ("mini", "minimum", "minimum"),
        ("mini", "full", None), (None, None, "none"), (None, "full", "full"),
    ],
)  # fmt: skip
def test_the_kyc_of_a_new_customer(upi_type, given, level):
    if level is None:
        with pytest.raises(InvalidRequest):
            kyc_of_new(upi_type, given)
    else:
        assert kyc_of_new(upi_type, given) == level
