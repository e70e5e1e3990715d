"""The parts of a CAMT entry: references, parties, remittance, codes.

Belongs here: what is inside a `TxDtls`, and finding elements whatever their namespace. Does
not: statements, balances and amounts of entries (`camt.py`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from online.kernel.clock import IST

_REFERENCES = {
    "EndToEndId": "end_to_end_id",
    "AcctSvcrRef": "bank_reference",
    "TxId": "transaction_id",
    "InstrId": "instruction_id",
    "UETR": "uetr",
    "PmtInfId": "batch_id",
    "MndtId": "mandate_id",
    "ChqNb": "check_number",
    "ClrSysRef": "clearing_reference",
}


def is_page(element: Any) -> bool:
    """Whether a pagination says that this is one page of several."""
    last = (child_text(element, "LastPgInd") or "true").strip().lower() in ("true", "1")
    return not last or (child_text(element, "PgNb") or "1").strip().lstrip("0") != "1"


def entry_status(element: Any) -> str:
    """`BOOK`, `PDNG`, `INFO`, `FUTR`; a code of its own since version 8, a text before."""
    status = child(element, "Sts")
    if status is None:
        return "BOOK"
    return (first_text(status, "Cd") or status.text or "").strip() or "BOOK"


def transaction_code(element: Any) -> str:
    """`PMNT/RCDT/DMCT`, else the bank's own code."""
    if element is None:
        return ""
    domain = child(element, "Domn")
    if domain is None:
        return first_text(element, "Cd") or ""
    family = child(domain, "Fmly")
    parts = [child_text(domain, "Cd")]
    if family is not None:
        parts += [child_text(family, "Cd"), child_text(family, "SubFmlyCd")]
    return "/".join((part or "").strip() for part in parts)


def transaction_details(element: Any, *, credit: bool) -> dict[str, str]:
    """What one `TxDtls` says, flat; empty fields are left out."""
    found: dict[str, str | None] = {}
    # Only of its references: parties and remittance have elements of the same names.
    references = child(element, "Refs")
    if references is not None:
        for node in references:
            if (name := _REFERENCES.get(local_name(node))) and node.text:
                found.setdefault(name, node.text)
    amount = child(element, "Amt")
    if amount is None:
        amounts = child(element, "AmtDtls")
        amount = None if amounts is None else _descendant(amounts, "Amt", within="TxAmt")
    if amount is not None:
        found |= {"amount": amount.text, "currency": amount.get("Ccy")}
    if code := transaction_code(child(element, "BkTxCd")):
        found["transaction_code"] = code
    found |= _remittance(element)
    found |= _party(element, "Dbtr" if credit else "Cdtr")
    returned = child(element, "RtrInf")
    if returned is not None:
        found["return_reason"] = first_text(returned, "Cd") or first_text(returned, "Prtry")
    return {key: text for key, value in found.items() if value and (text := value.strip())}


def _remittance(element: Any) -> dict[str, str | None]:
    remittance = child(element, "RmtInf")
    texts = []
    found: dict[str, str | None] = {}
    if remittance is not None:
        texts = [node.text or "" for node in remittance.iterdescendants("{*}Ustrd")]
        structured = _descendant(remittance, "Ref", within="CdtrRefInf")
        if structured is not None:
            found["structured_reference"] = structured.text
            texts = texts or [structured.text or ""]
    texts.append(child_text(element, "AddtlTxInf") or "")
    return {**found, "narrative": " ".join(" ".join(texts).split())}


def _party(element: Any, side: str) -> dict[str, str | None]:
    """The other party: who pays what comes in, who receives what goes out."""
    found: dict[str, str | None] = {}
    parties, agents = child(element, "RltdPties"), child(element, "RltdAgts")
    if parties is not None:
        person, account = child(parties, side), child(parties, f"{side}Acct")
        found["counterparty"] = None if person is None else first_text(person, "Nm")
        if account is not None:
            found["counterparty_account"] = first_text(account, "IBAN") or first_text(account, "Id")
    agent = child(agents, f"{side}Agt") if agents is not None else None
    if agent is not None:
        found["counterparty_bank"] = (
            first_text(agent, "BICFI") or first_text(agent, "BIC") or first_text(agent, "MmbId")
        )
    return found


def _descendant(element: Any, tag: str, *, within: str) -> Any:
    found = element.iterdescendants("{*}" + tag)
    return next((node for node in found if local_name(node.getparent()) == within), None)


@lru_cache(maxsize=1024)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def local_name(element: Any) -> str:
    """The name of an element without its namespace; nothing for a comment."""
    tag = element.tag
    return _local(tag) if isinstance(tag, str) else ""


def child(element: Any, tag: str) -> Any:
    """The first child of that name, in any namespace or none."""
    return next(element.iterchildren("{*}" + tag), None)


def child_text(element: Any, tag: str) -> str | None:
    """The text of the first child of that name."""
    found = child(element, tag)
    return None if found is None else found.text


def first_text(element: Any, tag: str) -> str | None:
    """The text of the first descendant of that name that has any."""
    for node in element.iterdescendants("{*}" + tag):
        if text := (node.text or "").strip():
            return str(text)
    return None


def issued_at(text: str | None) -> datetime | None:
    """When a message was made (`CreDtTm`); without a zone it is Indian time. None if unreadable."""
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    if not 1970 < at.year < 2200:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=IST)).astimezone(UTC)
