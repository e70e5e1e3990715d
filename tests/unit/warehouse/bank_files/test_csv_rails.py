"""Settlement reports: rows, charges and identities as each rail's own documentation has them."""
# ruff: noqa: E501 - lines are as long as banks and rails make them

from datetime import UTC, date, datetime

import pytest

from online.sandbox import switch_file
from tests.unit.warehouse.books import DAY, noon, rail_file, rail_line
from warehouse.bank_files.model import RailRow
from warehouse.bank_files.parse import document, parse

RAZORPAY = b"""entity_id,type,debit,credit,amount,currency,fee,tax,on_hold,settled,created_at,settled_at,settlement_id,posted_at,credit_type,description,notes,payment_id,settlement_utr,order_id,order_receipt,method,card_network,card_issuer,card_type,dispute_id
pay_1,payment,0,97100,100000,INR,2900,0,false,true,1567692556,1568176960,setl_1,,default,"Recurring, order",{},,utr1,order_1,our_1,card,MasterCard,KARB,credit,
pay_2,payment,0,97640,100000,INR,2360,360,false,true,1567692556,1568176960,setl_1,,default,,{},,utr1,order_2,,card,Visa,HDFC,debit,
rfnd_1,refund,242500,0,242500,INR,0,0,false,true,1568107224,1568176960,setl_1,,default,,{},pay_0,utr1,order_0,,card,,,,
adj_1,adjustment,0,1012,1012,INR,0,0,false,true,1567692556,1568176960,setl_1,,,test reason,,,utr1,,,,,,,
pay_3,payment,0,97640,100000,INR,2360,360,true,false,1567692556,,,,default,,{},,,order_3,,card,Visa,HDFC,debit,
"""
RAZORPAY_REPORT = b"""transaction_entity,entity_id,amount,currency,fee (exclusive tax),tax,debit,credit,payment_method,entity_created_at,order_id,order_receipt,settlement_id,settled_at,settlement_utr
payment,pay_1,1000.00,INR,20.00,3.60,0.00,976.40,upi,16/11/2026 10:11:12,order_1,,setl_1,17/11/2026 09:00:00,utr1
refund,rfnd_1,500.00,INR,0.00,0.00,500.00,0.00,upi,16/11/2026 10:11:12,order_2,,setl_1,17/11/2026 09:00:00,utr1
"""
ADYEN = b"""Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Creation Date,TimeZone,Type,Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Markup (NC),Scheme Fees (NC),Interchange (NC),Payment Method Variant,Batch Number
Co,Shop,PSP1,our_1,visa,2026-11-16 09:00:00,CET,Settled,,EUR,,40.00,1,EUR,,39.20,0.20,0.30,0.10,0.20,visaclassic,7
Co,Shop,PSP1,our_1,visa,2026-11-17 09:00:00,CET,Refunded,MOD1,EUR,10.00,,1,EUR,10.00,,,,,,visaclassic,7
Co,Shop,PSP2,our_2,visa,2026-11-17 10:00:00,CET,Chargeback,MOD2,EUR,5.00,,1,EUR,5.00,,,,,,visaclassic,7
Co,Shop,,,,2026-11-18 10:00:00,CET,Fee,,EUR,,,1,EUR,0.10,,,,,,,7
Co,Shop,,,,2026-11-18 23:30:00,CET,MerchantPayout,,EUR,,,,EUR,24.10,,,,,,,7
"""
STRIPE = b"""automatic_payout_id,automatic_payout_effective_at_utc,balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,payment_intent_id,description
po_1,2026-09-17 00:00:00,txn_1,2026-09-15 10:22:31,gbp,45.99,0.89,45.10,charge,ch_1,pi_1,
po_1,2026-09-17 00:00:00,txn_2,2026-09-15 12:00:00,gbp,-5.00,0.00,-5.00,refund,re_1,pi_1,
po_1,2026-09-17 00:00:00,txn_3,2026-09-16 09:00:00,jpy,-2000,15,-2015,dispute,dp_1,pi_2,
,,txn_4,2026-09-18 09:00:00,gbp,1.00,0.10,0.90,charge,ch_4,pi_4,
"""
CASHFREE = b"""ID,Total Transaction Amount,Settlement Amount,Adjustment,Net Settlement Amount,UTR No.
1,1000.00,976.40,-500.00,476.40,AXISCN1169361047

Event ID,Event Type,Sale Type,Event Currency,Event Time,Processed On,Status,Event Amount,Event Settlement Amount,Settlement Date,UTR,Merchant Reference ID,Transaction Service Charge,Txn ST/GST
4387450090,PAYMENT,CREDIT,INR,2025-09-26 15:05:12,2025-10-08 15:35:50,SUCCESS,1000.00,976.40,2025-10-08 15:35:50,AXISCN1169361047,our_1,20.00,3.60
4387450091,REFUND,DEBIT,INR,2025-09-26 15:05:12,2025-10-08 15:35:50,SUCCESS,500.00,-500.00,2025-10-08 15:35:50,AXISCN1169361047,our_2,20.00,3.60
4387450092,DISPUTE,DEBIT,INR,2025-09-26 15:05:12,2025-10-08 15:35:50,SUCCESS,10.00,10.00,2025-10-08 15:35:50,AXISCN1169361047,our_3,1.00,0.18
"""
Row = tuple[str, int, int, int, int]


def _rows(data: bytes) -> list[RailRow]:
    file = parse(data, "x.csv")
    assert file.problems == []
    return file.rail_rows


def _amounts(rows: list[RailRow]) -> list[Row]:
    return [
        (row.row_type, row.gross_minor, row.fee_minor, row.tax_minor, row.net_minor) for row in rows
    ]


def test_razorpay_counts_paise_and_has_the_tax_in_the_fee() -> None:
    rows = _rows(RAZORPAY)
    assert _amounts(rows) == [
        ("capture", 100_000, 2_900, 0, 97_100),
        ("capture", 100_000, 2_000, 360, 97_640),
        ("refund", -242_500, 0, 0, -242_500),
        ("adjustment", 1_012, 0, 0, 1_012),
        ("capture", 100_000, 2_000, 360, 97_640),
    ]
    first = rows[0]
    assert (first.rail, first.settlement_id, first.utr) == ("razorpay", "setl_1", "utr1")
    assert (first.order_ref, first.network_ref) == ("our_1", "pay_1")
    assert rows[1].order_ref == "order_2"
    assert first.settled_on == date(2019, 9, 11)
    assert first.txn_time == datetime(2019, 9, 5, 14, 9, 16, tzinfo=UTC)
    assert [row.status for row in rows] == ["SUCCESS"] * 4 + ["UNSETTLED"]


def test_razorpay_files_whose_fee_excludes_the_tax_are_told_by_their_rows() -> None:
    data = RAZORPAY.replace(b",2360,360,", b",2000,360,")
    assert _amounts(_rows(data))[1] == ("capture", 100_000, 2_000, 360, 97_640)


def test_razorpay_in_rupees() -> None:
    rows = _rows(RAZORPAY_REPORT)
    assert _amounts(rows) == [
        ("capture", 100_000, 2_000, 360, 97_640),
        ("refund", -50_000, 0, 0, -50_000),
    ]
    assert rows[0].settled_on == date(2026, 11, 17)
    assert rows[0].txn_time == datetime(2026, 11, 16, 4, 41, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"100000,INR,2900", b"100000.00,INR,2900", "the file has major and minor units"),
        (b"0,97100,100000,INR,2900", b"0,97100.0,100000.0,INR,2900.0", "may be major or minor"),
        (b"100000,INR,2900", b"100000,INR,2901", "gross - fee makes"),
        (b"pay_1,payment", b"pay_1,gift", "is no known type"),
        (b"1567692556,1568176960", b"1567692556,11-09-19", "is not a date"),
        (b"INR,2900", b"Rs,2900", "is not an ISO 4217 currency code"),
        (b"payment,0,97100,", b"payment,,,", "states no amount"),
        (b"payment,0,97100,", b"payment,97100,0,", "has the wrong sign for capture"),
    ],
)
def test_a_razorpay_fault_is_named_and_nothing_is_read(old: bytes, new: bytes, reason: str) -> None:
    assert old in RAZORPAY
    file = parse(RAZORPAY.replace(old, new, 1), "x")
    assert file.rail_rows == []
    assert any(p.line in (2, 3) and reason in p.reason for p in file.problems), file.problems


def test_adyen_costs_are_summed_and_the_payout_day_is_the_settlement_s() -> None:
    rows = _rows(ADYEN)
    assert _amounts(rows) == [
        ("capture", 4_000, 80, 0, 3_920),
        ("refund", -1_000, 0, 0, -1_000),
        ("chargeback", -500, 0, 0, -500),
        ("fee", -10, 0, 0, -10),
        ("payout", -2_410, 0, 0, -2_410),
    ]
    assert {row.settled_on for row in rows} == {date(2026, 11, 18)}
    assert {row.settlement_id for row in rows} == {"7"}
    assert [row.network_ref for row in rows] == ["PSP1", "MOD1", "MOD2", "", ""]
    assert rows[0].txn_time == datetime(2026, 11, 16, 8, tzinfo=UTC)


def test_adyen_in_another_currency_is_what_the_settlement_gets() -> None:
    data = ADYEN.replace(b"Settled,,EUR,,40.00,1,EUR", b"Settled,,USD,,44.00,0.90909,EUR")
    rows = _rows(data)
    assert (rows[0].currency, rows[0].gross_minor, rows[0].net_minor) == ("EUR", 4_000, 3_920)
    for wrong in (b"0.90999", b"", b"1e0"):
        (problem,) = parse(data.replace(b"0.90909", wrong), "x").problems
        assert (problem.line, problem.field) == (2, "Exchange Rate")


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "reason"),
    [
        (b"39.20,0.20", b"39.19,0.20", 2, "Net Debit (NC) / Net Credit (NC)", "makes 39.20"),
        (b"EUR,24.10", b"EUR,24.11", 6, "Net Debit (NC) / Net Credit (NC)", "-0.01 apart"),
        (b",40.00,1", b",-40.00,1", 2, "Gross Credit (GC)", "is negative"),
        (b"EUR,10.00,,1", b"EUR,,10.00,1", 3, "Gross Debit (GC) / Gross Credit (GC)", "sign"),
    ],
)
def test_an_adyen_fault_is_named(
    old: bytes, new: bytes, line: int, field: str, reason: str
) -> None:
    assert old in ADYEN
    found = parse(ADYEN.replace(old, new, 1), "x").problems
    assert any((p.line, p.field) == (line, field) and reason in p.reason for p in found), found


def test_stripe_units_follow_the_currency() -> None:
    rows = _rows(STRIPE)
    assert _amounts(rows) == [
        ("capture", 4_599, 89, 0, 4_510),
        ("refund", -500, 0, 0, -500),
        ("chargeback", -2_000, 15, 0, -2_015),
        ("capture", 100, 10, 0, 90),
    ]
    assert [row.currency for row in rows] == ["GBP", "GBP", "JPY", "GBP"]
    assert (rows[0].settlement_id, rows[0].settled_on) == ("po_1", date(2026, 9, 17))
    assert rows[0].txn_time == datetime(2026, 9, 15, 10, 22, 31, tzinfo=UTC)
    # What is in no automatic payout is in no settlement.
    assert [row.status for row in rows] == ["SUCCESS"] * 3 + ["UNSETTLED"]


def test_stripe_yen_have_no_decimals() -> None:
    (problem, *_) = parse(STRIPE.replace(b"jpy,-2000,", b"jpy,-2000.5,"), "x").problems
    assert (problem.line, problem.field) == (4, "gross")
    assert "fraction of a minor unit of JPY" in problem.reason


def test_cashfree_signs_come_from_the_sale_type() -> None:
    rows = _rows(CASHFREE)
    assert _amounts(rows) == [
        ("capture", 100_000, 2_000, 360, 97_640),
        ("refund", -50_000, 0, 0, -50_000),
        ("chargeback", -1_000, 0, 0, -1_000),
    ]
    assert rows[0].utr == rows[0].settlement_id == "AXISCN1169361047"
    assert (rows[0].order_ref, rows[0].settled_on) == ("our_1", date(2025, 10, 8))
    assert rows[0].txn_time == datetime(2025, 9, 26, 9, 35, 12, tzinfo=UTC)


def test_cashfree_says_the_same_by_the_names_of_its_api() -> None:
    section = CASHFREE.split(b"\n\n")[1]
    header, rest = section.split(b"\n", 1)
    renamed = header.decode().lower().replace(" ", "_").replace("merchant_reference_id", "order_id")
    renamed = renamed.replace("transaction_service_charge", "payment_service_charge")
    renamed = renamed.replace("txn_st/gst", "payment_service_tax")
    assert _rows(renamed.encode() + b"\n" + rest) == _rows(CASHFREE)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"976.40,2025", b"976.41,2025", "gross - fee - tax makes 976.40"),
        (b"CREDIT,INR", b"SIDEWAYS,INR", "is neither debit nor credit"),
        (b"1000.00,976.40,2025", b"1000.00,-976.40,2025", "is negative, and a credit"),
        (b"INR,2025-09-26 15:05:12", b"INR,26 Sept", "is not a date and time"),
    ],
)
def test_a_cashfree_fault_is_named(old: bytes, new: bytes, reason: str) -> None:
    assert old in CASHFREE
    found = parse(CASHFREE.replace(old, new, 1), "x").problems
    assert any(p.line == 5 and reason in p.reason for p in found), found


def test_the_door_shows_a_report_as_lines_as_well() -> None:
    shown = document(parse(ADYEN, "x"))
    (statement,) = shown["statements"]  # type: ignore[misc]
    assert (statement.account, statement.currency) == ("adyen", "EUR")
    assert [line.amount_minor for line in statement.lines] == [3_920, -1_000, -500, -10, -2_410]
    assert statement.lines[0].reference == "our_1"
    assert statement.lines[0].details[0]["fee_minor"] == "80"


def test_our_own_files_are_utf_8_and_the_line_that_is_not_is_named() -> None:
    lines = [rail_line(f"att_{n}", 100, noon(DAY)) for n in range(5)]
    data = switch_file.render(rail_file(lines, DAY)).replace(b"att_3", b"att_\xff")
    problem, *_ = parse(data, "x").problems
    assert (problem.line, problem.value, problem.reason) == (5, "0xff", "is not utf-8")
