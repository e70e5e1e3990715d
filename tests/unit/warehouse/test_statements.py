"""Statements: what they say, that they foot, and that the same one is the same bytes."""

import csv
import io
import json
from datetime import timedelta

import msgspec
import pytest
from pypdf import PdfReader

from online.kernel import ids
from tests.unit.warehouse.books import DAY, DISPUTED, MERCHANT, NEXT_DAY, Books, noon
from warehouse.connection import Warehouse, WarehouseError
from warehouse.statements.build import Statement, build, sealed
from warehouse.statements.pdf import grouped
from warehouse.statements.render import FORMATS, render

STATEMENT = ids.derived("statement", "1")


def _statement(warehouse: Warehouse, snapshot: int | None = None) -> Statement:
    return build(
        warehouse,
        statement_id=STATEMENT,
        merchant_id=MERCHANT,
        start_date=DAY,
        end_date=NEXT_DAY,
        snapshot=snapshot,
    )


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    books.capture("before", 10_000, noon(DAY - timedelta(days=1)))
    books.capture("a", 1_00_00_000, noon(DAY))
    books.refund("r", 20_000, noon(DAY, minute=1))
    books.pay_out("p", 50_000, noon(NEXT_DAY))
    return books


def test_what_a_statement_says(warehouse: Warehouse, books: Books) -> None:
    statement = _statement(warehouse)
    assert statement.opening_minor == 10_000 - 200 - 36
    said = [(x.kind, x.debit_minor, x.credit_minor, x.reference) for x in statement.lines]
    payout = ids.encode("att", ids.derived("attempt", "p"))
    assert said == [
        ("capture", 0, 10_000_000, "pay_a"),
        ("fee", 200_000, 0, "pay_a"),
        ("tax", 36_000, 0, "pay_a"),
        ("refund", 20_000, 0, "rfd_r"),
        # Settling moves money between the merchant's own accounts: no line of its own.
        ("payout_sent", 50_000, 0, payout),
    ]
    assert statement.lines[0].description == "Payment received by UPI, RRN a"
    assert (statement.fees_minor, statement.tax_minor) == (200_000, 36_000)
    assert statement.lines[-1].balance_minor == statement.closing_minor
    moved = statement.total_credit_minor - statement.total_debit_minor
    assert statement.opening_minor + moved == statement.closing_minor
    assert (statement.merchant_name, statement.lines[1].description) == (
        "Chai & Sons",
        "Fee (merchant discount rate)",
    )


@pytest.fixture
def trouble(warehouse: Warehouse) -> Books:
    """A capture that is undone, a refund that gives its fee back, one dispute of each end."""
    books = Books(warehouse)
    for place, name in enumerate(("a", "b", "won", "lost", "open")):
        books.capture(name, 10_000, noon(DAY, minute=place))
    books.reverse("back", "a", 10_000, noon(DAY, minute=10))
    books.refund("r", 5_000, noon(DAY, minute=11))
    books.return_fee("r", 100, 18, noon(DAY, minute=12))
    for place, name in enumerate(("won", "lost", "open")):
        books.dispute(name, 10_000, noon(DAY, minute=20 + place))
    books.win("won", 10_000, noon(NEXT_DAY))
    books.lose("lost", 10_000, noon(NEXT_DAY, minute=1))
    books.dispute_fee("lost", 50_000, 9_000, noon(NEXT_DAY, minute=1))
    return books


def test_what_a_statement_says_of_trouble(warehouse: Warehouse, trouble: Books) -> None:
    statement = _statement(warehouse)
    dispute = ids.encode("dsp", ids.derived("dispute", "lost"))
    refund = ids.encode("att", ids.derived("attempt", "r"))
    said = [
        (x.kind, x.description, x.reference, x.credit_minor - x.debit_minor)
        for x in statement.lines[15:]
    ]
    assert said == [
        ("reversal", "Payment reversed, RRN back", "pay_a", -10_000),
        ("fee", "Fee returned (merchant discount rate)", "pay_a", 200),
        ("tax", "IGST on the fee returned", "pay_a", 36),
        ("refund", "Refund to payer", "rfd_r", -5_000),
        ("fee_returned", "Fee returned with a refund", refund, 100),
        ("tax", "IGST on the fee returned", refund, 18),
        # Opened and won move money between the merchant's own accounts: no lines of their own.
        ("dispute_lost", f"Dispute lost, {dispute}", "pay_lost", -10_000),
        ("dispute_fee", f"Dispute fee, {dispute}", "pay_lost", -50_000),
        ("tax", "IGST on the fee", "pay_lost", -9_000),
    ]
    assert statement.fees_minor == 5 * 200 - 200 - 100 + 50_000
    assert statement.tax_minor == 5 * 36 - 36 - 18 + 9_000


def test_the_closing_balance_is_that_of_all_the_merchants_accounts(
    warehouse: Warehouse, trouble: Books
) -> None:
    """Pending + payable + reserve + escrow + disputed, day by day and for the whole."""
    for last in (DAY, NEXT_DAY):
        statement = build(
            warehouse, statement_id=STATEMENT, merchant_id=MERCHANT, start_date=DAY, end_date=last
        )
        held = {
            str(code): int(amount)
            for code, amount in warehouse.rows(
                "SELECT account.code, sum(entry.amount_minor) FROM raw_entries AS entry"
                " INNER JOIN raw_accounts AS account ON entry.account_id = account.id"
                " WHERE account.merchant_id IS NOT NULL AND entry.business_date <= $last"
                " GROUP BY 1",
                last=last,
            )
        }
        moved = statement.total_credit_minor - statement.total_debit_minor
        assert statement.opening_minor + moved == statement.closing_minor == sum(held.values())
        assert statement.disputed_minor == held[DISPUTED]
    assert held[DISPUTED] == 10_000


def test_opening_a_dispute_changes_no_balance_and_losing_it_does(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("x", 10_000, noon(DAY))
    before = _statement(warehouse)
    books.dispute("x", 10_000, noon(DAY, minute=1))
    opened = _statement(warehouse)
    assert (opened.lines, opened.closing_minor) == (before.lines, before.closing_minor)
    assert (before.disputed_minor, opened.disputed_minor) == (0, 10_000)
    books.lose("x", 10_000, noon(DAY, minute=2))
    lost = _statement(warehouse)
    assert lost.closing_minor == before.closing_minor - 10_000
    assert (lost.lines[-1].kind, lost.lines[-1].debit_minor) == ("dispute_lost", 10_000)
    assert lost.disputed_minor == 0


def test_trouble_is_in_every_form(warehouse: Warehouse, trouble: Books) -> None:
    statement = _statement(warehouse)
    told = json.loads(render(statement, "json"))
    assert {line["kind"] for line in told["lines"]} == {
        *("capture", "fee", "tax", "reversal", "refund", "fee_returned", "dispute_lost"),
        "dispute_fee",
    }
    assert told["disputed_minor"] == 10_000
    rows = list(csv.DictReader(io.StringIO(render(statement, "csv").decode())))
    assert [row["kind"] for row in rows[-2:]] == ["closing", "disputed"]
    assert rows[-1]["balance"] == "100.00"
    assert [row["description"] for row in rows[1:-3]] == [x.description for x in statement.lines]
    reader = PdfReader(io.BytesIO(render(statement, "pdf")))
    text = " ".join("".join(page.extract_text() for page in reader.pages).split())
    for expected in (
        "Payment reversed",
        "Fee returned (merchant discount rate)",
        "Fee returned with a refund",
        "Dispute lost",
        "Dispute fee",
        "100.00 of the closing balance is held back in open disputes",
    ):
        assert expected in text


def test_closing_is_the_next_periods_opening(warehouse: Warehouse, books: Books) -> None:
    later = build(
        warehouse,
        statement_id=STATEMENT,
        merchant_id=MERCHANT,
        start_date=NEXT_DAY + timedelta(days=1),
        end_date=NEXT_DAY + timedelta(days=2),
    )
    assert later.opening_minor == later.closing_minor == _statement(warehouse).closing_minor
    assert later.lines == []


def test_a_period_that_ends_before_it_starts_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError):
        build(
            warehouse,
            statement_id=STATEMENT,
            merchant_id=MERCHANT,
            start_date=NEXT_DAY,
            end_date=DAY,
        )


@pytest.mark.parametrize("form", FORMATS)
def test_from_its_snapshot_a_statement_is_the_same_bytes_again(
    warehouse: Warehouse, books: Books, form: str
) -> None:
    first = _statement(warehouse)
    rendered = render(first, form)
    books.capture("late", 77_700, noon(DAY, minute=5))
    assert render(_statement(warehouse, first.snapshot), form) == rendered
    assert _statement(warehouse).content_sha256 != first.content_sha256


def test_the_hash_is_of_the_content(warehouse: Warehouse, books: Books) -> None:
    statement = _statement(warehouse)
    assert sealed(statement) == statement
    changed = msgspec.structs.replace(statement, closing_minor=statement.closing_minor + 1)
    assert sealed(changed).content_sha256 != statement.content_sha256
    assert json.loads(render(statement, "json"))["content_sha256"] == statement.content_sha256


def test_the_csv_foots(warehouse: Warehouse, books: Books) -> None:
    statement = _statement(warehouse)
    rows = list(csv.DictReader(io.StringIO(render(statement, "csv").decode())))
    assert [row["kind"] for row in rows][::6] == ["opening", "total"]
    assert (rows[0]["balance"], rows[-1]["kind"]) == ("97.64", "closing")
    debits = sum(int(row["debit"].replace(".", "")) for row in rows[1:-2] if row["debit"])
    assert debits == int(rows[-2]["debit"].replace(".", "")) == statement.total_debit_minor


def test_the_pdf_is_an_archive_document_with_everything_on_it(
    warehouse: Warehouse, books: Books
) -> None:
    statement = _statement(warehouse)
    content = render(statement, "pdf")
    assert b"<pdfaid:part>2</pdfaid:part>" in content
    reader = PdfReader(io.BytesIO(content))
    text = "".join(page.extract_text() for page in reader.pages)
    box = reader.pages[0].mediabox
    assert (round(box.width), round(box.height)) == (595, 842)
    for expected in (
        statement.number,
        statement.content_sha256,
        "Chai & Sons",
        "1,00,000.00",
        "₹",
        "Page 1 of 1",
        "16 Nov 2026 to 17 Nov 2026",
    ):
        assert expected in text


def test_a_name_that_the_fonts_lack_does_not_stop_a_statement(
    warehouse: Warehouse, books: Books
) -> None:
    named = msgspec.structs.replace(_statement(warehouse), merchant_name="चाय & Sons")
    assert render(named, "pdf").startswith(b"%PDF")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "INR", "0.00"),
        (99_999, "INR", "999.99"),
        (1_00_000, "INR", "1,000.00"),
        (1_23_45_67_890, "INR", "1,23,45,678.90"),
        (-1_00_000_00, "INR", "\N{MINUS SIGN}1,00,000.00"),
        (123_456_789, "USD", "1,234,567.89"),
        (1_234_567, "JPY", "1,234,567"),
    ],
)
def test_amounts_are_grouped_as_their_country_groups(minor: int, currency: str, text: str) -> None:
    assert grouped(minor, currency) == text
