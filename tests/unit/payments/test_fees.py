"""What a capture costs: MDR and GST, by date, amount, source of funds, category and place."""

from datetime import date
from timeit import timeit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.kernel.money import divide_half_even
from online.ledger.recipes import Tax
from online.payments.fee_rules import GstRule, MdrRule, PriceList
from online.payments.fees import Fee, FeeTable, Sale, load_fees, price
from online.platform.settings import ROOT

TABLE = load_fees(ROOT / "config" / "fees.yaml")
HOME, AWAY = "29", "27"
DAY = date(2026, 3, 10)
FUNDINGS = (None, "bank", "ppi", "rupay_credit", "credit_line", "credit", "debit", "prepaid", "?")


def sale(amount, method="card", **fields):
    known = {"rail": "rail", "funding": None, "mcc": "5814", "state_code": AWAY, "day": DAY}
    return Sale(method=method, amount_minor=amount, **known | fields)


def fee(amount, method="card", *, table=TABLE, **fields):
    return price(table, sale(amount, method, **fields))


def igst(fee_minor, gst_minor=0):
    return Fee(fee_minor, Tax(igst_minor=gst_minor))


WALLET = {"method": "upi", "funding": "ppi"}
RUPAY_CREDIT = {"method": "upi", "funding": "rupay_credit"}
SMALL = {"merchant_size": "small"}
DEBIT = {"funding": "debit", "network": "visa"}


@pytest.mark.parametrize(
    ("amount", "fields", "expected"),
    [
        # UPI from a bank account costs the merchant nothing, by law, told or not.
        (1, {"method": "upi"}, igst(0)),
        (10_00_000_00, {"method": "upi"}, igst(0)),
        (10_00_000_00, {"method": "upi", "funding": "bank"}, igst(0)),
        # From a wallet: nothing up to two thousand rupees, then by category.
        (2_000_00, WALLET, igst(0)),
        (2_000_01, WALLET, igst(22_00, 3_96)),
        (10_000_00, WALLET, igst(110_00, 19_80)),
        (10_000_00, WALLET | {"mcc": "5541"}, igst(50_00, 9_00)),  # fuel
        (10_000_00, WALLET | {"mcc": "4814"}, igst(70_00, 12_60)),  # telecom
        (10_000_00, WALLET | {"mcc": "8220"}, igst(70_00, 12_60)),  # education
        (10_000_00, WALLET | {"mcc": "4900"}, igst(70_00, 12_60)),  # utility
        (10_000_00, WALLET | {"mcc": "5411"}, igst(90_00, 16_20)),  # supermarket
        (10_000_00, WALLET | {"mcc": "6300"}, igst(100_00, 18_00)),  # insurance, first of a range
        (10_000_00, WALLET | {"mcc": "6399"}, igst(100_00, 18_00)),  # and last
        (10_000_00, WALLET | {"mcc": "6400"}, igst(110_00, 19_80)),
        (10_000_00, WALLET | {"mcc": "6211"}, igst(100_00, 18_00)),  # mutual funds
        (10_000_00, WALLET | {"mcc": "4112"}, igst(100_00, 18_00)),  # railway
        (10_000_00, WALLET | {"day": date(2023, 3, 31)}, igst(0)),
        (10_000_00, WALLET | {"day": date(2023, 4, 1)}, igst(110_00, 19_80)),
        # RuPay credit on UPI: a credit card, small merchants are free up to two thousand.
        (2_000_00, RUPAY_CREDIT | SMALL, igst(0)),
        (2_000_01, RUPAY_CREDIT | SMALL, igst(40_00, 7_20)),
        (2_000_00, RUPAY_CREDIT, igst(40_00)),
        (2_000_01, RUPAY_CREDIT, igst(40_00, 7_20)),
        (10_000_00, {"method": "upi", "funding": "credit_line"}, igst(200_00, 36_00)),
        # Cards: 1.8 %, and 18 % GST on that above two thousand rupees.
        (2_000_00, {}, igst(36_00)),
        (2_000_01, {}, igst(36_00, 6_48)),
        (2_000_00, {"state_code": HOME}, igst(36_00)),
        (2_000_01, {"state_code": HOME}, Fee(36_00, Tax(cgst_minor=3_24, sgst_minor=3_24))),
        (10_000_00, {"funding": "credit", "network": "visa"}, igst(180_00, 32_40)),
        (10_000_00, {"funding": "prepaid"}, igst(180_00, 32_40)),
        (10_000_00, {"state_code": HOME}, Fee(180_00, Tax(cgst_minor=16_20, sgst_minor=16_20))),
        # Debit cards: capped by the central bank, and RuPay's are free.
        (10_000_00, {"funding": "debit", "network": "rupay"}, igst(0)),
        (10_000_00, {"funding": "credit", "network": "rupay"}, igst(180_00, 32_40)),
        (10_000_00, DEBIT, igst(90_00, 16_20)),
        (5_00_000_00, DEBIT, igst(1_000_00, 180_00)),
        (10_000_00, DEBIT | SMALL, igst(40_00, 7_20)),
        (5_00_000_00, DEBIT | SMALL, igst(200_00, 36_00)),
        # Half a paisa goes to the even neighbour, once for the fee and once for the tax.
        (1_25, {}, igst(2)),  # 2.25
        (25_00, {}, igst(45)),
        (250, {}, igst(4)),  # 4.5 to 4
        (750, {}, igst(14)),  # 13.5 to 14
        (27, {}, igst(0)),  # 0.486
        # An odd paisa of GST is the state's.
        (2_003_00, {"state_code": HOME}, Fee(36_05, Tax(cgst_minor=3_24, sgst_minor=3_25))),
    ],
)
def test_the_price_list(amount, fields, expected):
    assert fee(amount, **fields) == expected


def test_each_capture_is_a_line_of_its_own():
    """Both halves are under the exemption that the whole is not, and each is rounded."""
    assert fee(3_000_25) == igst(54_00, 9_72)
    assert [fee(1_500_00), fee(1_500_25)] == [igst(27_00), igst(27_00)]


sales = st.builds(
    sale,
    st.integers(1, 10**15),
    st.sampled_from(["upi", "card"]),
    funding=st.sampled_from(FUNDINGS),
    network=st.sampled_from([None, "visa", "rupay"]),
    mcc=st.integers(0, 9_999).map(lambda code: f"{code:04d}"),
    merchant_size=st.sampled_from(["standard", "small"]),
    state_code=st.sampled_from([HOME, AWAY]),
    day=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)


@given(sales)
def test_everything_has_a_price_and_leaves_the_merchant_something(sold):
    charged = price(TABLE, sold)
    assert charged.fee_minor >= 0
    assert min(msgspec.structs.astuple(charged.tax)) >= 0
    assert charged.fee_minor + charged.tax.total_minor <= sold.amount_minor


@given(sales)
def test_where_the_merchant_is_decides_who_gets_the_tax_not_how_much(sold):
    home, away = (
        price(TABLE, msgspec.structs.replace(sold, state_code=state)) for state in (HOME, AWAY)
    )
    assert home.fee_minor == away.fee_minor
    assert home.tax.total_minor == away.tax.total_minor
    assert away.tax.cgst_minor == away.tax.sgst_minor == home.tax.igst_minor == 0
    assert home.tax.sgst_minor - home.tax.cgst_minor in (0, 1)


minors = st.integers(0, 10**9)
rows = st.builds(
    lambda bps, fixed, least, most: MdrRule(
        mdr_bps=bps,
        fixed_minor=fixed,
        min_fee_minor=min(least, most) if most is not None else least,
        cap_minor=most,
        valid_from=date(2020, 1, 1),
        source="drawn",
    ),
    st.integers(0, 10_000), minors, minors, st.none() | minors,
)  # fmt: skip


def of_one(row, gst_bps=1800):
    gst = GstRule(gst_bps=gst_bps, valid_from=date(2020, 1, 1), source="drawn")
    return FeeTable(PriceList(home_state=HOME, mdr=(row,), gst=(gst,)))


@given(rows, st.integers(1, 10**12), st.integers(0, 10**9), st.integers(0, 10_000))
def test_whatever_a_row_says(row, amount, more, gst_bps):
    table = of_one(row, gst_bps)
    charged, dearer = fee(amount, table=table), fee(amount + more, table=table)
    # Never more than the money that was taken, the tax on it included.
    assert 0 <= charged.fee_minor <= charged.fee_minor + charged.tax.total_minor <= amount
    # More money never costs less in one band.
    assert charged.fee_minor <= dearer.fee_minor
    assert charged.tax.total_minor <= dearer.tax.total_minor
    # At least the least fee and at most the cap, unless the amount itself is less.
    room = amount * 10_000 // (10_000 + gst_bps)
    assert min(row.min_fee_minor, room) <= charged.fee_minor
    assert row.cap_minor is None or charged.fee_minor <= row.cap_minor
    assert charged.tax.total_minor == divide_half_even(charged.fee_minor * gst_bps, 10_000)


@pytest.mark.parametrize(
    ("row", "amount", "expected"),
    [
        ({"mdr_bps": 100, "fixed_minor": 300}, 10_000, 400),
        ({"mdr_bps": 100, "min_fee_minor": 500}, 10_000, 500),
        ({"mdr_bps": 100, "min_fee_minor": 500}, 100_000, 1_000),
        ({"mdr_bps": 100, "cap_minor": 20_000}, 10_000_000, 20_000),
        ({"mdr_bps": 0, "fixed_minor": 300}, 118, 100),  # room for its own GST of 18
        ({"mdr_bps": 0, "fixed_minor": 300}, 1, 0),
        ({"mdr_bps": 10_000}, 1_000_000, 847_457),
    ],
)
def test_fixed_least_and_most(row, amount, expected):
    rule = MdrRule(valid_from=date(2020, 1, 1), source="a row", **row)
    assert fee(amount, table=of_one(rule)).fee_minor == expected


DATED = FeeTable(
    PriceList(
        home_state=HOME,
        mdr=(
            MdrRule(mdr_bps=50, rail=("card_b",), valid_from=date(2026, 2, 1),
                    source="one rail is cheap"),
            MdrRule(mdr_bps=100, valid_from=date(2026, 1, 1), valid_to=date(2026, 3, 31),
                    max_amount_minor=500, source="small, first quarter"),
            MdrRule(mdr_bps=200, valid_from=date(2026, 1, 1), valid_to=date(2026, 3, 31),
                    min_amount_minor=501, source="first quarter"),
            MdrRule(mdr_bps=300, valid_from=date(2026, 4, 1), source="later"),
        ),
        gst=(
            GstRule(gst_bps=1000, valid_from=date(2026, 1, 1), valid_to=date(2026, 1, 31),
                    source="January"),
            GstRule(gst_bps=2000, valid_from=date(2026, 2, 1), source="later"),
        ),
    )
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
    assert fee(amount, day=day, table=DATED) == igst(mdr, gst)


@pytest.mark.parametrize(
    ("rail", "day", "mdr"),
    [
        ("card_b", date(2026, 1, 31), 200),
        ("card_b", date(2026, 2, 1), 50),  # both fit: the first in the file
        ("card_a", date(2026, 2, 1), 200),
    ],
)
def test_the_first_row_that_fits_in_the_order_of_the_file(rail, day, mdr):
    assert fee(10_000, rail=rail, day=day, table=DATED).fee_minor == mdr


def test_a_day_before_the_first_is_an_error_never_a_free_ride():
    with pytest.raises(LookupError, match="card"):
        fee(10_000, day=date(2025, 12, 31), table=DATED)


def test_every_row_names_its_source():
    prices = TABLE.prices
    assert all(len(rule.source) > 10 for rule in (*prices.mdr, *prices.gst))


def test_a_price_takes_microseconds():
    """It stands in the path of every capture; ten times what it takes is allowed here."""
    sold = sale(3_000_00, "upi", funding="ppi")
    assert min(timeit(lambda: price(TABLE, sold), number=1_000) for _ in range(5)) < 0.020
