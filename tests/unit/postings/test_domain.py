"""What offline may post: kinds, accounts, balance, and the field that is named otherwise."""

from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
import pytest

from online.kernel.errors import InvalidRequest
from online.postings.domain import KINDS, Entry, Line, Places, journal, shape

AT = datetime(2026, 11, 18, 19, 30, tzinfo=UTC)
PLACES = Places(rails=frozenset({"upi_hdfc", "bank_hdfc"}), banks=frozenset({"hdfc"}))
RECIPES = {
    "rail_settlement": {
        "rail:upi_hdfc:in_transit": -976,
        "costs:rail:upi_hdfc": -20,
        "tax:gst:input": -4,
        "rail:upi_hdfc:receivable": 1_000,
    },
    "bank_credit": {"bank:hdfc": -976, "rail:upi_hdfc:in_transit": 976},
    "bank_debit": {"payouts:bank_hdfc:in_transit": -500, "bank:hdfc": 500},
    "rail_settlement_reversal": {
        "rail:upi_hdfc:in_transit": 976,
        "costs:rail:upi_hdfc": 20,
        "tax:gst:input": 4,
        "rail:upi_hdfc:receivable": -1_000,
    },
    "bank_credit_reversal": {"bank:hdfc": 976, "rail:upi_hdfc:in_transit": -976},
    "bank_debit_reversal": {"bank:hdfc": -500, "payouts:bank_hdfc:in_transit": 500},
    "bank_break": {
        "bank:hdfc": -900,
        "rail:upi_hdfc:in_transit": 976,
        "suspense:upi_hdfc": -76,
    },
    "tat_compensation": {"costs:tat": -10_000, "refunds:upi_hdfc:payable": 10_000},
    "unexpected_credit": {"bank:hdfc": -5, "suspense:bank": 5},
    "break_suspense": {"suspense:upi_hdfc": -7, "rail:upi_hdfc:receivable": 7},
    "break_reversal": {"suspense:upi_hdfc": 7, "rail:upi_hdfc:receivable": -7},
}


def line(kind: str, legs: dict[str, int], **changes: object) -> Line:
    made = Line(
        cause=UUID(int=1),
        kind=kind,
        business_date=date(2026, 11, 17),
        reference="UPIHDFC20261116",
        metadata={},
        entries=[
            Entry(account=account, currency="INR", amount_minor=amount)
            for account, amount in legs.items()
        ],
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_posts_its_recipe(kind):
    made = journal(line(kind, RECIPES[kind]), PLACES, at=AT, livemode=False)
    assert {p.account.code: p.amount_minor for p in made.postings} == RECIPES[kind]
    assert (made.kind, made.currency, made.merchant_id) == (kind, "INR", None)
    assert sum(p.amount_minor for p in made.postings) == 0


MERCHANT = "merchant:mrc_00000000000000000000000001:pending"


@pytest.mark.parametrize(
    ("kind", "legs", "param"),
    [
        ("capture", {"bank:hdfc": -1, "suspense:bank": 1}, "kind"),
        ("settlement", {"bank:hdfc": -1, "suspense:bank": 1}, "kind"),
        ("bank_credit", {"bank:hdfc": -1, MERCHANT: 1}, "entries[1].account"),
        ("bank_debit", {MERCHANT: -1, "bank:hdfc": 1}, "entries[0].account"),
        ("bank_credit", {"bank:hdfc": -1, "suspense:bank": 1}, "entries[1].account"),
        ("break_suspense", {"bank:hdfc": -1, "suspense:bank": 1}, "entries[0].account"),
        ("rail_settlement", {"fees:mdr": -1, "tax:gst:input": 1}, "entries[0].account"),
        ("bank_credit", {"bank:axis": -1, "rail:upi_hdfc:in_transit": 1}, "entries[0].account"),
        ("bank_credit", {"bank:hdfc": -1, "rail:made_up:in_transit": 1}, "entries[1].account"),
        ("bank_credit", {"bank:hdfc": -1, "rail:upi_hdfc:in_transit": 2}, "entries"),
        ("bank_credit", {"bank:hdfc": 0, "rail:upi_hdfc:in_transit": 0}, "entries"),
    ],
)
def test_everything_else_is_refused_by_name(kind, legs, param):
    with pytest.raises(InvalidRequest) as refused:
        journal(line(kind, legs), PLACES, at=AT, livemode=False)
    assert refused.value.param == param


def test_one_currency_a_posting():
    mixed = [
        Entry(account="bank:hdfc", currency="INR", amount_minor=-1),
        Entry(account="rail:upi_hdfc:in_transit", currency="USD", amount_minor=1),
    ]
    with pytest.raises(InvalidRequest):
        journal(line("bank_credit", {}, entries=mixed), PLACES, at=AT, livemode=False)


def test_no_posting_on_a_day_to_come():
    future = line("bank_credit", RECIPES["bank_credit"], business_date=date(2026, 11, 20))
    with pytest.raises(InvalidRequest) as refused:
        journal(future, PLACES, at=AT, livemode=False)
    assert refused.value.param == "business_date"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("rail:upi_hdfc:receivable", "rail:*:receivable"),
        ("payouts:bank_hdfc:in_transit", "payouts:*:in_transit"),
        ("costs:rail:card_a", "costs:rail:*"),
        ("suspense:bank", "suspense:*"),
        ("tax:gst:input", "tax:gst:input"),
        (MERCHANT, MERCHANT),
    ],
)
def test_shape(code, expected):
    assert shape(code) == expected
