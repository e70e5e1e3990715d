"""Readers against the real files kept beside the project, our own files, and hand-made faults."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from online.sandbox import camt, switch_file
from tests.unit.warehouse.books import DAY, bank_file, credit, noon, rail_file, rail_line, receive
from warehouse.__main__ import main
from warehouse.bank_files.load import load_file
from warehouse.bank_files.model import BankFile, Problem
from warehouse.bank_files.parse import parse
from warehouse.connection import Warehouse
from warehouse.disputes import lines


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
        (b"PAY,SUCCESS", b"REVERSAL,SUCCESS", "Gross Amount", "has the wrong sign for reversal"),
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


def test_what_goes_back_to_the_payer_is_read_back() -> None:
    lines = [
        rail_line("att_a", 123_450, noon(DAY)),
        rail_line("att_b", -123_450, noon(DAY), type="REVERSAL"),
        rail_line("RAILDSP1", -900, noon(DAY), type="CHARGEBACK"),
    ]
    settled = rail_file(lines, DAY)
    file = parse(switch_file.render(settled), "x.csv")
    assert file.problems == []
    rows = {
        r.row_type: (r.order_ref, r.gross_minor, r.fee_minor, r.tax_minor) for r in file.rail_rows
    }
    fee, tax = rows["capture"][2:]
    assert fee > 0
    assert rows["reversal"] == ("att_b", -123_450, -fee, -tax)
    assert rows["chargeback"] == ("RAILDSP1", -900, 0, 0)
    assert file.control["net_minor"] == settled.net_minor == -900


def test_a_type_that_nobody_told_us_of_is_named_and_nothing_of_the_file_is_loaded(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    data = _switch().replace(b"REFUND,SUCCESS", b"REPRESENTMENT,SUCCESS")
    bad = receive(warehouse, tmp_path, "a.csv", data)
    assert (bad.status, warehouse.count("raw_rail_rows")) == ("quarantined", 0)
    assert bad.problems[0] == Problem(
        line=4, field="Type", value="REPRESENTMENT", reason="is no known type"
    )


# ── lists of disputes ────────────────────────────────────────────────────────────────────

LIST = f"disputes_card_a_{DAY}.csv"
DISPUTES = b"""reference,original_reference,amount,currency,reason_code,status,respond_by
CB1,att_a,1234.50,INR,10.4,open,2026-12-06T12:00:00+05:30
CB2,att_b,9.00,INR,13.1,lost,2026-12-06
"""


def test_a_list_of_disputes_is_read() -> None:
    file = parse(DISPUTES, f"/inbox/{LIST}")
    assert (file.format, file.problems, file.control) == ("disputes", [], {"rows": 2})
    first, second = file.dispute_rows
    assert (first.rail, first.reported_on, first.row_no) == ("card_a", DAY, 1)
    assert (first.reference, first.original_reference) == ("CB1", "att_a")
    assert (first.amount_minor, first.reason_code, first.status) == (123_450, "10.4", "open")
    assert first.respond_by == datetime(2026, 12, 6, 6, 30, tzinfo=UTC)
    assert (second.row_no, second.status) == (2, "lost")
    # Under the name that it was put aside with it says the same.
    assert parse(DISPUTES, f"0123456789ab-{LIST}").dispute_rows == file.dispute_rows


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "reason"),
    [
        (b"1234.50", b"0.00", 2, "amount", "is not positive"),
        (b"1234.50", b"1234.505", 2, "amount", "fraction of a minor unit"),
        (b"CB1", b"", 2, "reference", "is not one word"),
        (b"att_b", b"att b", 3, "original_reference", "is not one word"),
        (b"CB2", b"CB1", 3, "reference", "is there twice"),
        (b"lost", b"maybe", 3, "status", "is not one of open, won, lost"),
        (b"2026-12-06T12", b"2026-12-36T12", 2, "respond_by", "is not a date and time"),
        (b"9.00,INR", b"9.00,rupees", 3, "currency", "is not an ISO 4217"),
        (b",13.1", b"", 3, "row", "has 6 fields, the header 7"),
        (b"13.1", b"13\xff1", 3, "file", "is not utf-8"),
    ],
)
def test_a_fault_in_a_list_of_disputes_is_named(
    old: bytes, new: bytes, line: int, field: str, reason: str
) -> None:
    assert old in DISPUTES
    file = parse(DISPUTES.replace(old, new, 1), LIST)
    found = [p for p in file.problems if (p.line, p.field) == (line, field) and reason in p.reason]
    assert found, file.problems


@pytest.mark.parametrize("name", ["disputes.csv", "disputes_card_a.csv", "x_2026-11-16.csv"])
def test_a_list_of_disputes_has_to_name_its_rail_and_day(name: str) -> None:
    (problem,) = parse(DISPUTES, name).problems
    assert (problem.field, problem.reason) == ("file", "is not named disputes_<rail>_<day>.csv")
    (problem,) = parse(DISPUTES, "disputes_card_a_2026-13-16.csv").problems
    assert problem.reason == "is not a date"


def test_a_list_of_disputes_is_loaded_whole_or_quarantined(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    good = receive(warehouse, tmp_path, LIST, DISPUTES)
    assert (good.status, good.row_count, good.days) == ("loaded", 2, [DAY])
    bad = receive(warehouse, tmp_path, LIST, DISPUTES.replace(b"lost", b"maybe"))
    assert (bad.status, bad.row_count) == ("quarantined", 0)
    assert warehouse.count("raw_dispute_rows") == 2


def test_the_list_that_was_sent_last_counts(warehouse: Warehouse, tmp_path: Path) -> None:
    for hour, content in enumerate((DISPUTES, DISPUTES.replace(b"open", b"lost"))):
        path = tmp_path / LIST
        path.write_bytes(content)
        load_file(warehouse, path, received_at=noon(DAY, minute=60 * hour))
    warehouse.replace_day("stg_disputes", "stg_disputes", day=DAY)
    found = lines(warehouse, DAY)
    assert [(line.reference, line.status) for line in found] == [("CB1", "lost"), ("CB2", "lost")]
    assert msgspec.to_builtins(found[0]) == {
        "rail": "card_a",
        "reference": "CB1",
        "original_reference": "att_a",
        "amount": 123_450,
        "currency": "INR",
        "reason_code": "10.4",
        "status": "lost",
        "respond_by": "2026-12-06T06:30:00Z",
    }


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
    assert parse(b"20:STARTUMS", "x") == BankFile(name="x", format="unknown", problems=[expected])


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
