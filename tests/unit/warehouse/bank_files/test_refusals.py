"""What is no statement, or is meant to do harm: refused with a reason, in bounded time."""

import os
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from warehouse.bank_files import camt
from warehouse.bank_files import parse as door
from warehouse.bank_files.parse import document, parse, parse_path

_CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_OPEN = f"<Document xmlns='{_CAMT}'><BkToCstmrStmt><Stmt>".encode()
_NACHA = b"101 076401251 0764012510807291511A094101achdestname            companyname"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"PK\x03\x04\x14\0", "is a zip archive or an office document"),
        (b"\x1f\x8b\x08\0", "is compressed (gzip)"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"\0" * 100, "unknown format: binary data"),
        (_NACHA, "a NACHA file holds payments to make"),
        (b"<a xmlns='urn:iso:std:iso:20022:tech:xsd:pain.001.001.03'/>", "pain.001 is no account"),
        (b"hello", "unknown format"),
        (b"<html></html>", "unknown format"),
    ],
)
def test_what_is_no_statement(data: bytes, reason: str) -> None:
    file = parse(data, "x")
    assert (file.format, file.statements) == ("unknown", [])
    assert reason in file.problems[0].reason


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = b":20:X\n" * 10
    monkeypatch.setattr(door, "MAX_BYTES", len(text) - 1)
    assert "is larger than" in parse(text, "x").problems[0].reason
    path = tmp_path / "large.sta"
    path.write_bytes(text * 2)
    assert "is larger than" in parse_path(path).problems[0].reason


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path / "x") + b"\xff"))
    path.write_bytes(b"")
    assert msgspec.json.encode(document(parse_path(path)))
    assert parse_path(tmp_path).problems[0].reason == "Is a directory"


def _bomb(where: str) -> bytes:
    names = "abcdefghij"
    entities = f'<!ENTITY a "{"x" * 100}">' + "".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">' for inner, name in pairwise(names)
    )
    body = where.replace("BOMB", "&j;")
    return f'<?xml version="1.0"?><!DOCTYPE d [{entities}]>{body}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        _bomb(f"<Document xmlns='{_CAMT}' x='BOMB'/>"),
        _bomb(f"<Document xmlns='{_CAMT}'>BOMB</Document>"),
        f'<!DOCTYPE d SYSTEM "file:///etc/passwd"><Document xmlns="{_CAMT}"/>'.encode(),
        f'<!DOCTYPE d SYSTEM "http://127.0.0.1/x"><Document xmlns="{_CAMT}"/>'.encode(),
        f'<!DOCTYPE d><Document xmlns="{_CAMT}"/>'.encode("utf-16"),
    ],
)
def test_document_types_and_entities_are_refused(data: bytes) -> None:
    started = time.perf_counter()
    file = parse(data, "x")
    assert time.perf_counter() - started < 1
    assert (file.statements, file.problems[0].reason) == ([], "document types are refused")


def test_an_external_entity_of_ofx_is_refused() -> None:
    data = b'<?OFX OFXHEADER="200"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><OFX>&y;'
    assert parse(data, "x").problems[0].field == "DOCTYPE"


def test_an_entry_with_too_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camt, "_MAX_ELEMENTS", 1_000)
    file = parse(_OPEN + b"<Ntry>" + b"<a/>" * 1_001, "x")
    assert "has more than 1000 elements" in file.problems[0].reason
    many = _OPEN + b"<Ntry><Amt Ccy='EUR'>1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>" * 1_001
    assert parse(many + b"</Stmt></BkToCstmrStmt></Document>", "x").control["lines"] == 1_001


_BAI2 = b"01,a,b,1,1,1,,,2/\n02,a,b,1,240101,,USD/\n03,1,,/\n"
_ENTRY = b":20:X\n:60F:C240101EUR1,\n:61:240101C1,NTRF\n"
_OFX = b"<OFX><STMTRS><CURDEF>USD"
_HOSTILE = {
    "ofx-opens": lambda n: b"<OFX>" + b"<BAL>" * n,
    "ofx-closes": lambda n: _OFX + b"</STATUS>" * n,
    "ofx-entries": lambda n: _OFX + b"<STMTTRN><TRNAMT>x</STMTTRN>\n" * n,
    "ofx-statements": lambda n: b"<OFX>" + b"<STMTRS>\n</STMTRS>" * n,
    "ofx-open-tags": lambda n: b"<OFX>" + b"<A" * n,
    "ofx-cdata": lambda n: b"<OFX>" + b"<![CDATA[" * n,
    "ofx-many-tags": lambda n: (
        _OFX + b"".join(b"<T%d>1" % i for i in range(n)) + b"<STMTTRN><TRNAMT>1</STMTTRN>" * n
    ),
    "mt940-folds": lambda n: b":20:X\n:86:" + b"12\n:12:11\n" * n,
    "mt940-messages": lambda n: b":20:X\n" * n,
    "mt940-long-entry": lambda n: _ENTRY[:-20] + b":61:" + b"1" * n,
    "mt940-long-amount": lambda n: _ENTRY + b":61:240101C" + b"1,000" * n,
    "mt940-subfields": lambda n: _ENTRY + b":86:166" + b"?20EREF+" * n,
    "mt940-tags": lambda n: _ENTRY + b":86:" + b"/REMI/USTD/" * n,
    "mt940-at-signs": lambda n: b":20:X@@:86:" + b"@@" * n,
    "bai2-padding": lambda n: b"01,a,b,1,1,1,,,2/" + b"/ " * n,
    "bai2-continuations": lambda n: _BAI2 + b"88,010,1,,/\n" * n,
    "bai2-commas": lambda n: _BAI2[:-2] + b"," * n,
    "bai2-length": lambda n: b"01,a,b,1,1,1,20,,2/\n" + b"16," * n,
    "camt-deep": lambda n: _OPEN + b"<a>" * n,
    "camt-wide": lambda n: _OPEN + b"<a/>" * n,
    "camt-sums": lambda n: (
        _OPEN
        + b"<TxsSummry><TtlNtries><NbOfNtries>1</NbOfNtries></TtlNtries></TxsSummry>" * n
        + b"<Ntry><Amt Ccy='EUR'>1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry>" * n
    ),
}


def _seconds(data: bytes) -> float:
    best = 60.0
    for _ in range(2):
        started = time.process_time()
        assert parse(data, "x").problems
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("shape", _HOSTILE)
def test_time_grows_with_the_size_and_not_faster(shape: str) -> None:
    make = _HOSTILE[shape]
    small, large = _seconds(make(1_000)), _seconds(make(8_000))
    # Eight times the size; squared growth would be sixty-four times the time.
    assert large < 0.1 + 24 * small
