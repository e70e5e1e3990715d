"""A price list is refused when it contradicts itself or leaves something without a price."""

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online.payments.fee_rules import GstRule, MdrRule, PriceList, UnusableList, check
from online.payments.fees import FeeTable, Sale, load_fees

GST = "gst: [{gst_bps: 1800, valid_from: 2020-01-01, source: law}]"
ALL = "{mdr_bps: 180, valid_from: 2020-01-01, source: all}"


def loaded(tmp_path, *rows, gst=GST):
    path = tmp_path / "fees.yaml"
    mdr = "\n".join(f"  - {row}" for row in rows)
    path.write_text(f"home_state: '29'\n{gst}\nmdr:\n{mdr}\n")
    return load_fees(path)


def row(text, mdr_bps=100, valid_from="2020-01-01"):
    named = f"{text}, " if text else ""
    return f"{{{named}mdr_bps: {mdr_bps}, valid_from: {valid_from}, source: 'row of {mdr_bps}'}}"


@pytest.mark.parametrize(
    "text",
    [
        "{mdr_bps: 1.8, valid_from: 2020-01-01, source: a float}",
        "{mdr_bps: 180, source: no date}",
        "{mdr_bps: -1, valid_from: 2020-01-01, source: below zero}",
        "{mdr_bps: 10001, valid_from: 2020-01-01, source: more than all}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, surprise: 1}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, method: cheque}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, funding: []}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, mcc: ['63-6399']}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, mcc: [12]}",
        "{mdr_bps: 180, valid_from: 2020-01-01, source: x, merchant_size: [tiny]}",
    ],
)
def test_a_mistake_in_a_row_is_named(tmp_path, text):
    with pytest.raises(msgspec.ValidationError):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("rows", "unreached"),
    [
        ([ALL, row("method: card")], "row of 100"),
        ([row("funding: [ppi, bank]"), row("funding: [bank]", 7), ALL], "row of 7"),
        ([row("mcc: ['6300-6399']"), row("mcc: [6311]", 7), ALL], "row of 7"),
        # Two rows together cover a third.
        (
            [row("max_amount_minor: 500"), row("min_amount_minor: 501"), row("method: upi", 7)],
            "row of 7",
        ),
        ([row("method: card"), row("method: upi"), row("funding: [ppi]", 7)], "row of 7"),
        # Overlapping days: it would begin when another holds already, for good.
        ([row(""), row("", 7, "2026-01-01")], "row of 7"),
        # Nothing fits a row that begins after it ends.
        ([row("min_amount_minor: 10, max_amount_minor: 9", 7), ALL], "row of 7"),
        ([row("valid_to: 2019-12-31", 7), ALL], "row of 7"),
        ([row("mcc: ['6399-6300']", 7), ALL], "row of 7"),
    ],
)
def test_a_row_that_can_never_be_reached_is_refused(tmp_path, rows, unreached):
    with pytest.raises(UnusableList, match=f"never be reached: {unreached}"):
        loaded(tmp_path, *rows)


@pytest.mark.parametrize(
    ("rows", "sale"),
    [
        ([row("method: card")], "method upi"),
        ([row("method: upi"), row("method: card, funding: [credit]")], "method card"),
        ([row("max_amount_minor: 500")], "amount 501"),
        ([row("min_amount_minor: 2")], "amount 1,"),
        ([row("valid_to: 2025-12-31"), row("", 7, "2026-01-02")], "day 2026-01-01"),
        ([row("valid_to: 2025-12-31")], "day 2026-01-01"),
        ([row("mcc: ['0000-6299', '6301-9999']"), row("mcc: [6300], method: upi")], "mcc 6300"),
        ([row("merchant_size: [small]")], "merchant size standard"),
        # Since the first day of the whole list, not of the method.
        ([row("method: card"), row("method: upi", 7, "2021-01-01")], "day 2020-01-01"),
    ],
)
def test_a_sale_without_a_price_is_refused_with_an_example(tmp_path, rows, sale):
    with pytest.raises(UnusableList, match=f"no row prices a sale: .*{sale}"):
        loaded(tmp_path, *rows)


@pytest.mark.parametrize(
    "rows",
    [
        [row("method: card, funding: [debit]"), row("method: card"), row("method: upi")],
        [row("valid_to: 2025-12-31"), row("", 7, "2026-01-01")],
        # An offer that ends, over a row that stays.
        [row("rail: [card_a], valid_to: 2026-01-31", 7, "2026-01-01"), ALL],
        [row("mcc: ['0000-4999']"), row("mcc: ['5000-9999']")],
        # Half of it is covered, the other half is its own.
        [row("funding: [bank]"), row("funding: [bank, ppi]", 7), ALL],
    ],
)
def test_what_is_whole_and_reached_is_taken(tmp_path, rows):
    assert loaded(tmp_path, *rows)


def test_a_least_fee_above_the_cap_is_refused(tmp_path):
    with pytest.raises(UnusableList, match="above its cap"):
        loaded(tmp_path, row("min_fee_minor: 11, cap_minor: 10"))


@pytest.mark.parametrize(
    ("gst", "said"),
    [
        ("gst: [{gst_bps: 1800, valid_from: 2020-01-02, source: late}]", "no row prices GST"),
        (
            (
                "gst:\n- {gst_bps: 1800, valid_from: 2020-01-01, source: a}\n"
                "- {gst_bps: 500, valid_from: 2021-01-01, source: b}"
            ),
            "GST row 2 can never be reached",
        ),
    ],
)
def test_gst_is_checked_alike(tmp_path, gst, said):
    with pytest.raises(UnusableList, match=said):
        loaded(tmp_path, ALL, gst=gst)


DAYS = [date(2026, 1, day) for day in (1, 2, 3)]
some = st.none() | st.sets(st.sampled_from(["a", "b"]), min_size=1).map(lambda s: tuple(sorted(s)))
drawn = st.builds(
    MdrRule,
    mdr_bps=st.just(0),
    source=st.uuids().map(str),
    valid_from=st.sampled_from(DAYS),
    valid_to=st.none() | st.sampled_from(DAYS),
    method=st.sampled_from([None, "upi", "card"]),
    funding=some,
    mcc=st.sampled_from([None, (5411,), ("5000-5411",)]),
    max_amount_minor=st.sampled_from([None, 2]),
)


def every_sale(since):
    """Every kind of sale that the drawn rows could tell apart."""
    return [
        Sale(method=method, rail="r", funding=funding, mcc=mcc, amount_minor=amount, day=day,
             state_code="29")
        for method in ("upi", "card")
        for funding in ("a", "b", None)
        for mcc in ("5411", "5000", "6000")
        for amount in (1, 2, 3)
        for day in [*DAYS, date(2026, 1, 4)]
        if day >= since
    ]  # fmt: skip


def fits(rule, sale):
    return (
        (rule.method is None or rule.method == sale.method)
        and (rule.funding is None or sale.funding in rule.funding)
        and (rule.mccs is None or sale.mcc in rule.mccs)
        and (rule.max_amount_minor is None or sale.amount_minor <= rule.max_amount_minor)
        and rule.valid_from <= sale.day
        and (rule.valid_to is None or sale.day <= rule.valid_to)
    )


@settings(max_examples=300)
@given(st.lists(drawn, min_size=1, max_size=5).map(tuple), st.booleans())
def test_the_check_and_the_table_agree_with_trying_every_sale(rules, whole):
    if whole:
        last = MdrRule(mdr_bps=0, source="rest", valid_from=min(r.valid_from for r in rules))
        rules = (*rules, last)
    since = min(rule.valid_from for rule in rules)
    firsts = [next((r for r in rules if fits(r, sale)), None) for sale in every_sale(since)]
    good = None not in firsts and all(rule in firsts for rule in rules)
    gst = (GstRule(gst_bps=1800, valid_from=since, source="law"),)
    prices = PriceList(home_state="29", mdr=rules, gst=gst)
    if not good:
        with pytest.raises(UnusableList):
            check(prices)
        return
    table = FeeTable(prices)
    assert [table.mdr(sale) for sale in every_sale(since)] == firsts
