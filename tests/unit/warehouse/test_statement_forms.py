"""Statements as JSON, CSV and PDF: the same content in each, safe to open, the same bytes again."""

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from tests.unit.warehouse.books import DAY, MERCHANT_ID, Books, noon
from tests.unit.warehouse.test_statements import a_day, a_day_of_trouble, statement_of
from warehouse import schema as tables
from warehouse.connection import LakeConfig, Warehouse, WarehouseError
from warehouse.statements import many
from warehouse.statements.model import Holder, Parts, Seal, Statement, Supplier, sealed
from warehouse.statements.pdf import compile_document, document, grouped, printable
from warehouse.statements.render import FORMATS, render, safe, schema

SCHEMA = Path(__file__).parents[3] / "docs" / "statement.schema.json"
NAMES = (
    "चाय वाला & Sons",
    "தமிழ் நாடு ஸ்டோர்ஸ்",
    "বাংলা মিষ্টি",
    "ગુજરાતી થાળી",
    "ਪੰਜਾਬੀ ਢਾਬਾ",
    "ಕನ್ನಡ ಅಂಗಡಿ",
    "മലയാളം കട",
    "ଓଡ଼ିଆ ଦୋକାନ",
    "తెలుగు దుకాణం",
    "اردو بازار",
)

_NOTHING = dict.fromkeys(Parts.__struct_fields__, 0)
_EMPTY = Statement(
    merchant_id=MERCHANT_ID,
    holder=Holder(merchant_id=MERCHANT_ID, name="Chai", legal_name="Chai"),
    supplier=Supplier(legal_name="Khata"),
    currency="INR",
    livemode=False,
    start_date=DAY,
    end_date=DAY,
    snapshot=1,
    snapshot_at=noon(DAY),
    opening_minor=0,
    closing_minor=0,
    total_debit_minor=0,
    total_credit_minor=0,
    debit_count=0,
    credit_count=0,
    fees_minor=0,
    tax_minor=0,
    parts=Parts(**_NOTHING),
    charges=[],
    lines=[],
)


def _made(folder: Path, fill: Callable[[Books], None]) -> Statement:
    config = LakeConfig(catalog=str(folder / "c.ducklake"), data_path=str(folder / "lake"))
    with Warehouse(config) as warehouse:
        tables.ensure(warehouse)
        fill(Books(warehouse))
        return statement_of(warehouse)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    return _made(tmp_path_factory.mktemp("plain"), a_day)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Statement:
    return _made(tmp_path_factory.mktemp("troubled"), a_day_of_trouble)


def csv_rows(statement: Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(statement, "csv").decode(), newline="")))


def pdf_text(content: bytes) -> str:
    reader = PdfReader(io.BytesIO(content))
    return " ".join("".join(page.extract_text() for page in reader.pages).split())


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def named(statement: Statement, name: str) -> Statement:
    holder = msgspec.structs.replace(statement.holder, name=name, legal_name=name)
    return sealed(msgspec.structs.replace(statement, holder=holder))


def test_the_json_is_as_its_schema_says(troubled: Statement) -> None:
    told = json.loads(render(troubled, "json"))
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert msgspec.json.decode(render(troubled, "json"), type=Statement) == troubled
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**told, "opening_minor": "1"}, json.loads(SCHEMA.read_text()))


def test_the_schema_on_file_is_that_of_the_code() -> None:
    """`python -m warehouse statement-schema > docs/statement.schema.json`"""
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(schema()))


def test_the_content_hash_is_what_its_description_says(troubled: Statement) -> None:
    """Anybody can compute it from the JSON with nothing of ours."""
    statement = named(troubled, 'Chai "&" Sons\\ \t\u2028 ₹ चाय 😀')
    told = json.loads(render(statement, "json"))
    stated = told["content_sha256"]
    bare = {**told, "content_sha256": ""}
    canonical = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == stated == statement.content_sha256
    changed = msgspec.structs.replace(statement, closing_minor=statement.closing_minor + 1)
    assert sealed(changed).content_sha256 != stated


def test_every_form_has_the_same_hash_lines_and_totals(troubled: Statement) -> None:
    seal = Seal(number=7, day=troubled.end_date, root="ab" * 32, hash="cd" * 32)
    statement = sealed(msgspec.structs.replace(troubled, seal=seal))
    rows = csv_rows(statement)
    lines = [row for row in rows if row["row"] == "line"]
    of = {row["row"]: row for row in rows}
    assert of["content_sha256"]["reference"] == statement.content_sha256
    assert [row["description"] for row in lines] == [x.description for x in statement.lines]
    assert sum(minor(row["debit"] or "0") for row in lines) == statement.total_debit_minor
    assert minor(of["total"]["debit"]) == statement.total_debit_minor
    assert minor(of["opening"]["balance"]) == statement.opening_minor
    assert minor(of["closing"]["balance"]) == statement.closing_minor
    parts = {row["kind"]: minor(row["balance"]) for row in rows if row["row"] == "part"}
    assert parts["disputed"] == 10_000
    assert sum(parts.values()) == statement.closing_minor
    assert {row["description"] for row in rows if row["row"] == "charge"} == {
        charge.name for charge in statement.charges
    }
    assert (of["seal"]["reference"], of["seal"]["description"]) == ("7", "ab" * 32)
    text = pdf_text(render(statement, "pdf"))
    for expected in (
        *{line.description for line in statement.lines if "dsp_" not in line.description},
        *{charge.name for charge in statement.charges},
        statement.content_sha256,
        statement.reference,
        "Held back in open disputes 100.00",
        "seal 7",
        grouped(statement.closing_minor, "INR"),
    ):
        assert expected in text


def test_the_pdf_is_an_archive_document(plain: Statement) -> None:
    content = render(plain, "pdf")
    assert b"<pdfaid:part>2</pdfaid:part>" in content
    reader = PdfReader(io.BytesIO(content))
    box = reader.pages[0].mediabox
    assert (round(box.width), round(box.height)) == (595, 842)
    assert reader.metadata is not None
    assert reader.metadata.title == f"Statement of account {plain.reference}"
    fonts = [font for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert fonts  # each with its letters in the file
    for font in fonts:
        for descendant in font.get_object().get("/DescendantFonts", [font]):
            descriptor = descendant.get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)
    text = pdf_text(content)
    for expected in (
        "Chai & Sons",
        "1,00,000.00",
        "₹",
        "Page 1 of 1",
        "16 Nov 2026 to 17 Nov 2026",
    ):
        assert expected in text


@pytest.mark.parametrize("count", [0, 1, 30, 31, 32, 33, 34, 35, 36, 400])
def test_totals_are_never_without_a_line(plain: Statement, count: int) -> None:
    lines = [
        msgspec.structs.replace(plain.lines[0], number=n + 1, description=f"Row {n + 1}.")
        for n in range(count)
    ]
    content = render(msgspec.structs.replace(plain, lines=lines), "pdf")
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
    (total,) = [page for page in pages if "Total of the period" in page]
    assert "Closing balance, 17 Nov 2026" in total
    assert (f"Row {count}." if count else "Opening balance, 16 Nov 2026") in total
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert ("Particulars" in page) == ("Row " in page or "Opening balance," in page)


@pytest.mark.parametrize("name", NAMES)
def test_indian_scripts_are_shown(plain: Statement, name: str) -> None:
    assert printable(name) == unicodedata.normalize("NFC", name)
    content = render(named(plain, name), "pdf")
    fonts = {
        str(font["/BaseFont"])
        for page in PdfReader(io.BytesIO(content)).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert any("NotoSans" in font for font in fonts)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("中文 Chai", "?? Chai"),
        ("Chai\u202eSons", "ChaiSons"),  # would turn what follows around
        ("Chai\n\tSons\0", "Chai Sons"),
        ("🙂 !", ""),
        ("中", ""),
    ],
)
def test_what_the_fonts_lack_does_not_stop_a_statement(
    plain: Statement, name: str, shown: str
) -> None:
    statement = named(plain, name)
    assert printable(name) == shown
    text = pdf_text(render(statement, "pdf"))
    assert (shown or f"Account holder {statement.merchant_id}") in text


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=300))
def test_any_text_compiles(text: str) -> None:
    shown = document(_EMPTY) | {"legal_name": printable(text), "address": printable(text)}
    assert compile_document(shown).startswith(b"%PDF")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", '"=1', "＝1", "|calc", "\r\n=1", "%x"]
)
def test_no_spreadsheet_runs_a_cell(plain: Statement, text: str) -> None:
    assert safe(text) == f"'{text}"
    line = msgspec.structs.replace(
        plain.lines[0], description=text, reference=text, reason=text, counterparty=text
    )
    changed = named(msgspec.structs.replace(plain, lines=[line]), text)
    for row in csv_rows(changed):
        texts = ("description", "reference", "reason", "counterparty", "mode", "rail_reference")
        assert not [row[name] for name in texts if row[name][:1] in set("=+-@\t\r\n＝|%")]


@pytest.mark.parametrize("text", ["Chai & Sons", "pay_1", "12.50", "…@ybl", ""])
def test_ordinary_cells_stay_as_they_are(text: str) -> None:
    assert safe(text) == text


def test_a_negative_balance_is_a_number() -> None:
    statement = msgspec.structs.replace(_EMPTY, closing_minor=-12_345)
    closing = next(row for row in csv_rows(statement) if row["row"] == "closing")
    assert closing["balance"] == "-123.45"


@pytest.mark.parametrize(
    ("minor_units", "currency", "text"),
    [
        (0, "INR", "0.00"),
        (99_999, "INR", "999.99"),
        (1_00_000, "INR", "1,000.00"),
        (1_23_45_67_890, "INR", "1,23,45,678.90"),
        (-1_00_000_00, "INR", "\N{MINUS SIGN}1,00,000.00"),
        (99_99_99_99_99_99_99, "INR", "9,99,99,99,99,999.99"),
        (123_456_789, "USD", "1,234,567.89"),
        (1_234_567, "JPY", "1,234,567"),
    ],
)
def test_amounts_are_grouped_as_their_country_groups(
    minor_units: int, currency: str, text: str
) -> None:
    assert grouped(minor_units, currency) == text


@pytest.mark.slow
def test_many_at_once_are_the_same_files_in_the_same_order(
    plain: Statement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "_BATCHES_PER_WORKER", 2)  # workers are replaced on the way
    statements = [named(plain, f"Shop {n}") for n in range(100)]
    found = list(many.render_many(iter(statements), FORMATS, processes=2))
    assert [made for made, _ in found] == statements
    for made, files in found[::33]:
        assert files == {form: render(made, form) for form in FORMATS}


def test_a_worker_that_fails_fails_the_run(plain: Statement) -> None:
    made = many.render_many([plain] * 40, ["docx"], processes=2)
    with pytest.raises(WarehouseError, match="ended before its work"):
        list(made)


def test_an_unknown_format_is_refused(plain: Statement) -> None:
    with pytest.raises(WarehouseError, match="no such statement format"):
        render(plain, "docx")
