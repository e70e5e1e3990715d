"""What a capture costs: MDR and GST, by date, amount, method and place."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.ledger.recipes import Tax
from online.payments.fees import Fee, FeeTable, GstRule, MdrRule, load_fees, price
from online.platform.settings import ROOT

TABLE = load_fees(ROOT / "config" / "fees.yaml")
HOME, AWAY = "29", "27"
DAY = date(2026, 3, 10)


def fee(amount, *, method="card", state=AWAY, day=DAY, table=TABLE):
    return price(table, method=method, amount_minor=amount, day=day, state_code=state)


@pytest.mark.parametrize(
    ("method", "amount", "state", "expected"),
    [
        # UPI from a bank account costs the merchant nothing, by law.
        ("upi", 1, AWAY, Fee(0, Tax())),
        ("upi", 10_00_000_00, AWAY, Fee(0, Tax())),
        # Cards: 1.8 %, and 18 % GST on that above two thousand rupees.
        ("card", 2_000_00, AWAY, Fee(36_00, Tax())),
        ("card", 2_000_01, AWAY, Fee(36_00, Tax(igst_minor=6_48))),
        ("card", 2_000_00, HOME, Fee(36_00, Tax())),
        ("card", 2_000_01, HOME, Fee(36_00, Tax(cgst_minor=3_24, sgst_minor=3_24))),
        ("card", 10_000_00, AWAY, Fee(180_00, Tax(igst_minor=32_40))),
        ("card", 10_000_00, HOME, Fee(180_00, Tax(cgst_minor=16_20, sgst_minor=16_20))),
        # Half a paisa goes to the even neighbour, once for the fee and once for the tax.
        ("card", 1_25, AWAY, Fee(2, Tax())),  # 2.25
        ("card", 25_00, AWAY, Fee(45, Tax())),
        ("card", 250, AWAY, Fee(4, Tax())),  # 4.5 to 4
        ("card", 750, AWAY, Fee(14, Tax())),  # 13.5 to 14
        ("card", 27, AWAY, Fee(0, Tax())),  # 0.486
        # An odd paisa of GST is the state's.
        ("card", 2_003_00, HOME, Fee(36_05, Tax(cgst_minor=3_24, sgst_minor=3_25))),
    ],
)
def test_the_price_list(method, amount, state, expected):
    assert fee(amount, method=method, state=state) == expected


@given(st.integers(1, 10**15), st.sampled_from(["upi", "card"]))
def test_where_the_merchant_is_decides_who_gets_the_tax_not_how_much(amount, method):
    home, away = (fee(amount, method=method, state=state) for state in (HOME, AWAY))
    assert home.fee_minor == away.fee_minor
    assert home.tax.total_minor == away.tax.total_minor
    assert away.tax.cgst_minor == away.tax.sgst_minor == home.tax.igst_minor == 0
    assert home.tax.sgst_minor - home.tax.cgst_minor in (0, 1)
    assert home.fee_minor + home.tax.total_minor < amount or amount < 100


DATED = FeeTable(
    home_state=HOME,
    mdr=(
        MdrRule(method="card", mdr_bps=100, valid_from=date(2026, 1, 1),
                valid_to=date(2026, 3, 31), max_amount_minor=500, source="small, first quarter"),
        MdrRule(method="card", mdr_bps=200, valid_from=date(2026, 1, 1),
                valid_to=date(2026, 3, 31), min_amount_minor=501, source="first quarter"),
        MdrRule(method="card", mdr_bps=300, valid_from=date(2026, 4, 1), source="later"),
    ),
    gst=(
        GstRule(gst_bps=1000, valid_from=date(2026, 1, 1), valid_to=date(2026, 1, 31),
                source="January"),
        GstRule(gst_bps=2000, valid_from=date(2026, 2, 1), source="later"),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("day", "amount", "mdr", "gst"),
    [
        (date(2026, 1, 1), 500, 5, 0),  # half a paisa of tax
        (date(2026, 1, 1), 10_000, 200, 20),
        (date(2026, 1, 31), 10_000, 200, 20),
        (date(2026, 2, 1), 10_000, 200, 40),
        (date(2026, 2, 1), 500, 5, 1),
        (date(2026, 2, 1), 501, 10, 2),
        (date(2026, 3, 31), 10_000, 200, 40),
        (date(2026, 4, 1), 10_000, 300, 60),
        (date(2036, 4, 1), 500, 15, 3),
    ],
)
def test_rules_hold_from_their_first_day_to_their_last(day, amount, mdr, gst):
    assert fee(amount, day=day, table=DATED) == Fee(mdr, Tax(igst_minor=gst))


@pytest.mark.parametrize(
    ("method", "day"), [("card", date(2025, 12, 31)), ("upi", date(2026, 2, 1))]
)
def test_no_rule_is_an_error_never_a_free_ride(method, day):
    with pytest.raises(LookupError, match=method):
        fee(10_000, method=method, day=day, table=DATED)


@pytest.mark.parametrize(
    "text",
    [
        "home_state: '29'\nmdr: []\ngst: []\nsurprise: 1",
        (
            "home_state: '29'\ngst: []\n"
            "mdr: [{method: card, mdr_bps: 1.8, valid_from: 2020-01-01, source: x}]"
        ),
        "home_state: '29'\nmdr: [{method: card, mdr_bps: 180, source: x}]\ngst: []",
    ],
    ids=["unknown block", "a float", "no date"],
)
def test_a_mistake_in_the_table_is_named(tmp_path, text):
    path = tmp_path / "fees.yaml"
    path.write_text(text)
    with pytest.raises(msgspec.ValidationError):
        load_fees(path)


def test_every_rule_names_its_source():
    assert all(len(rule.source) > 10 for rule in (*TABLE.mdr, *TABLE.gst))
