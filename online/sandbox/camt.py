"""The bank statement of a day as CAMT.053.001.08 (ISO 20022).

Belongs here: entries, balances and their XML. Does not: which entries a day has (`bank_books.py`).
"""

import xml.etree.ElementTree as ET
from datetime import date, datetime, time
from typing import Final

from online.kernel.clock import IST
from online.kernel.money import format_minor
from online.sandbox.rails import CURRENCY, BankAccount
from online.sandbox.statements import Statement, StatementEntry

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
# Domain, family, sub-family of the ISO bank transaction code set.
_CODES: Final = {
    "settlement": ("PMNT", "RCDT", "ESCT"),
    "payout": ("PMNT", "ICDT", "ESCT"),
    "return": ("PMNT", "RCDT", "RRTN"),
    "stray": ("PMNT", "RCDT", "OTHR"),
}


def render(statement: Statement) -> bytes:
    """The XML document, the same bytes for the same statement."""
    day, account = statement.day, statement.account
    created = statement.made_at.isoformat()
    root = ET.Element("Document", xmlns=NAMESPACE)
    body = _add(root, "BkToCstmrStmt")
    header = _add(body, "GrpHdr")
    _add(header, "MsgId", f"{account.bank.upper()}-{account.number}-{day:%Y%m%d}")
    _add(header, "CreDtTm", created)
    stmt = _add(body, "Stmt")
    _add(stmt, "Id", f"{account.number}-{day:%Y%m%d}")
    _add(stmt, "ElctrncSeqNb", str(statement.sequence))
    _add(stmt, "CreDtTm", created)
    period = _add(stmt, "FrToDt")
    _add(period, "FrDtTm", datetime.combine(day, time(0), IST).isoformat())
    _add(period, "ToDtTm", datetime.combine(day, time(23, 59, 59), IST).isoformat())
    _account(stmt, account)
    _balance(stmt, "OPBD", statement.opening_minor, day)
    _balance(stmt, "CLBD", statement.closing_minor, day)
    _summary(stmt, statement)
    for index, entry in enumerate(statement.entries, start=1):
        _entry(stmt, entry, f"{day:%Y%m%d}{index:05d}", day)
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return xml + b"\n"


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _account(stmt: ET.Element, account: BankAccount) -> None:
    node = _add(stmt, "Acct")
    _add(_add(_add(node, "Id"), "Othr"), "Id", account.number)
    _add(node, "Ccy", CURRENCY)
    _add(_add(node, "Ownr"), "Nm", account.owner)
    institution = _add(_add(node, "Svcr"), "FinInstnId")
    member = _add(institution, "ClrSysMmbId")
    _add(_add(member, "ClrSysId"), "Cd", "INFSC")
    _add(member, "MmbId", account.ifsc)


def _amount(parent: ET.Element, amount_minor: int) -> None:
    """`Amt` and `CdtDbtInd`: the amount is positive, the indicator has the sign."""
    _add(parent, "Amt", format_minor(abs(amount_minor), CURRENCY)).set("Ccy", CURRENCY)
    _add(parent, "CdtDbtInd", "CRDT" if amount_minor >= 0 else "DBIT")


def _balance(stmt: ET.Element, code: str, amount_minor: int, day: date) -> None:
    node = _add(stmt, "Bal")
    _add(_add(_add(node, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(node, amount_minor)
    _add(_add(node, "Dt"), "Dt", day.isoformat())


def _summary(stmt: ET.Element, statement: Statement) -> None:
    received = [e.amount_minor for e in statement.entries if e.amount_minor >= 0]
    paid = [-e.amount_minor for e in statement.entries if e.amount_minor < 0]
    node = _add(stmt, "TxsSummry")
    for tag, amounts in (("TtlCdtNtries", received), ("TtlDbtNtries", paid)):
        total = _add(node, tag)
        _add(total, "NbOfNtries", str(len(amounts)))
        _add(total, "Sum", format_minor(sum(amounts), CURRENCY))


def _entry(stmt: ET.Element, entry: StatementEntry, reference: str, day: date) -> None:
    node = _add(stmt, "Ntry")
    _add(node, "NtryRef", reference)
    _amount(node, entry.amount_minor)
    _add(_add(node, "Sts"), "Cd", "BOOK")
    _add(_add(node, "BookgDt"), "Dt", day.isoformat())
    _add(_add(node, "ValDt"), "Dt", day.isoformat())
    _add(node, "AcctSvcrRef", entry.utr)
    domain_code, family_code, sub_family_code = _CODES[entry.kind]
    domain = _add(_add(node, "BkTxCd"), "Domn")
    _add(domain, "Cd", domain_code)
    family = _add(domain, "Fmly")
    _add(family, "Cd", family_code)
    _add(family, "SubFmlyCd", sub_family_code)
    details = _add(_add(node, "NtryDtls"), "TxDtls")
    references = _add(details, "Refs")
    _add(references, "AcctSvcrRef", entry.utr)
    _add(references, "EndToEndId", entry.end_to_end_id)
    _amount(details, entry.amount_minor)
    _add(_add(details, "RmtInf"), "Ustrd", entry.narrative[:140])
    _add(node, "AddtlNtryInf", entry.narrative)
