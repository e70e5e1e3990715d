"""Real files of banks and of other projects' tests, kept beside this one.

Each file is read exactly as its origin and its own text say, or quarantined for the reason
listed here; nothing else passes. `pytest -s -k table` prints what became of every file.
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from online.kernel.money import exponent
from tests.unit.warehouse.bank_files.quarantined import QUARANTINED
from warehouse.bank_files.model import BankFile, BankLine
from warehouse.bank_files.parse import parse

CORPUS = Path(__file__).parents[5] / "shared" / "bankfiles"
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the corpus of real bank files is not at {CORPUS}"
)
FORMATS = ("camt", "mt940", "bai2", "ofx", "nacha")
FILES = {
    str(path.relative_to(CORPUS)): path
    for form in FORMATS
    for path in sorted(CORPUS.glob(f"{form}/*/*"))
    if path.suffix != ".json"
}


def _named(form: str, origin: str = "") -> list[str]:
    return [name for name in FILES if name.startswith(f"{form}/{origin}")]


def _read(name: str) -> BankFile:
    return parse(FILES[name].read_bytes(), name)


def _lines(file: BankFile) -> list[BankLine]:
    return [line for statement in file.statements for line in statement.lines]


def _expected(name: str) -> Any:
    path = FILES[name].with_name(FILES[name].name + ".expected.json")
    return json.loads(path.read_text()).get("value") if path.exists() else None


def _oracle(name: str) -> Any:
    return json.loads((CORPUS / "DERIVED_ORACLE.json").read_text())["files"].get(name)


def _minor(amount: str, currency: str) -> int:
    minor = Decimal(amount).scaleb(exponent(currency))
    assert minor == int(minor)
    return int(minor)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_or_quarantined_as_listed(name: str) -> None:
    file = _read(name)
    reasons = [f"{problem.field}: {problem.reason}" for problem in file.problems]
    if name not in QUARANTINED:
        assert reasons == []
        assert file.statements
    else:
        assert any(QUARANTINED[name] in reason for reason in reasons), reasons


def test_the_list_of_quarantined_files_has_no_strangers() -> None:
    assert sorted(set(QUARANTINED) - set(FILES)) == []


def test_table() -> None:
    counts = {form: [0, 0] for form in FORMATS}
    print()
    for name in FILES:
        file = _read(name)
        counts[name.partition("/")[0]][bool(file.problems)] += 1
        reason = f"{file.problems[0].field}: {file.problems[0].reason}" if file.problems else ""
        state = "quarantined" if file.problems else "read"
        print(f"{state:11} {len(_lines(file)):4} lines  {name}  {reason}")
    for form, (read, quarantined) in counts.items():
        print(f"{form}: {read} read, {quarantined} quarantined")
    assert sum(quarantined for _, quarantined in counts.values()) == len(QUARANTINED)


# ── MT940 ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", _named("mt940"))
def test_every_amount_of_an_mt940_is_that_of_its_text(name: str) -> None:
    oracle = _oracle(name)
    file = _read(name)
    marks = FILES[name].read_bytes().count(b":61:")
    assert len(_lines(file)) == marks
    if oracle is None:
        return
    statements = oracle["statements"]
    assert len(file.statements) == len(statements)
    for statement, stated in zip(file.statements, statements, strict=True):
        currency = statement.currency
        assert [line.amount_minor for line in statement.lines] == [
            _minor(amount, currency) for amount in stated["amounts"]
        ]
        for found, said in (
            (statement.opening_minor, stated["opening"]),
            (statement.closing_minor, stated["closing"]),
        ):
            assert said is None or found == _minor(said, currency)


@pytest.mark.parametrize("name", _named("mt940", "wolph"))
def test_mt940_as_wolph_expects(name: str) -> None:
    file, expected = _read(name), _expected(name)
    found = _lines(file)
    assert len(found) == len(expected["transactions"])
    for line, transaction in zip(found, expected["transactions"], strict=True):
        said = transaction["data"]
        assert line.amount_minor == _minor(said["amount"]["amount"], line.currency)
        assert str(line.value_date) == said["date"]
        if said.get("entry_date"):
            assert str(line.booking_date) == said["entry_date"]
        assert line.bank_reference.startswith(said["bank_reference"] or "")
    data = expected["data"]
    closing = data.get("final_closing_balance")
    if closing and len(file.statements) == 1:
        amount = _minor(closing["amount"]["amount"], closing["amount"]["currency"])
        assert file.statements[0].closing_minor == amount
        assert str(file.statements[0].closing_date) == closing["date"]


@pytest.mark.parametrize("name", _named("mt940", "svenstaro"))
def test_mt940_as_mt940_rs_expects(name: str) -> None:
    file, expected = _read(name), _expected(name)
    if expected is None:
        return
    assert len(file.statements) == len(expected)
    for statement, said in zip(file.statements, expected, strict=True):
        assert statement.account == said["account_id"].strip()
        for balance, minor, day in (
            ("opening_balance", statement.opening_minor, statement.opening_date),
            ("closing_balance", statement.closing_minor, statement.closing_date),
        ):
            sign = 1 if said[balance]["debit_credit_indicator"] == "Credit" else -1
            assert minor == sign * _minor(said[balance]["amount"], statement.currency)
            assert str(day) == said[balance]["date"]
        for line, entry in zip(statement.lines, said["statement_lines"], strict=True):
            sign = 1 if entry["ext_debit_credit_indicator"] == "Credit" else -1
            assert line.amount_minor == sign * _minor(entry["amount"], statement.currency)
            assert str(line.value_date) == entry["value_date"]
            assert not entry["entry_date"] or str(line.booking_date) == entry["entry_date"]
            assert line.bank_reference == (entry["bank_ref"] or "").strip()


@pytest.mark.parametrize("name", _named("mt940", "my-flow"))
def test_mt940_as_my_flow_expects(name: str) -> None:
    file, expected = _read(name), _expected(name) or []
    entries = [field for fields in expected for field in fields if "funds_code" in field]
    found = _lines(file)
    if expected:
        assert len(found) == len(entries)
    for line, entry in zip(found, entries, strict=False):
        sign = 1 if entry["funds_code"] == "credit" else -1
        assert line.amount_minor == sign * _minor(entry["amount"], line.currency)
        assert str(line.value_date) == entry["value_date"][:10]
        if entry["entry_date"]:
            assert str(line.booking_date) == entry["entry_date"][:10]
    numbers = [f["account_number"] for fields in expected for f in fields if "bank_code" in f]
    for statement, number in zip(file.statements, filter(None, numbers), strict=False):
        assert statement.account.endswith(number)


# ── CAMT ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", _named("camt"))
def test_every_amount_of_a_camt_is_that_of_its_text(name: str) -> None:
    file, expected = _read(name), _oracle(name)
    assert [(line.amount_minor, line.currency) for line in _lines(file)] == [
        (_minor(e["amount"], e["ccy"]) * (1 if e["cdtdbt"] == "CRDT" else -1), e["ccy"])
        for e in expected["entries"]
    ]
    assert file.format in expected["namespace"]
    balances = {balance["cd"]: balance for balance in reversed(expected["balances"])}
    for stated, found in (
        (balances.get("OPBD") or balances.get("PRCD"), "opening_minor"),
        (balances.get("CLBD"), "closing_minor"),
    ):
        if stated is not None:
            sign = 1 if stated["cdtdbt"] == "CRDT" else -1
            (statement,) = file.statements
            minor = sign * _minor(stated["amount"], statement.currency)
            assert getattr(statement, found) == minor


@pytest.mark.parametrize("name", _named("camt", "genkgo"))
def test_camt_as_genkgo_expects(name: str) -> None:
    file, expected = _read(name), _expected(name)
    if expected is None:
        return
    entries = [e for e in expected["getEntries"] if isinstance(e, dict)]
    for line, entry in zip(_lines(file), entries, strict=True):
        assert line.amount_minor == int(entry["getAmount"]["getAmount"])
        assert line.currency == entry["getAmount"]["getCurrency"]["getCode"]
        for found, said in (
            (line.value_date, entry["getValueDate"]),
            (line.booking_date, entry["getBookingDate"]),
        ):
            assert str(found) == (said["0"][:10] if said else "None")
        assert line.pending == (entry["getStatus"] != "BOOK")
        assert entry["getAccountServicerReference"] in (line.bank_reference, None)


# ── BAI2 and OFX ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", _named("bai2"))
def test_every_entry_of_a_bai2_is_that_of_its_text(name: str) -> None:
    file = _read(name)
    records = re.findall(r"(?m)^16,(\d{3}),(\d+)", FILES[name].read_text())
    if file.statements:
        assert [line.amount_minor for line in _lines(file)] == [
            int(amount) if code < "400" else -int(amount) for code, amount in records
        ]


@pytest.mark.parametrize("name", _named("ofx"))
def test_every_entry_of_an_ofx_is_that_of_its_text(name: str) -> None:
    file = _read(name)
    amounts = re.findall(r"<TRNAMT>\s*([-+\d.]+)", FILES[name].read_text())
    if file.statements:
        assert [line.amount_minor for line in _lines(file)] == [
            _minor(amount, line.currency)
            for amount, line in zip(amounts, _lines(file), strict=True)
        ]
