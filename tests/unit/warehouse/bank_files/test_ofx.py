"""OFX: SGML and XML, banks, cards and securities, and what is missing or wrong."""

from datetime import UTC, date, datetime

import pytest

from warehouse.bank_files.model import BankFile
from warehouse.bank_files.parse import parse

HEAD = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n"
ENTRY = """<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20240102120000.000[+5.5:IST]<TRNAMT>-12.50
<FITID>F1<REFNUM>412345678901<NAME>Tea &amp; Co<MEMO>UPI <CHECKNUM></STMTTRN>
"""
GOOD = f"""{HEAD}<OFX>
<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20240201120000[-5:EST]
</SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>INR
<BANKACCTFROM><BANKID>HDFC<ACCTID>502000<ACCTTYPE>CURRENT</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20240101<DTEND>20240131
{ENTRY}</BANKTRANLIST>
<LEDGERBAL><BALAMT>987.50<DTASOF>20240131</LEDGERBAL>
<AVAILBAL><BALAMT>1.00<DTASOF>20240131</AVAILBAL>
</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


def _faults(file: BankFile) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.field, problem.reason) for problem in file.problems]


def _amounts(text: str) -> list[tuple[int, str]]:
    file = parse(text.encode(), "x")
    assert file.problems == []
    lines = [line for statement in file.statements for line in statement.lines]
    return [(line.amount_minor, line.currency) for line in lines]


def test_a_statement_is_read() -> None:
    file = parse(GOOD.encode(), "x")
    assert (file.format, file.problems) == ("ofx", [])
    (statement,) = file.statements
    assert (statement.account, statement.currency) == ("502000", "INR")
    assert (statement.opening_minor, statement.closing_minor) == (None, 98_750)
    assert (statement.closing_date, statement.statement_id) == (
        date(2024, 1, 31),
        "20240101-20240131",
    )
    assert statement.issued_at == datetime(2024, 2, 1, 17, tzinfo=UTC)
    (line,) = statement.lines
    assert (line.amount_minor, line.booking_date) == (-1_250, date(2024, 1, 2))
    assert (line.reference, line.bank_reference) == ("412345678901", "F1")
    assert line.narrative == "Tea & Co / UPI"


@pytest.mark.parametrize(
    "rewritten",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.replace("<TRNAMT>-12.50", "<TRNAMT>-12,50</TRNAMT>"),
        GOOD.replace("-12.50", "-0000000012.5000"),
        GOOD.lower().replace("ofxheader", "OFXHEADER").replace("inr", "INR"),
        GOOD.replace("<MEMO>UPI ", "<!-- x --><MEMO><![CDATA[UPI]]>"),
        GOOD.replace(HEAD, '<?xml version="1.0"?><?OFX OFXHEADER="200" VERSION="220"?>\n'),
        GOOD.replace(HEAD, ""),
    ],
)
def test_the_same_statement_written_otherwise(rewritten: str) -> None:
    assert _amounts(rewritten) == [(-1_250, "INR")]


def test_accounts_of_banks_and_cards_in_one_file() -> None:
    card = GOOD[GOOD.index("<BANKMSGSRSV1>") : GOOD.index("</OFX>")]
    for bank, other in (
        ("BANKMSGSRSV1", "CREDITCARDMSGSRSV1"),
        ("STMTTRNRS", "CCSTMTTRNRS"),
        ("<STMTRS", "<CCSTMTRS"),
        ("</STMTRS", "</CCSTMTRS"),
        ("BANKACCTFROM", "CCACCTFROM"),
        ("502000", "4111********1111"),
    ):
        card = card.replace(bank, other)
    file = parse(GOOD.replace("</OFX>", f"{card}</OFX>").encode(), "x")
    assert file.problems == []
    assert [s.account for s in file.statements] == ["502000", "4111********1111"]
    assert [len(s.lines) for s in file.statements] == [1, 1]


def test_a_currency_of_its_own_is_that_of_the_amount_and_an_original_one_is_not() -> None:
    own = "<CURRENCY><CURRATE>0.5<CURSYM>JPY</CURRENCY></STMTTRN>"
    text = GOOD.replace("</STMTTRN>", own).replace("-12.50", "-12")
    assert _amounts(text) == [(-12, "JPY")]
    assert _amounts(GOOD.replace("</STMTTRN>", own.replace("CURRENCY>", "ORIGCURRENCY>"))) == [
        (-1_250, "INR")
    ]


def test_pending_entries_are_flagged() -> None:
    pending = ENTRY.replace("STMTTRN>", "STMTTRNP>").replace("DTPOSTED", "DTTRAN")
    text = GOOD.replace("<LEDGERBAL>", f"<BANKTRANLISTP>{pending}</BANKTRANLISTP><LEDGERBAL>")
    (statement,) = parse(text.encode(), "x").statements
    assert [line.pending for line in statement.lines] == [False, True]


def test_entries_of_cash_in_a_securities_account_are_read_and_trades_are_told() -> None:
    cash = f"<INVBANKTRAN>{ENTRY}<SUBACCTFUND>CASH</INVBANKTRAN>"
    text = f"""{HEAD}<OFX><INVSTMTMSGSRSV1><INVSTMTTRNRS><INVSTMTRS><CURDEF>USD
<INVACCTFROM><BROKERID>x<ACCTID>777</INVACCTFROM><INVTRANLIST><DTSTART>20240101
{cash}</INVTRANLIST></INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1></OFX>"""
    assert _amounts(text) == [(-1_250, "USD")]
    trade = "<BUYMF><INVBUY><TOTAL>-673.0</INVBUY></BUYMF></INVTRANLIST>"
    file = parse(text.replace("</INVTRANLIST>", trade).encode(), "x")
    assert [problem.field for problem in file.problems] == ["BUYMF"]
    assert len(file.statements[0].lines) == 1


def test_an_entry_without_an_end_tag_ends_where_the_next_begins() -> None:
    text = GOOD.replace(ENTRY, ENTRY.replace("</STMTTRN>", "") + ENTRY)
    assert _amounts(text) == [(-1_250, "INR"), (-1_250, "INR")]


def test_the_character_set_of_the_header() -> None:
    for declared, codec in (("1252", "cp1252"), ("ISO-8859-1", "latin-1"), ("1251", "cp1251")):
        name = "Привет" if codec == "cp1251" else "Gebühr"
        text = GOOD.replace("CHARSET:1252", f"CHARSET:{declared}").replace("Tea &amp; Co", name)
        (statement,) = parse(text.encode(codec), "x").statements
        assert statement.lines[0].narrative.startswith(name)


@pytest.mark.parametrize(
    ("old", "new", "field", "reason", "shown"),
    [
        ("-12.50", "$120", "STMTTRN/TRNAMT", "is not a decimal amount", False),
        ("-12.50", "-12.505", "STMTTRN/TRNAMT", "may be decimals or thousands", False),
        ("-12.50", "115.8331", "STMTTRN/TRNAMT", "has a fraction of a minor unit", False),
        ("<TRNAMT>-12.50", "", "STMTTRN/TRNAMT", "is not a decimal amount", False),
        ("<FITID>", "<TRNAMT>1.00<FITID>", "TRNAMT", "stands twice in an entry", False),
        ("20240102120000", "20241302120000", "STMTTRN/DTPOSTED", "is not a date", True),
        ("<CURDEF>INR", "<CURDEF>", "STMTRS/CURDEF", "no currency", True),
        ("<CURDEF>INR", "<CURDEF>RUPEES", "STMTRS/CURDEF", "is not an ISO 4217", False),
        ("<ACCTID>502000", "", "ACCTFROM/ACCTID", "names no account", True),
        ("<BALAMT>987.50", "<BALAMT> ", "LEDGERBAL/BALAMT", "is empty", True),
        ("<BALAMT>987.50", "<BALAMT>x", "LEDGERBAL/BALAMT", "is not a decimal amount", False),
        ("</OFX>", f"{ENTRY}</OFX>", "STMTTRN", "stands in no statement", False),
        ("<BANKTRANLIST>", "<STMTRS>", "STMTRS", "begins inside of another statement", False),
        ("</OFX>", "", "OFX", "has no end tag: the file is cut off", False),
        ("INFO</STATUS>", "ERROR</STATUS>", "STATUS", "the bank answered an error", True),
        ("<OFX>", "<!DOCTYPE x><OFX>", "DOCTYPE", "is refused", False),
        ("<MEMO>", "<![CDATA[", "OFX", "has no end: it is cut off", False),
    ],
)
def test_a_fault_is_named(old: str, new: str, field: str, reason: str, shown: bool) -> None:
    assert old in GOOD
    file = parse(GOOD.replace(old, new, 1).encode(), "x")
    assert any(f == field and reason in said for _, f, said in _faults(file)), file.problems
    assert bool(file.statements) == shown


def test_an_answer_without_statement() -> None:
    text = GOOD[: GOOD.index("<BANKMSGSRSV1>")] + "</OFX>"
    assert _faults(parse(text.encode(), "x")) == [(0, "OFX", "holds no statement")]
