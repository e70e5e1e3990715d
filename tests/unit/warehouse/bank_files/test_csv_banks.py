"""Statements of Indian banks: every layout read exactly, every fault named."""
# ruff: noqa: E501 - lines are as long as banks and rails make them

import re
import time
from datetime import date

import pytest

from warehouse.bank_files.model import BankFile, Statement
from warehouse.bank_files.parse import parse

HDFC = b"""HDFC BANK Ltd.,,,,,,
Account No :,50100123457788  OTHER,,,,,
Statement From :,01/04/26 To: 30/04/26,,,,,
********,********,********,********,********,********,********
Date,Narration,Chq./Ref.No.,Value Dt,Withdrawal Amt.,Deposit Amt.,Closing Balance
********,********,********,********,********,********,********
10/04/26,NEFT CR-SBIN0000123-ACME INDIA-HDFCN52026041012,0000612535829269,10/04/26,,"1,20,000.00","2,20,000.00"
14/04/26,"UPI-SHOP, THE-shop@ybl-YESB0000001-612535829270-TEA",0000612535829270,15/04/26,20.50,,"2,19,979.50"
,,,,,,
********,********,********,********,********,********,********
STATEMENT SUMMARY  :-,,,,,,
Opening Balance,,Debits,Credits,Dr Count,Cr Count,Closing Bal
"1,00,000.00",,20.50,"1,20,000.00",1,1,"2,19,979.50"
Generated On:,30-Apr-2026 10:00:00,,,,,
"""
HDFC_DELIMITED = b"""
  Date     ,Narration                ,Value Dat,Debit Amount       ,Credit Amount      ,Chq/Ref Number   ,Closing Balance
 01/08/26  ,UPI-SHOP-SHOP@YBL-HDFC0001234-612535829269-PAY  ,01/08/26 ,   100.00  ,  0.00 ,0000612535829269  ,     900.00
 02/08/26  ,SALARY                   ,02/08/26 ,     0.00  ,  50.00,0000000000000000  ,     950.00
"""
ICICI = b"""Transactions List,,,,,,,,
S No.,Value Date,Transaction Date,Cheque Number,Transaction Remarks,Withdrawal Amount (INR ),Deposit Amount (INR ),Balance (INR )
1,01/08/2026,01/08/2026,-,OPENING BALANCE,,,312500.00
2,02/08/2026,03/08/2026,-,UPI/312345678901/PAYMENT/SUPPLIES,4750.00,0.0,307750.00
3,05/08/2026,05/08/2026,000123,CHQ PAID,"Rs. 1,299.00",0.0,306451.00
"""
ICICI_SIDED = b"""No.,Transaction ID,Value Date,Txn Posted Date,ChequeNo.,Description,Cr/Dr,Transaction Amount(INR),Available Balance(INR)
1,S1,02/02/2024,02/02/2024 10:11:12 AM,-,RIDE,DR,320.00,10500.00
2,S2,03/02/2024,03/02/2024 11:11:12 AM,-,DIVIDEND,CR,150.00,10650.00
"""
SBI = b"""Account Name       :,Mr. X,,,,,
Account Number     :,_00000040206916964,,,,,
Interest Rate(% p.a.):,2.7,,,,,
Balance on 1 Apr 2024        :,"1,118.30",,,,,
Start Date          :,01-Apr-24,,,,,
Txn Date,Value Date,Description,Ref No./Cheque No.,        Debit,Credit,Balance
15-Jan-2024,15-Jan-2024,   TO TRANSFER-UPI/DR/409297068518/B/BKID/UPI--,TRANSFER TO 4897690162095,20, ,"1,098.30"
16-Jan-2024,16-Jan-2024,   BY TRANSFER-UPI/CR/409368416110/A/UTIB/UPI--,TRANSFER FROM 4897733162090, ,"18,000.00","19,098.30"
"""
SBI_TABS = b"""Txn Date\tValue Date\tDescription\tRef No./Cheque No.\tDebit\tCredit\tBalance
07 Mar 2026\t07 Mar 2026\tIMPS/416000123456/SHOP\t416000123456\t350.00\t\t199650.00
08 Mar 2026\t08 Mar 2026\tCREDIT\t99887766\t\t250.00\t199900.00
"""
AXIS = b"""Name :- S G
Statement of Account No - 923010008070086 for the period (From : 16-03-2025 To : 04-05-2025)

Tran Date,Chq No,Particulars,Debit,Credit,Balance,Init.Br
16-03-2025,-,NBSM/96863804/SHOP/,4439.59,,604111.30,4875
31-03-2025,-,SB:Int.Pd:01-01-2025 to 31-03-2025,,4538.00,608649.30,4875


"Unless the constituent notifies the bank immediately of any discrepancy, it will be taken as read."
"""
AXIS_SIDED = b"""Tran Date,Chq No,Particulars,Amount(INR),Dr/Cr,Balance
02-01-2026,,LATER,100.00,DR,900.00
01-01-2026,,EARLIER,1000.00,CR,1000.00
"""
KOTAK = b"""Date,Description,Ref No.,Debit,Credit,Balance
01/01/2024,SALARY,NEFT-1,,75000.00,125000.00
03/01/2024,UPI/SHOP,UPI-612535829269,450.00,,124550.00
"""
KOTAK_SIDED = b"""Sl. No.,Date,Description,Chq / Ref number,Amount,Dr / Cr,Balance,Dr / Cr
1,01-04-2026,UPI/A,UPI-612535829269,99.00,DR,501.00,CR
2,02-04-2026,B,,"1,199.00",DR,698.00,DR
"""
FILES: dict[str, tuple[bytes, str, str, int, int, list[int]]] = {
    "hdfc": (
        *(HDFC, "csv.hdfc", "50100123457788", 10_000_000, 21_997_950),
        [12_000_000, -2_050],
    ),
    "hdfc delimited": (HDFC_DELIMITED, "csv.hdfc", "", 100_000, 95_000, [-10_000, 5_000]),
    "icici": (ICICI, "csv.icici", "", 31_250_000, 30_645_100, [-475_000, -129_900]),
    "icici sided": (ICICI_SIDED, "csv.icici", "", 1_082_000, 1_065_000, [-32_000, 15_000]),
    "sbi": (SBI, "csv.sbi", "00000040206916964", 111_830, 1_909_830, [-2_000, 1_800_000]),
    "sbi tabs": (SBI_TABS, "csv.sbi", "", 20_000_000, 19_990_000, [-35_000, 25_000]),
    "axis": (AXIS, "csv.axis", "923010008070086", 60_855_089, 60_864_930, [-443_959, 453_800]),
    "axis sided": (AXIS_SIDED, "csv.axis", "", 0, 90_000, [-10_000, 100_000]),
    "kotak": (KOTAK, "csv.kotak", "", 5_000_000, 12_455_000, [7_500_000, -45_000]),
    "kotak sided": (KOTAK_SIDED, "csv.kotak", "", 60_000, -69_800, [-9_900, -119_900]),
}


def _one(file: BankFile) -> Statement:
    assert file.problems == []
    (statement,) = file.statements
    return statement


@pytest.mark.parametrize("name", FILES)
def test_a_layout_is_read_exactly(name: str) -> None:
    data, form, account, opening, closing, amounts = FILES[name]
    file = parse(data, "x.csv")
    statement = _one(file)
    assert (file.format, statement.account, statement.currency) == (form, account, "INR")
    assert (statement.opening_minor, statement.closing_minor) == (opening, closing)
    assert [line.amount_minor for line in statement.lines] == amounts
    assert sum(amounts) == closing - opening


WAYS = ("bom", "utf-16", "cp1252", "crlf", "shouting")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in FILES for how in WAYS),
        *((name, "semicolons") for name in ("hdfc delimited", "axis sided", "kotak")),
    ],
)
def test_how_a_file_is_written_does_not_matter(name: str, how: str) -> None:
    data = FILES[name][0]
    text = data.decode()
    written = {
        "bom": b"\xef\xbb\xbf" + data,
        "utf-16": text.encode("utf-16"),
        "cp1252": text.replace("SHOP", "SH\u00d6P").encode("cp1252"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "semicolons": text.replace(",", ";").encode(),
        "shouting": re.sub(
            r"(?m)^.*(?:Narration|Remarks|Particulars|Description).*$",
            lambda match: match[0].upper(),
            text,
        ).encode(),
    }[how]
    assert [line.amount_minor for line in _one(parse(written, "x")).lines] == FILES[name][5]


def test_references_and_dates_of_a_line() -> None:
    first, second = _one(parse(HDFC, "x")).lines
    assert (first.reference, first.bank_reference) == ("0000612535829269", "612535829269")
    assert (second.booking_date, second.value_date) == (date(2026, 4, 14), date(2026, 4, 15))
    assert second.narrative.startswith("UPI-SHOP, THE-")
    assert _one(parse(HDFC_DELIMITED, "x")).lines[1].reference == ""
    icici = _one(parse(ICICI, "x")).lines
    assert icici[0].bank_reference == "312345678901"
    assert (icici[0].booking_date, icici[0].value_date) == (date(2026, 8, 3), date(2026, 8, 2))
    # SBI names the other account where others have a reference: the narrative has the RRN.
    assert _one(parse(SBI, "x")).lines[0].bank_reference == "409297068518"
    assert _one(parse(SBI, "x")).lines[0].booking_date == date(2024, 1, 15)
    assert _one(parse(KOTAK, "x")).lines[1].bank_reference == "612535829269"


def test_lines_inside_a_quoted_cell_are_counted() -> None:
    told = KOTAK.replace(b"SALARY", b'"SALARY\r\nOF\nJANUARY"').replace(b"450.00", b"45o.00")
    (problem,) = parse(told, "x").problems
    assert (problem.line, problem.field, problem.value) == (5, "Debit", "45o.00")


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "reason"),
    [
        (b",450.00", b",4,50.00", 3, "row", "has 7 fields, the header 6"),
        (b",450.00", b',"4,50.00"', 3, "Debit", "is not a decimal amount"),
        (b",450.00", b",450.005", 3, "Debit", "fraction of a minor unit"),
        (b",450.00", b",=225*2", 3, "Debit", "is not a decimal amount"),
        (b",450.00", b",4.5e2", 3, "Debit", "is not a decimal amount"),
        (b",450.00", b",\xd9\xa4\xd9\xa5\xd9\xa0", 3, "Debit", "is not a decimal amount"),
        (b",450.00", b",9999999999999999999", 3, "Debit", "does not fit into 64 bits"),
        (b",450.00", b",-450.00", 3, "Debit", "is negative"),
        (b",450.00,", b",,", 3, "Debit / Credit", "states no amount"),
        (b",450.00,,", b",450.00,1.00,", 3, "Debit / Credit", "is a debit and a credit at once"),
        (b"03/01/2024", b"31/02/2024", 3, "Date", "is not a date"),
        (b"03/01/2024", b"01/13/2024", 3, "Date", "is not a date"),
        (b"03/01/2024", b"yesterday", 3, "Date", "is not a date"),
        (b"124550.00", b"124550.01", 3, "Balance", "does not follow"),
        (b"124550.00", b"12455O.00", 3, "Balance", "is not a decimal amount"),
        (b"UPI/SHOP", b"UPI\0SHOP", 3, "Description", "holds a NUL character"),
        (b"UPI/SHOP", b'"UPI"/SHOP', 3, "row", "is not CSV"),
        (b"03/01/2024,UPI", b"Page 1 of 2,,,,,\n03/01/2024,UPI", 4, "row", "comes after the end"),
    ],
)
def test_a_fault_is_named_by_line_field_and_reason(
    old: bytes, new: bytes, line: int, field: str, reason: str
) -> None:
    assert old in KOTAK
    file = parse(KOTAK.replace(old, new, 1), "x")
    found = [p for p in file.problems if (p.line, p.field) == (line, field) and reason in p.reason]
    assert found, file.problems
    # Half a file is no file; sums that do not foot are shown for what they are.
    assert (file.statements == []) == (reason != "does not follow")


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        (b'"1,00,000.00",,20.50', b'"1,00,000.01",,20.50', "opening", "the entries make 100000.00"),
        (b",20.50,", b",20.51,", "debits", "the entries make 20.50"),
        (b'"1,20,000.00",1,1,', b'"1,20,000.00",2,1,', "debit_count", "the entries make 1"),
        (b'"2,19,979.50"\nGenerated', b'"2,19,979.51"\nGenerated', "closing", "219979.50"),
    ],
)
def test_what_the_bank_sums_up_itself_has_to_agree(
    old: bytes, new: bytes, field: str, reason: str
) -> None:
    at = HDFC.rindex(old)
    file = parse(HDFC[:at] + new + HDFC[at + len(old) :], "x")
    assert [(p.field, p.line) for p in file.problems] == [(field, 13)]
    assert reason in file.problems[0].reason
    assert len(file.statements[0].lines) == 2


def test_sides_have_to_be_known_words() -> None:
    (problem,) = parse(KOTAK_SIDED.replace(b"99.00,DR", b"99.00,XX"), "x").problems
    assert (problem.line, problem.field, problem.value) == (2, "Dr / Cr", "XX")


def test_a_balance_may_bear_its_side() -> None:
    data = KOTAK.replace(b"124550.00", b"124550.00 Cr").replace(b"125000.00", b"1,25,000.00Cr")
    data = data.replace(b"1,25,000.00Cr", b'"1,25,000.00Cr"')
    assert _one(parse(data, "x")).closing_minor == 12_455_000


def test_newest_first_is_seen_by_the_balances() -> None:
    header, *rows = KOTAK.strip().split(b"\n")
    statement = _one(parse(b"\n".join([header, *reversed(rows)]), "x"))
    assert [line.amount_minor for line in statement.lines] == [-45_000, 7_500_000]
    assert (statement.opening_minor, statement.closing_minor) == (5_000_000, 12_455_000)


def test_where_balances_allow_both_orders_the_dates_decide() -> None:
    header = KOTAK.split(b"\n")[0]
    rows = [b"02/01/2024,OUT,,10.00,,0.00", b"01/01/2024,IN,,,10.00,10.00"]
    newest_first = _one(parse(b"\n".join([header, *rows]), "x"))
    assert (newest_first.opening_minor, newest_first.closing_minor) == (0, 0)
    rows = [b"01/01/2024,OUT,,10.00,,0.00", b"02/01/2024,IN,,,10.00,10.00"]
    oldest_first = _one(parse(b"\n".join([header, *rows]), "x"))
    assert (oldest_first.opening_minor, oldest_first.closing_minor) == (1_000, 1_000)


@pytest.mark.parametrize("data", [b"", b"  \n", KOTAK.split(b"\n")[0]])
def test_nothing_to_read_is_a_problem(data: bytes) -> None:
    file = parse(data, "x")
    assert file.statements == []
    assert len(file.problems) == 1


def test_a_statement_without_movement_is_read_for_its_balances() -> None:
    head = HDFC.split(b"\n10/04/26")[0] + b'\nOpening Balance,100.00\nClosing Balance,"100.00"\n'
    file = parse(head, "x")
    assert file.problems == []
    wrong = parse(head.replace(b'"100.00"', b'"100.01"'), "x")
    assert [problem.field for problem in wrong.problems] == ["closing"]


@pytest.mark.parametrize(
    "data",
    [
        b"," * 200_000,
        b"Date," * 50_000 + b"\n",
        KOTAK + b"opening balance " + b"a" * 120_000 + b"\n",
        KOTAK + b'"' + b"x\n" * 60_000,
        KOTAK + b"\n".join(b"1,2" for _ in range(12_000)),
    ],
)
def test_nothing_takes_long(data: bytes) -> None:
    before = time.process_time()
    assert parse(data, "x").problems or data.startswith(KOTAK)
    assert time.process_time() - before < 10
