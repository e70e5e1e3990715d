"""BAI2: continuations, funds types, padded records, signs by type code, control totals."""

from datetime import UTC, date, datetime

import pytest

from warehouse.bank_files.model import BankFile
from warehouse.bank_files.parse import parse

GOOD = """01,BANK,KHATA,240102,1200,1,80,1,2/
02,KHATA,BANK,1,240101,2359,INR,2/
03,502000,INR,010,10000,,,015,12500,,/
88,100,4000,1,Z,400,1500,1,S,1500,0,0/
16,195,4000,V,240102,,B77,C42,UPI SETTLEMENT, DAY 1/
88,RRN 412345678901/
16,495,1500,D,2,0,1000,1,500,B78,,PAYOUT/
49,33500,6/
98,33500,1,8/
99,33500,1,10/
"""


def _faults(file: BankFile) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.field, problem.reason) for problem in file.problems]


def test_a_file_is_read() -> None:
    file = parse(GOOD.encode(), "x")
    assert (file.format, file.problems) == ("bai2", [])
    (statement,) = file.statements
    assert (statement.account, statement.currency) == ("502000", "INR")
    assert (statement.opening_minor, statement.closing_minor) == (10_000, 12_500)
    assert statement.closing_date == date(2024, 1, 1)
    assert statement.issued_at == datetime(2024, 1, 2, 6, 30, tzinfo=UTC)
    credit, debit = statement.lines
    assert (credit.amount_minor, credit.value_date) == (4_000, date(2024, 1, 2))
    assert (credit.reference, credit.bank_reference) == ("C42", "B77")
    assert credit.narrative == "UPI SETTLEMENT, DAY 1 RRN 412345678901"
    assert credit.details[0]["posting_text"] == "Incoming Money Transfer"
    assert (debit.amount_minor, debit.reference, debit.narrative) == (-1_500, "B78", "PAYOUT")
    assert (debit.value_date, debit.booking_date) == (None, date(2024, 1, 1))


@pytest.mark.parametrize(
    "rewritten",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("/\n", "/   \n"),
        "\n\n" + GOOD,
        # Records of eighty characters, without line ends.
        "".join(line.ljust(80) for line in GOOD.splitlines()),
        # The summary is continued in the middle of a type's fields.
        GOOD.replace("010,10000,,,015,12500,,/\n88,", "010,10000,,,015/\n88,12500,,,"),
        # Some banks write one comma more before a continuation.
        GOOD.replace("015,12500,,/", "015,12500,,,/"),
        # The currency is the group's, and the year has four digits.
        GOOD.replace("502000,INR", "502000,").replace(",1,240101", ",1,20240101"),
    ],
)
def test_the_same_file_written_otherwise(rewritten: str) -> None:
    file = parse(rewritten.encode(), "x")
    assert file.problems == []
    assert file.statements == parse(GOOD.encode(), "x").statements


def test_pieces_that_end_without_a_slash() -> None:
    text = GOOD.replace("UPI SETTLEMENT, DAY 1/\n88,RRN 412345678901/", "A/B\n88,C: D, E")
    (statement,) = parse(text.encode(), "x").statements
    assert statement.lines[0].narrative == "A/B C: D, E"


@pytest.mark.parametrize(
    ("code", "sign"),
    [("108", 1), ("399", 1), ("409", -1), ("699", -1), ("721", 1), ("925", 1), ("965", -1)],
)
def test_the_side_is_that_of_the_type_code(code: str, sign: int) -> None:
    text = GOOD.replace("16,195", f"16,{code}")
    file = parse(text.encode(), "x")
    assert file.statements[0].lines[0].amount_minor == sign * 4_000
    assert bool(file.problems) == (sign < 0)


@pytest.mark.parametrize("code", ["010", "701", "850", "900", "19", "", "1x5"])
def test_a_code_without_a_side_is_refused(code: str) -> None:
    file = parse(GOOD.replace("16,195", f"16,{code}").encode(), "x")
    assert (file.statements, _faults(file)[0][:2]) == ([], (5, "16 type"))


def test_information_without_money_is_no_entry() -> None:
    text = GOOD.replace("88,RRN 412345678901/", "16,890,,,,,NOTICE/")
    file = parse(text.encode(), "x")
    assert file.problems == []
    assert len(file.statements[0].lines) == 2


def test_amounts_have_no_point_and_are_minor_units_of_the_currency() -> None:
    (statement,) = parse(GOOD.replace("INR", "JPY").encode(), "x").statements
    assert (statement.currency, statement.lines[0].amount_minor) == ("JPY", 4_000)
    file = parse(GOOD.replace("195,4000", "195,40.00").encode(), "x")
    assert file.statements == []
    assert _faults(file)[0] == (5, "16 amount", "is not a whole number of minor units")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("195,4000", "195,4001", (3, "015", "opening 10000 and entries 2501 make 12501")),
        ("49,33500", "49,33501", (8, "49 total", "the records of the account make 33500")),
        ("49,33500,6", "49,33500,7", (8, "49 records", "counted 6")),
        ("98,33500,1", "98,33500,2", (9, "98 children", "counted 1")),
        ("99,33500,1,10", "99,33500,1,", (10, "99 records", "counted 10")),
        ("99,33500", "99,33400", (10, "99 total", "the records of the file make 33500")),
        ("195,4000", "195,-4000", (5, "16 amount", "has a sign beside its type's")),
        ("4000,V", "4000,X", (5, "funds type", "is not one of 0, 1, 2, D, S, V, Z")),
        ("V,240102", "V,241302", (5, "16 value date", "is not a date")),
        ("D,2,", "D,x,", (7, "funds type D", "is not a number of parts")),
        ("BANK,1,240101", "BANK,2,240101", (2, "02 status", "the group deletes an earlier one")),
        ("BANK,1,240101", "BANK,4,240101", (2, "02 status", "the group is a test")),
        ("BANK,1,240101", "BANK,1,", (2, "02 as-of date", "is not a date")),
        ("502000,INR", "502000,rupee", (3, "03 currency", "is not an ISO 4217 currency code")),
        ("03,502000", "03,", (3, "03 account", "names no account")),
        ("015,12500", "15,12500", (3, "03 type", "is no type code")),
        ("16,495", "17,495", (7, "record", "is no BAI2 record")),
        ("98,33500,1,8/\n", "", (9, "99", "stands where it cannot: belongs in file")),
        ("99,33500,1,10/\n", "", (1, "01", "has no trailer: the file is cut off")),
        ("02,KHATA", "88,KHATA", (3, "03", "stands where it cannot: belongs in group")),
    ],
)
def test_a_fault_is_named(old: str, new: str, fault: tuple[int, str, str]) -> None:
    assert old in GOOD
    assert fault in _faults(parse(GOOD.replace(old, new, 1).encode(), "x"))


def test_a_first_record_that_is_no_header() -> None:
    file = parse(b"00,0004,1/2/345,06/0321,0829,001,80,1,2/", "x")
    assert _faults(file) == [(1, "record", "is no BAI2 record")]
