"""Tax documents offline: what is asked of online, and how an answer looks on paper."""

import json
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from online.kernel import ids
from online.kernel.clock import IST
from online.kernel.months import InvalidMonth, Month
from tests.unit.warehouse.books import MERCHANT_ID, PENDING, Books, charges
from warehouse.connection import Warehouse, WarehouseError
from warehouse.invoices.drafts import drafts, keep
from warehouse.invoices.render import RENDERERS, render
from warehouse.invoices.words import rupees_in_words

MARCH, APRIL = Month(2026, 3), Month(2026, 4)
APRIL_BEGINS = datetime(2026, 4, 1, tzinfo=IST)


def close(warehouse: Warehouse, month: Month) -> None:
    warehouse.execute(
        "INSERT INTO raw_periods VALUES ($month, $at, 0, 0, '[]', '', 1)",
        month=month.first,
        at=APRIL_BEGINS,
    )


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    books.capture("march", 50_000, APRIL_BEGINS - timedelta(seconds=1))
    books.capture("april", 10_000, APRIL_BEGINS)
    books.capture("tiny", 100, APRIL_BEGINS)  # fee 2, no tax
    books.dispute_fee("april", 5_000, 900, APRIL_BEGINS + timedelta(days=29, hours=23))
    fee, tax = charges(50_000)
    books.post(
        "fee_returned",
        "att_back",
        [(PENDING, fee + tax), ("fees:mdr", -fee), ("tax:igst", -tax)],
        APRIL_BEGINS + timedelta(days=3),
        '{"payment_id": "pay_march"}',
    )
    books.capture("may", 90_000, datetime(2026, 5, 1, tzinfo=IST))
    return books


def charge(service: str, fee: int, tax: int, *, count: int = 1) -> dict[str, Any]:
    return {
        "service": service, "taxed": tax != 0, "returned": fee < 0, "count": count, "fee": fee,
        "igst": tax, "cgst": 0, "sgst": 0,
    }  # fmt: skip


def test_a_month_s_charges_by_service_and_treatment(warehouse: Warehouse, books: Books) -> None:
    close(warehouse, APRIL)
    assert drafts(warehouse, APRIL) == [
        {
            "merchant_id": MERCHANT_ID,
            "month": "2026-04",
            "currency": "INR",
            "charges": [
                charge("dispute", 5_000, 900),
                charge("mdr", 2, 0),
                charge("mdr", 200, 36),
                charge("mdr", -1_000, -180),
            ],
            "original_months": ["2026-03"],
        }
    ]


def test_a_month_that_is_open_is_not_invoiced(warehouse: Warehouse, books: Books) -> None:
    close(warehouse, MARCH)
    with pytest.raises(WarehouseError, match="2026-04 is not closed"):
        drafts(warehouse, APRIL)
    (march,) = drafts(warehouse, MARCH)
    assert (march["charges"], march["original_months"]) == ([charge("mdr", 1_000, 180)], [])


def test_who_was_charged_nothing_is_left_out(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.post(
        "capture", "free", [("rail:upi_hdfc:receivable", -500), (PENDING, 500)], APRIL_BEGINS
    )
    books.capture("paid", 10_000, APRIL_BEGINS)
    books.reverse("back", "paid", 10_000, APRIL_BEGINS + timedelta(days=1))
    close(warehouse, APRIL)
    assert drafts(warehouse, APRIL) == []


def document(**fields: Any) -> dict[str, Any]:
    party = {
        "legal_name": "Chai & Sons चाय Private Limited <b>#x</b>",
        "gstin": "27AABCC1234D1ZB",
        "address": "7 Marine Lines, Mumbai",
        "state_code": "27",
        "state": "Maharashtra",
    }
    line = {
        "description": "Merchant discount rate", "sac": "997158", "count": 12_345,
        "rate_bps": 1800, "value": 123_456_789, "igst": 22_222_222, "cgst": 0, "sgst": 0,
    }  # fmt: skip
    known = {
        "kind": "invoice",
        "number": "KHI/26-27/000001",
        "issued_on": "2026-11-30",
        "month": "2026-11",
        "merchant_id": MERCHANT_ID,
        "currency": "INR",
        "livemode": True,
        "supplier": {**party, "legal_name": "Khata Payments Private Limited", "state_code": "29"},
        "recipient": party,
        "place_of_supply": "27 Maharashtra",
        "sac": "997158",
        "sac_title": "Financial transactions processing",
        "lines": [line],
        "value": 123_456_789,
        "exempt": 0,
        "igst": 22_222_222,
        "cgst": 0,
        "sgst": 0,
        "total": 145_679_011,
        "against": [],
    }
    return known | fields


def text_of(pdf: bytes) -> str:
    return " ".join("\n".join(p.extract_text() for p in PdfReader(BytesIO(pdf)).pages).split())


def test_an_invoice_on_paper_has_the_particulars_of_the_rules() -> None:
    text = text_of(render(document(), "pdf"))
    for wanted in (
        *("Tax invoice", "KHI/26-27/000001", "30 Nov 2026", "27AABCC1234D1ZB", "27 Maharashtra"),
        *("997158", "18 %", "12,34,567.89", "2,22,222.22", "14,56,790.11", "Reverse charge"),
        "Rupees fourteen lakh fifty-six thousand seven hundred ninety and eleven paise only",
    ):
        assert wanted in text, wanted
    assert "Test mode" not in text
    assert "else [" not in text


def test_a_credit_note_names_its_invoices_and_a_test_document_says_so() -> None:
    against = [{"number": "KHI/26-27/000003", "issued_on": "2026-10-31"}]
    text = text_of(render(document(kind="credit_note", against=against, livemode=False), "pdf"))
    assert "Credit note" in text
    assert "tax invoice KHI/26-27/000003 of 31 Oct 2026" in text
    assert "this is not a tax document" in text
    assert "no tax invoice was issued" in text_of(render(document(kind="credit_note"), "pdf"))


@pytest.mark.parametrize("form", list(RENDERERS))
def test_the_same_document_is_the_same_bytes(form: str) -> None:
    assert render(document(), form) == render(document(), form)
    turned = dict(reversed(document().items()))
    assert render(turned, form) == render(document(), form)


def test_the_pdf_is_an_archive_s_and_the_json_is_everything() -> None:
    assert b"<pdfaid:part>2</pdfaid:part>" in render(document(), "pdf")
    assert json.loads(render(document(), "json")) == document()
    with pytest.raises(WarehouseError):
        render(document(), "docx")


@pytest.mark.parametrize(
    ("paise", "words"),
    [
        (0, "Rupees zero only"),
        (1, "Rupees zero and one paise only"),
        (100, "Rupees one only"),
        (1_999_21, "Rupees one thousand nine hundred ninety-nine and twenty-one paise only"),
        (1_00_000_00, "Rupees one lakh only"),
        (12_34_00_089_10, "Rupees twelve crore thirty-four lakh eighty-nine and ten paise only"),
        (1_00_00_000_00 * 1_234, "Rupees one thousand two hundred thirty-four crore only"),
        (-100, "Rupees minus one only"),
    ],
)  # fmt: skip
def test_amounts_in_words(paise: int, words: str) -> None:
    assert rupees_in_words(paise) == words


def test_answers_are_kept_by_month_and_replaced(warehouse: Warehouse) -> None:
    id_ = ids.encode("inv", ids.derived("invoice"))
    for month, times in ((APRIL, 2), (MARCH, 1)):
        for _ in range(times):
            answer = {"invoice_id": id_, "document": document(month=str(month))}
            assert keep(warehouse, month, [answer]) == 1
    rows = warehouse.rows("SELECT month, number, total_minor FROM invoices ORDER BY month")
    assert [(month, total) for month, _, total in rows] == [
        (MARCH.first, 145_679_011),
        (APRIL.first, 145_679_011),
    ]
    assert keep(warehouse, MARCH, []) == 0
    assert warehouse.count("invoices") == 1


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-00", "2026-13", "26-11", "2026-11-01", "0000-01", "9999-12", "２０２６-11"],
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidMonth):
        Month.parse(text)


@pytest.mark.parametrize(
    ("text", "first", "last", "year"),
    [
        ("2026-03", "2026-03-01", "2026-03-31", "25-26"),
        ("2026-04", "2026-04-01", "2026-04-30", "26-27"),
        ("2028-02", "2028-02-01", "2028-02-29", "27-28"),
        ("2026-12", "2026-12-01", "2026-12-31", "26-27"),
        ("2100-01", "2100-01-01", "2100-01-31", "99-00"),
    ],
)
def test_months_and_the_financial_year_they_are_of(
    text: str, first: str, last: str, year: str
) -> None:
    month = Month.parse(text)
    found = (str(month), str(month.first), str(month.last), month.financial_year)
    assert found == (text, first, last, year)
    assert month.next > month
