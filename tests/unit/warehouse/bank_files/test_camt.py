"""CAMT.052, .053 and .054 of every version, and what must not pass."""

from datetime import date

import pytest

from tests.unit.warehouse.bank_files.writers import Account, Entry, camt
from warehouse.bank_files.model import BankFile
from warehouse.bank_files.parse import parse

ENTRIES = (
    Entry(4_000, date(2024, 1, 2), date(2024, 1, 1), "E2E-1", "UPI SETTLEMENT"),
    Entry(-1_500, date(2024, 1, 3), date(2024, 1, 3), "NOTPROVIDED", "PAYOUT & FEE"),
)
ACCOUNT = Account("50200012345678", "INR", 10_000, ENTRIES)
GOOD = camt(ACCOUNT)


def _faults(file: BankFile) -> list[tuple[str, str]]:
    return [(problem.field, problem.reason) for problem in file.problems]


@pytest.mark.parametrize("version", range(1, 14))
@pytest.mark.parametrize("kind", ["052", "053", "054"])
def test_every_version_of_every_message(kind: str, version: int) -> None:
    for prefix in ("", "ns2"):
        file = parse(camt(ACCOUNT, kind=kind, version=version, prefix=prefix).encode(), "x")
        assert (file.format, file.problems) == (f"camt.{kind}", [])
        (statement,) = file.statements
        assert statement.account == "50200012345678"
        credit, debit = statement.lines
        assert (credit.amount_minor, credit.value_date) == (4_000, date(2024, 1, 2))
        assert (credit.reference, credit.narrative) == ("E2E-1", "UPI SETTLEMENT")
        assert (debit.amount_minor, debit.reference) == (-1_500, "BANK")


@pytest.mark.parametrize(
    "rewritten",
    [
        b"\n \n" + GOOD.encode(),
        GOOD.encode("utf-8-sig"),
        GOOD.replace("UTF-8", "UTF-16").encode("utf-16"),
        GOOD.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        GOOD.replace('<?xml version="1.0" encoding="UTF-8"?>', "<?xml version='1.0'?><!-- x -->")
        .replace(' xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"', "")
        .encode(),
        GOOD.replace("<Document", "<Envelope><Header/><Document")
        .replace("</Document>", "</Document></Envelope>")
        .encode(),
    ],
)
def test_the_same_document_written_otherwise(rewritten: bytes) -> None:
    file = parse(rewritten, "x")
    assert file.problems == []
    assert file.statements == parse(GOOD.encode(), "x").statements


def test_the_other_party_and_the_references_of_an_entry() -> None:
    details = """<TxDtls><Refs><EndToEndId>E2E-1</EndToEndId><UETR>u-1</UETR></Refs>
    <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>
    <RltdPties><Cdtr><Pty><Nm>US</Nm></Pty></Cdtr><Dbtr><Pty><Nm>ACME</Nm></Pty></Dbtr>
    <DbtrAcct><Id><IBAN>DE89</IBAN></Id></DbtrAcct></RltdPties>
    <RltdAgts><DbtrAgt><FinInstnId><BICFI>COBADEFF</BICFI></FinInstnId></DbtrAgt></RltdAgts>
    <RmtInf><Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>"""
    start, end = GOOD.index("<TxDtls>"), GOOD.index("</TxDtls>") + len("</TxDtls>")
    (statement,) = parse((GOOD[:start] + details + GOOD[end:]).encode(), "x").statements
    line = statement.lines[0]
    assert (line.reference, line.narrative) == ("E2E-1", "RF18")
    assert line.details == [
        {
            "end_to_end_id": "E2E-1",
            "uetr": "u-1",
            "transaction_code": "PMNT/RCDT/DMCT",
            "structured_reference": "RF18",
            "counterparty": "ACME",
            "counterparty_account": "DE89",
            "counterparty_bank": "COBADEFF",
        }
    ]


def test_a_batch_is_one_line_with_its_payments_as_details() -> None:
    one = GOOD[GOOD.index("<TxDtls>") : GOOD.index("</TxDtls>") + len("</TxDtls>")]
    two = one.replace("E2E-1", "E2E-2").replace("<RmtInf>", '<Amt Ccy="INR">15.00</Amt><RmtInf>')
    batch = f"<Btch><PmtInfId>P7</PmtInfId></Btch>{one}{two}"
    (statement,) = parse(GOOD.replace(one, batch).encode(), "x").statements
    line = statement.lines[0]
    assert (len(statement.lines), line.amount_minor, line.reference) == (2, 4_000, "BANK")
    assert [detail["end_to_end_id"] for detail in line.details] == ["E2E-1", "E2E-2"]
    assert line.details[1]["amount"] == "15.00"
    assert {detail["batch_id"] for detail in line.details} == {"P7"}


@pytest.mark.parametrize(
    ("old", "new", "field", "reason", "shown"),
    [
        (">40.00<", ">40.001<", "Ntry/Amt", "has a fraction of a minor unit", False),
        (">40.00<", ">40,00<", "Ntry/Amt", "is not a decimal amount", False),
        (">40.00<", "><", "Ntry/Amt", "is not a decimal amount", False),
        (">40.00<", ">1e9<", "Ntry/Amt", "is not a decimal amount", False),
        ('<Amt Ccy="INR">40.00</Amt>', "", "Ntry/Amt", "is missing", False),
        ("<CdtDbtInd>DBIT", "<CdtDbtInd>D", "Ntry/CdtDbtInd", "is neither CRDT nor DBIT", False),
        (">40.00<", ">41.00<", "Bal[CLBD]", "opening 10000 and entries 2600 make 12600", True),
        ("<Cd>BOOK</Cd>", "<Cd>PDNG</Cd>", "Bal[CLBD]", "opening 10000 and entries -1500", True),
        ("<Dt>2024-01-02", "<Dt>2024-02-30", "Ntry/ValDt", "is not a date", True),
        ("<Acct>", "<Acct/><Other>", "document", "not well-formed", False),
        ("</Document>", "", "document", "not well-formed", False),
        ("Ntry>", "Entry>", "Bal[CLBD]", "opening 10000 and entries 0 make 10000", True),
        ("Stmt>", "Other>", "Ntry", "the document has 2 entries, 0 were read", False),
        ("</Stmt>", "<X><Ntry/></X></Stmt>", "Ntry", "has 3 entries, 2 were read", False),
    ],
)
def test_a_fault_is_named(old: str, new: str, field: str, reason: str, shown: bool) -> None:
    assert old in GOOD
    count = -1 if old in ("Ntry>", "Stmt>") else 1
    file = parse(GOOD.replace(old, new, count).encode(), "x")
    assert any(f == field and reason in said for f, said in _faults(file)), file.problems
    assert bool(file.statements) == shown


def test_a_page_of_several_does_not_foot_by_itself() -> None:
    page = "<StmtPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>"
    text = GOOD.replace(">40.00<", ">41.00<").replace("<Id>1</Id>", f"<Id>1</Id>{page}")
    assert parse(text.encode(), "x").problems == []


def test_a_statement_of_several_days_closes_with_the_last() -> None:
    start, end = GOOD.index("<Bal>"), GOOD.index("<Ntry>")
    opening, closing = GOOD[start:end].split("</Bal>")[:2]
    early = closing.replace("2024-01-03", "2024-01-02").replace(">125.00<", ">140.00<")
    for order in ((early, closing), (closing, early)):
        balances = "".join(f"{part}</Bal>" for part in (opening, *order))
        file = parse((GOOD[:start] + balances + GOOD[end:]).encode(), "x")
        assert file.problems == []
        assert file.statements[0].closing_minor == 12_500
