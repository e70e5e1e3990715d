"""The chart of accounts: codes, sides, floors, stripes, and what a bank file may move."""

import pytest

from online.kernel import ids
from online.ledger import accounts as chart
from online.ledger.accounts import Account, offline_account
from online.ledger.batch import account_id
from tests.builders import MERCHANT, uid

M = ids.encode("mrc", MERCHANT)

# account, code, normal side, striped, floor
TABLE = [
    (chart.rail_receivable("upi_hdfc"), "rail:upi_hdfc:receivable", "D", True, None),
    (chart.rail_in_transit("upi_hdfc"), "rail:upi_hdfc:in_transit", "D", False, None),
    (chart.bank("hdfc"), "bank:hdfc", "D", False, None),
    (chart.merchant_pending(MERCHANT), f"merchant:{M}:pending", "C", False, 0),
    (chart.merchant_pending(MERCHANT, 500), f"merchant:{M}:pending", "C", False, -500),
    (chart.merchant_payable(MERCHANT), f"merchant:{M}:payable", "C", False, 0),
    (chart.merchant_reserve(MERCHANT, "2026q1"), f"merchant:{M}:reserve:2026q1", "C", False, 0),
    (chart.merchant_disputed(MERCHANT), f"merchant:{M}:disputed", "C", False, 0),
    (chart.refunds_payable("card_a"), "refunds:card_a:payable", "C", False, 0),
    (chart.payouts_in_transit("bank_hdfc"), "payouts:bank_hdfc:in_transit", "C", False, None),
    (chart.rail_costs("card_a"), "costs:rail:card_a", "D", False, None),
    (chart.suspense("bank"), "suspense:bank", "C", False, None),
    (chart.FEES_MDR, "fees:mdr", "C", True, None),
    (chart.FEES_DISPUTE, "fees:dispute", "C", True, None),
    (chart.TAX_IGST, "tax:igst", "C", True, None),
    (chart.TAX_CGST, "tax:cgst", "C", True, None),
    (chart.TAX_SGST, "tax:sgst", "C", True, None),
    (chart.TAX_GST_INPUT, "tax:gst:input", "D", False, None),
    (chart.EQUITY_OPENING, "equity:opening", "C", False, None),
]


@pytest.mark.parametrize(("account", "code", "side", "striped", "floor"), TABLE)
def test_the_chart(account, code, side, striped, floor):
    assert (account.code, account.side, account.striped) == (code, side, striped)
    assert (account.floor, account.ceiling) == (floor, None)
    assert account.merchant_id == (MERCHANT if code.startswith("merchant:") else None)


def test_an_account_with_a_floor_or_a_ceiling_is_never_striped():
    for account, *_ in TABLE:
        assert not (account.striped and (account.floor, account.ceiling) != (None, None))


def test_ids_tell_apart_all_that_makes_an_account():
    account = chart.FEES_MDR
    found = [
        account.id(currency, livemode, stripe)
        for currency in ("INR", "USD")
        for livemode in (False, True)
        for stripe in (0, 1)
    ]
    found.append(chart.TAX_IGST.id("INR", False, 0))
    assert len(set(found)) == 9
    assert chart.merchant_pending(uid("a")).id("INR", False, 0) != chart.merchant_pending(
        uid("b")
    ).id("INR", False, 0)


def test_the_writer_and_the_readers_name_an_account_alike():
    for account, *_ in TABLE:
        assert account.id("INR", False, 3) == account_id(account.code, "INR", False, 3)


@pytest.mark.parametrize(
    ("code", "account"),
    [
        ("rail:card_a:receivable", chart.rail_receivable("card_a")),
        ("rail:card_a:in_transit", chart.rail_in_transit("card_a")),
        ("payouts:bank_hdfc:in_transit", chart.payouts_in_transit("bank_hdfc")),
        ("bank:hdfc", chart.bank("hdfc")),
        ("costs:rail:card_a", chart.rail_costs("card_a")),
        ("suspense:card_a", chart.suspense("card_a")),
        ("tax:gst:input", chart.TAX_GST_INPUT),
    ],
)
def test_what_a_bank_file_may_move(code, account):
    found = offline_account(code)
    assert found == account
    assert isinstance(found, Account)
    assert found.floor is None  # a file tells what happened: it cannot be refused


def test_compensation_is_promised_like_a_refund():
    assert offline_account("refunds:card_a:payable") == chart.refunds_payable("card_a")


@pytest.mark.parametrize(
    "code",
    [
        f"merchant:{M}:pending", f"merchant:{M}:payable", "fees:mdr", "tax:igst", "tax:cgst",
        "equity:opening", "customer:x:lite", "rail:card_a",
        "rail:card_a:receivable:x", "rail:card_a:other", "payouts:bank_hdfc:receivable",
        "bank", "bank:hdfc:x", "costs:card_a", "suspense", "", ":", "BANK:hdfc",
    ],
)  # fmt: skip
def test_and_what_it_may_not(code):
    assert offline_account(code) is None
