"""CAMT.052, .053 and .054 in any version: reports, statements and notifications (ISO 20022).

Belongs here: which element means what. Does not: amounts and dates as such (`values.py`).

Namespaces are ignored, so that one reader serves every version and every bank's dialect. The
document is walked once and cleared as it goes; external entities, document types and huge
nodes are refused. One `Ntry` is one line, whatever details it has.
"""

import re
from datetime import datetime
from io import BytesIO
from typing import Any

from lxml import etree

from warehouse.bank_files import encoding
from warehouse.bank_files.camt_entry import (
    child,
    child_text,
    entry_status,
    first_text,
    is_page,
    issued_at,
    local_name,
    transaction_code,
    transaction_details,
)
from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.values import Problems, rail_references

_KINDS = {
    "BkToCstmrAcctRpt": ("camt.052", "Rpt"),
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
}
_PARTS = {part for _, part in _KINDS.values()}
# A balance is cut at its first code of these that the statement has.
_OPENING = ("OPBD", "PRCD")
_CLOSING = ("CLBD",)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_ABSENT_REFERENCES = {"", "NOTPROVIDED", "NOT PROVIDED", "NONREF"}
_MAX_ELEMENTS = 1_000_000  # of one entry: a batch of tens of thousands of payments
_PAGE = ("PgNb", "LastPgInd")


def looks_like(data: bytes) -> bool:
    """Whether the start of a file is XML that names a CAMT message."""
    start = encoding.head(data).lstrip("\ufeff\u00ef\u00bb\u00bf \t\r\n")
    return start.startswith("<") and ("camt.05" in start or any(kind in start for kind in _KINDS))


def read(data: bytes, name: str) -> BankFile:
    """Read a CAMT document; whatever is wrong with it comes back as problems."""
    reader = _Reader()
    try:
        reader.walk(data)
    except etree.XMLSyntaxError as error:
        reason = f"not well-formed: {error.msg}"
        reader.problems.lose(error.lineno or 0, "document", "", reason)
    lines = sum(len(statement.lines) for statement in reader.statements)
    if not reader.problems.lost and lines != reader.entries:
        reason = f"the document has {reader.entries} entries, {lines} were read"
        reader.problems.lose(0, "Ntry", reader.entries, reason)
    if not reader.statements and not reader.problems.found:
        reader.problems.add(0, "document", reader.format, "holds no statement")
    return BankFile(
        name=name,
        format=reader.format,
        statements=[] if reader.problems.lost else reader.statements,
        problems=reader.problems.found,
        control={
            "statements": len(reader.statements),
            "lines": lines,
        },
    )


class _Reader:
    def __init__(self) -> None:
        self.format = "camt"
        self.statements: list[Statement] = []
        self.problems = Problems()
        self.part: _Part | None = None
        self.paged = False
        self.elements = 0
        self.entries = 0

    def walk(self, data: bytes) -> None:
        if any("<!DOCTYPE".encode(name) in data for name in ("ascii", "utf-16-le", "utf-16-be")):
            self.problems.lose(0, "DOCTYPE", "", "document types are refused")
            return
        events = etree.iterparse(
            # Blanks before the declaration are no XML, and no reason to refuse a file.
            BytesIO(data.lstrip(b" \t\r\n") if data[:1].isspace() else data),
            events=("start", "end"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        first = True
        for event, element in events:
            if first:
                first = False
                if element.getroottree().docinfo.internalDTD is not None:
                    self.problems.lose(1, "DOCTYPE", "", "document types are refused")
                    return
            tag = local_name(element)
            if event == "start":
                self.elements += 1
                if self.elements > _MAX_ELEMENTS:
                    line = element.sourceline or 0
                    self.problems.lose(line, tag, "", f"has more than {_MAX_ELEMENTS} elements")
                    return
                self._start(tag, element)
            else:
                self._end(tag, element)

    def _start(self, tag: str, element: Any) -> None:
        if tag.startswith("BkToCstmr"):
            for kind, (name, _) in _KINDS.items():
                if tag.startswith(kind):
                    self.format = name
        if tag == "Document" and self.format == "camt":
            namespace = str(element.tag).rpartition("}")[0]
            names = [name for name, _ in _KINDS.values() if name in namespace]
            self.format = names[0] if names else "camt"
        if tag == "Ntry":
            self.entries += 1
        if tag in _PARTS and self.part is None:
            self.part = _Part(element, self.problems)

    def _end(self, tag: str, element: Any) -> None:
        if self.part is None:
            if tag == "MsgPgntn":
                self.paged = is_page(element)
            if tag not in _PAGE:
                self._drop(element)
        elif element is self.part.root:
            self.statements.append(self.part.finish(paged=self.paged))
            self.part = None
            self._drop(element)
        elif element.getparent() is self.part.root:
            self.part.take(tag, element)
            self._drop(element)

    def _drop(self, element: Any) -> None:
        """What has been read is dropped: memory stays that of one entry."""
        self.elements = 0
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


class _Part:
    """One Stmt, Rpt or Ntfctn while it is being read."""

    def __init__(self, root: Any, problems: Problems) -> None:
        self.root = root
        self.problems = problems
        self.statement_id = ""
        self.issued_at: datetime | None = None
        self.account = ""
        self.named = False
        self.currency = ""
        self.balances: dict[str, tuple[int, str, Any]] = {}
        self.lines: list[BankLine] = []
        self.entries = 0
        self.summary: list[tuple[str, int, int | None, str | None]] = []
        self.paged = False

    def take(self, tag: str, element: Any) -> None:
        if tag == "Id":
            self.statement_id = (element.text or "").strip()
        elif tag == "CreDtTm":
            self.issued_at = issued_at(element.text)
        elif tag == "Acct":
            self._account(element)
        elif tag == "Bal":
            self._balance(element)
        elif tag == "TxsSummry" and not self.summary:
            self._summary(element)
        elif tag in ("StmtPgntn", "RptPgntn", "NtfctnPgntn"):
            self.paged = is_page(element)
        elif tag == "Ntry":
            self.entries += 1
            line = self._entry(element)
            if line is not None:
                self.lines.append(line)

    def _account(self, element: Any) -> None:
        self.named = True
        identity = child(element, "Id")
        if identity is not None:
            names = ("IBAN", "Id", "BBAN", "UPIC")  # the last two only in version 1
            found = next(filter(None, (first_text(identity, name) for name in names)), "")
            self.account = "".join(found.split()) if found else ""
        if not self.account:
            self.problems.add(element.sourceline or 0, "Acct/Id", "", "names no account")
        self.currency = (child_text(element, "Ccy") or "").strip()

    def _money(self, element: Any, field: str) -> tuple[int, str] | None:
        """`Amt` with the sign of `CdtDbtInd`; ISO 20022 amounts carry no sign of their own."""
        line = element.sourceline or 0
        amount = child(element, "Amt")
        if amount is None:
            self.problems.lose(line, f"{field}/Amt", "", "is missing")
            return None
        line = amount.sourceline or line
        stated = amount.get("Ccy") or self.currency
        currency = self.problems.currency(stated, line=line, field=f"{field}/Amt@Ccy")
        if currency is None:
            return None
        minor = self.problems.amount(amount.text, currency, line=line, field=f"{field}/Amt")
        if minor is None:
            return None
        if minor < 0:
            self.problems.lose(line, f"{field}/Amt", amount.text, "is negative")
            return None
        side = (child_text(element, "CdtDbtInd") or "").strip()
        if side not in ("CRDT", "DBIT"):
            self.problems.lose(line, f"{field}/CdtDbtInd", side, "is neither CRDT nor DBIT")
            return None
        return (minor if side == "CRDT" else -minor), currency

    def _balance(self, element: Any) -> None:
        kind = child(element, "Tp")
        code = (first_text(kind, "Cd") if kind is not None else None) or ""
        found = self._money(element, f"Bal[{code}]")
        if found is None:
            return
        minor, currency = found
        day = self._date(element, "Dt", "Bal")
        known = self.balances.get(code)
        # A statement of several days may close each of them: the last one counts.
        if known is None or (code in _CLOSING and day and known[2] and day > known[2]):
            self.balances[code] = (minor, currency, day)

    def _date(self, element: Any, tag: str, field: str) -> Any:
        holder = child(element, tag)
        if holder is None:
            return None
        stated = first_text(holder, "Dt") or first_text(holder, "DtTm") or holder.text
        return self.problems.date(stated, line=holder.sourceline or 0, field=f"{field}/{tag}")

    def _entry(self, element: Any) -> BankLine | None:
        found = self._money(element, "Ntry")
        if found is None:
            return None
        minor, currency = found
        own = (child_text(element, "AcctSvcrRef") or "").strip()
        entry = {
            "transaction_code": transaction_code(child(element, "BkTxCd")),
            "entry_reference": (child_text(element, "NtryRef") or "").strip(),
            "reversal": (child_text(element, "RvslInd") or "").strip().replace("false", ""),
        }
        nodes = element.iterdescendants("{*}TxDtls")
        details = [transaction_details(node, credit=minor > 0) for node in nodes]
        batch = next(element.iterdescendants("{*}Btch"), None)
        if batch is not None:
            entry["batch_id"] = first_text(batch, "PmtInfId") or ""
        texts = [detail.pop("narrative", "") for detail in details]
        said = {key: text for key, text in entry.items() if text}
        details = [{**said, **detail} for detail in details] or ([said] if said else [])
        bank_reference = own or (details[0].get("bank_reference", "") if details else "")
        end_to_end = details[0].get("end_to_end_id", "") if len(details) == 1 else ""
        if end_to_end.upper() in _ABSENT_REFERENCES:
            end_to_end = ""
        texts = [*texts, child_text(element, "AddtlNtryInf") or ""]
        if rail := rail_references(currency, end_to_end, bank_reference, *texts):
            details[:1] = [{**rail, **(details[0] if details else {})}]
        return BankLine(
            amount_minor=minor,
            currency=currency,
            value_date=self._date(element, "ValDt", "Ntry"),
            booking_date=self._date(element, "BookgDt", "Ntry"),
            reference=end_to_end or entry["entry_reference"] or bank_reference,
            narrative=" / ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text)),
            details=details,
            bank_reference=bank_reference,
            pending=entry_status(element) != "BOOK",
        )

    def _summary(self, element: Any) -> None:
        for tag, side in (("TtlNtries", ""), ("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT")):
            node = child(element, tag)
            if node is None:
                continue
            line = node.sourceline or 0
            number = (child_text(node, "NbOfNtries") or "").strip()
            count = int(number) if _COUNT.fullmatch(number) else None
            if number and count is None:
                self.problems.add(line, f"{tag}/NbOfNtries", number, "is not a count")
            self.summary.append((side, line, count, child_text(node, "Sum")))

    def finish(self, *, paged: bool) -> Statement:
        if not self.account and not self.named:
            self.problems.add(self.root.sourceline or 0, "Acct", "", "is missing")
        currencies = {line.currency for line in self.lines}
        currencies |= {currency for _, currency, _ in self.balances.values()}
        currency = self.currency or (min(currencies) if len(currencies) == 1 else "")
        if not currency and self.lines:
            currency = self.lines[0].currency
        opening = next((self.balances[code] for code in _OPENING if code in self.balances), None)
        closing = next((self.balances[code] for code in _CLOSING if code in self.balances), None)
        self._check_summary()
        complete = self.entries == len(self.lines) and not (paged or self.paged)
        if complete:
            self._check_balance(opening, closing)
        return Statement(
            account=self.account,
            currency=currency,
            opening_minor=opening[0] if opening else None,
            closing_minor=closing[0] if closing else None,
            lines=self.lines,
            statement_id=self.statement_id,
            opening_date=opening[2] if opening else None,
            closing_date=closing[2] if closing else None,
            issued_at=self.issued_at,
        )

    def _check_balance(self, opening: Any, closing: Any) -> None:
        if opening is None or closing is None:
            return
        currencies = {opening[1], closing[1], *(line.currency for line in self.lines)}
        if len(currencies) > 1:
            names = ", ".join(sorted(currencies))
            line = self.root.sourceline or 0
            self.problems.add(line, "Bal", names, "balances and entries differ in currency")
            return
        booked = sum(line.amount_minor for line in self.lines if not line.pending)
        if opening[0] + booked != closing[0]:
            self.problems.add(
                self.root.sourceline or 0,
                "Bal[CLBD]",
                closing[0],
                f"opening {opening[0]} and entries {booked} make {opening[0] + booked}",
            )

    def _check_summary(self) -> None:
        for side, line, count, total in self.summary:
            # Zero amounts have no side of their own after signing: either side may count them.
            zeros = sum(1 for found in self.lines if found.amount_minor == 0)
            chosen = [
                found
                for found in self.lines
                if found.amount_minor and (not side or (found.amount_minor > 0) == (side == "CRDT"))
            ]
            field = f"TxsSummry {side}".strip()
            if count is not None and not len(chosen) <= count <= len(chosen) + zeros:
                self.problems.add(line, field, count, f"counted {len(chosen) + zeros}")
            currencies = {found.currency for found in chosen}
            if total is None or len(currencies) > 1:
                continue
            currency = min(currencies, default=self.currency or "XXX")
            stated = self.problems.amount(total, currency, line=line, field=f"{field}/Sum")
            actual = sum(abs(found.amount_minor) for found in chosen)
            if stated is not None and stated != actual:
                self.problems.add(line, f"{field}/Sum", total, f"summed {actual}")
