"""Readers against the real files kept beside the project, our own files, and hand-made faults."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from online.kernel.money import exponent
from online.sandbox import camt, switch_file
from tests.unit.warehouse.books import DAY, bank_file, credit, noon, rail_file, rail_line, receive
from warehouse.__main__ import main
from warehouse.bank_files.model import BankFile, Problem
from warehouse.bank_files.parse import parse
from warehouse.connection import Warehouse

CORPUS = Path(__file__).parents[4] / "shared" / "bankfiles"
NEEDS_CORPUS = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the corpus of real bank files is not at {CORPUS}"
)
CAMT_FILES = sorted(CORPUS.glob("camt/*/*.xml"))
# Files that do not add up as they stand (anonymised by their origin), or hold no statement.
REFUSED = {
    "053__valid_example_with_instdamt.xml": "make 460000",
    "data__camt053.v2.all-balance-types.xml": "make 986",
    "data__camt053.v2.five.decimals.xml": "make 2700",
    "general__invalid_namespace.xml": "holds no statement",
    "data__camt053.v2.wrong.xml": "holds no statement",
}


def _minor(amount: str, currency: str, side: str) -> int:
    minor = int(Decimal(amount).scaleb(exponent(currency)))
    return minor if side == "CRDT" else -minor


@NEEDS_CORPUS
@pytest.mark.parametrize("path", CAMT_FILES, ids=lambda path: path.name)
def test_real_camt_files_are_read_exactly(path: Path) -> None:
    oracle = json.loads((CORPUS / "DERIVED_ORACLE.json").read_text())["files"]
    expected = oracle[str(path.relative_to(CORPUS))]
    file = parse(path.read_bytes(), path.name)
    lines = [line for statement in file.statements for line in statement.lines]
    assert [(line.amount_minor, line.currency) for line in lines] == [
        (_minor(entry["amount"], entry["ccy"], entry["cdtdbt"]), entry["ccy"])
        for entry in expected["entries"]
    ]
    balances = {balance["cd"]: balance for balance in reversed(expected["balances"])}
    opening = balances.get("OPBD") or balances.get("PRCD")
    for stated, found in (
        (opening, [statement.opening_minor for statement in file.statements]),
        (balances.get("CLBD"), [statement.closing_minor for statement in file.statements]),
    ):
        if stated is not None:
            currency = file.statements[0].currency
            assert found == [_minor(stated["amount"], currency, stated["cdtdbt"])]
    assert file.format in expected["namespace"]
    assert [
        problem.reason for problem in file.problems if REFUSED[path.name] not in problem.reason
    ] == []
    assert bool(file.problems) == (path.name in REFUSED)


def _switch() -> bytes:
    lines = [
        rail_line("att_a", 123_450, noon(DAY)),
        rail_line("att_b", 100, noon(DAY)),
        rail_line("att_c", -5_000, noon(DAY)),
    ]
    return switch_file.render(rail_file(lines, DAY))


def test_our_own_switch_file_is_read_back() -> None:
    file = parse(_switch(), "x.csv")
    assert (file.format, file.problems) == ("switch.settlement", [])
    assert [(r.row_type, r.gross_minor, r.order_ref) for r in file.rail_rows] == [
        ("capture", 123_450, "att_a"),
        ("capture", 100, "att_b"),
        ("refund", -5_000, "att_c"),
    ]
    first = file.rail_rows[0]
    assert first.gross_minor - first.fee_minor - first.tax_minor == first.net_minor
    assert (first.settled_on, first.txn_time) == (DAY, noon(DAY))
    assert file.control["rows"] == 3


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        (b"1234.50,6.17", b"1234.5x,6.17", "Gross Amount", "is not a decimal amount"),
        (b"1234.50,6.17", b"1234.505,6.17", "Gross Amount", "fraction of a minor unit"),
        (b"1234.50,6.17", b"1234.51,6.17", "Net Amount", "gross - fee - tax makes"),
        (b"1234.50,6.17", b"-1234.50,6.17", "Gross Amount", "has the wrong sign for capture"),
        (b"PAY,SUCCESS", b"CREDIT,SUCCESS", "Type", "is no known type"),
        (b"INR,1234.50", b"Rs,1234.50", "Currency", "is not an ISO 4217 currency code"),
        (b"\r\nD,", b"\r\nX,", "Record", "is no known record"),
        (b"\r\nT,", b"\r\nD,", "trailer", "there must be exactly one"),
    ],
)
def test_a_fault_is_named_by_line_field_and_reason(
    old: bytes, new: bytes, field: str, reason: str
) -> None:
    good = _switch()
    assert old in good
    file = parse(good.replace(old, new, 1), "x.csv")
    found = [p for p in file.problems if p.field == field and reason in p.reason]
    assert found, file.problems
    if field != "trailer":
        assert found[0].line == 2


def test_a_row_lost_on_the_way_shows_in_the_trailer() -> None:
    lines = _switch().split(b"\r\n")
    file = parse(b"\r\n".join(lines[:1] + lines[2:]), "x.csv")
    assert {problem.field for problem in file.problems} >= {"RRN", "Gross Amount", "Net Amount"}


def _statement(day: date = DAY) -> bytes:
    settled = rail_file([rail_line("att_a", 123_450, noon(DAY))], DAY)
    payout = camt.StatementEntry("payout", -4_000, "UTR4000", "att_payout", "NEFT DR-PAYOUT")
    return camt.render(bank_file(day, 500, credit(settled), payout))


def test_our_own_statement_is_read_back() -> None:
    file = parse(_statement(), "x.xml")
    assert (file.format, file.problems) == ("camt.053", [])
    (statement,) = file.statements
    assert (statement.account, statement.currency) == ("50200012345678", "INR")
    assert statement.opening_minor == 500
    assert statement.closing_minor == 500 + sum(line.amount_minor for line in statement.lines)
    received, paid = statement.lines
    assert received.bank_reference.startswith("HDFC")
    assert "UPI SETTLEMENT UPIHDFC20261116" in received.narrative
    assert (paid.amount_minor, paid.reference) == (-4_000, "att_payout")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b">40.00<", b">41.00<", "Bal[CLBD]"),
        (b">40.00<", b">40.001<", "Ntry/Amt"),
        (b">40.00<", b">-40.00<", "Ntry/Amt"),
        (b'Ccy="INR">40.00', b'Ccy="rupee">40.00', "Ntry/Amt@Ccy"),
        (b"DBIT", b"DEBIT", "Ntry/CdtDbtInd"),
        (b"<Dt>2026-11-16", b"<Dt>2026-13-16", "Bal/Dt"),
        (b"<NbOfNtries>1", b"<NbOfNtries>2", "TxsSummry CRDT"),
    ],
)
def test_a_wrong_statement_is_refused(old: bytes, new: bytes, field: str) -> None:
    good = _statement()
    assert old in good
    assert field in {problem.field for problem in parse(good.replace(old, new), "x.xml").problems}


def test_entities_and_document_types_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("31.41")
    for body in (f'<!ENTITY x SYSTEM "file://{secret}">', '<!ENTITY x "31.41">'):
        head = f"<?xml version='1.0'?><!DOCTYPE Document [{body}]>".encode()
        document = _statement().split(b"?>", 1)[1].replace(b">40.00<", b">&x;<")
        file = parse(head + document, "x.xml")
        assert file.statements == []
        assert file.problems[0].reason == "document types are refused"


def test_pending_entries_are_flagged_and_not_counted_as_booked() -> None:
    document = _statement().replace(b"<Cd>BOOK</Cd>", b"<Cd>PDNG</Cd>")
    file = parse(document, "x.xml")
    assert all(line.pending for line in file.statements[0].lines)
    assert [problem.field for problem in file.problems] == ["Bal[CLBD]"]


def test_an_unknown_format_is_an_answer() -> None:
    expected = Problem(line=0, field="file", value="x", reason="unknown format")
    assert parse(b":20:STARTUMS", "x") == BankFile(name="x", format="unknown", problems=[expected])


def test_a_file_loads_once_and_whole(warehouse: Warehouse, tmp_path: Path) -> None:
    first = receive(warehouse, tmp_path, "a.csv", _switch())
    assert (first.status, first.row_count, first.days) == ("loaded", 3, [DAY])
    again = receive(warehouse, tmp_path, "renamed.csv", _switch())
    assert (again.status, again.row_count) == ("duplicate", 3)
    assert warehouse.count("raw_rail_rows") == 3
    statement = receive(warehouse, tmp_path, "a.xml", _statement(DAY + timedelta(days=1)))
    assert (statement.status, warehouse.count("raw_bank_lines")) == ("loaded", 2)
    bad = receive(warehouse, tmp_path, "b.csv", _switch().replace(b"1234.50", b"1234.5x", 1))
    assert (bad.status, bad.row_count) == ("quarantined", 0)
    assert warehouse.count("raw_rail_rows") == 3
    (stored,) = warehouse.rows("SELECT problems FROM raw_bank_files WHERE status = 'quarantined'")
    assert json.loads(stored[0])[0]["field"] == "Gross Amount"


def test_the_door_prints_one_document_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "a.xml", tmp_path / "absent.xml"]
    paths[0].write_bytes(_statement())
    assert main(["parse", *map(str, paths)]) == 0
    good, absent = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert good["file"] == str(paths[0])
    line = good["statements"][0]["lines"][1]
    assert (line["amount_minor"], line["value_date"]) == (-4_000, "2026-11-16")
    assert absent["problems"][0]["reason"] == "No such file or directory"
