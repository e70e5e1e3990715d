"""CAMT.052, .053 and .054 in any version: reports, statements and notifications (ISO 20022).

Belongs here: which element means what. Does not: amounts and dates as such (`values.py`).

Namespaces are ignored, so that one reader serves every version and every bank's dialect. The
document is walked once and cleared as it goes; external entities, document types and huge
nodes are refused. One `Ntry` is one line, whatever details it has.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lxml import etree

from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.values import Problems

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
_ABSENT_REFERENCES = {"", "NOTPROVIDED", "NONREF"}


def looks_like(data: bytes) -> bool:
    """Whether the start of a file is XML that names a CAMT message."""
    head = data[:4096]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", errors="ignore").encode()
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and (
        b"camt.05" in head or any(kind.encode() in head for kind in _KINDS)
    )


def read(data: bytes, name: str) -> BankFile:
    """Read a CAMT document; whatever is wrong with it comes back as problems."""
    reader = _Reader()
    try:
        reader.walk(data)
    except etree.XMLSyntaxError as error:
        reader.problems.add(error.lineno or 0, "document", "", f"not well-formed: {error.msg}")
    if not reader.statements and not reader.problems.found:
        reader.problems.add(0, "document", reader.format, "holds no statement")
    return BankFile(
        name=name,
        format=reader.format,
        statements=reader.statements,
        problems=reader.problems.found,
        control={
            "statements": len(reader.statements),
            "lines": sum(len(statement.lines) for statement in reader.statements),
        },
    )


class _Reader:
    def __init__(self) -> None:
        self.format = "camt"
        self.statements: list[Statement] = []
        self.problems = Problems()
        self.part: _Part | None = None
        self.paged = False

    def walk(self, data: bytes) -> None:
        events = etree.iterparse(
            BytesIO(data),
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
                    self.problems.add(1, "DOCTYPE", "", "document types are refused")
                    return
            tag = _local(element)
            if event == "start":
                self._start(tag, element)
            else:
                self._end(tag, element)

    def _start(self, tag: str, element: Any) -> None:
        for kind, (name, _) in _KINDS.items():
            if tag.startswith(kind):
                self.format = name
        if tag == "Document" and self.format == "camt":
            namespace = str(etree.QName(element).namespace or "")
            names = [name for name, _ in _KINDS.values() if name in namespace]
            self.format = names[0] if names else "camt"
        if tag in _PARTS and self.part is None:
            self.part = _Part(element, self.problems)

    def _end(self, tag: str, element: Any) -> None:
        if self.part is None:
            if tag == "MsgPgntn":
                last = (_text(element, "LastPgInd") or "true").lower() in ("true", "1")
                self.paged = not last or (_text(element, "PgNb") or "1").lstrip("0") != "1"
            return
        if element is self.part.root:
            self.statements.append(self.part.finish(paged=self.paged))
            self.part = None
            element.clear()
        elif element.getparent() is self.part.root:
            self.part.take(tag, element)
            # What has been read is dropped: memory stays that of one entry.
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]


class _Part:
    """One Stmt, Rpt or Ntfctn while it is being read."""

    def __init__(self, root: Any, problems: Problems) -> None:
        self.root = root
        self.problems = problems
        self.statement_id = ""
        self.account = ""
        self.currency = ""
        self.balances: dict[str, tuple[int, str, Any]] = {}
        self.lines: list[BankLine] = []
        self.entries = 0
        self.summary: list[tuple[str, int, int | None, str | None]] = []
        self.paged = False

    def take(self, tag: str, element: Any) -> None:
        if tag == "Id":
            self.statement_id = (element.text or "").strip()
        elif tag == "Acct":
            self._account(element)
        elif tag == "Bal":
            self._balance(element)
        elif tag == "TxsSummry":
            self._summary(element)
        elif tag in ("StmtPgntn", "RptPgntn", "NtfctnPgntn"):
            last = (_text(element, "LastPgInd") or "true").lower() in ("true", "1")
            self.paged = not last or (_text(element, "PgNb") or "1").lstrip("0") != "1"
        elif tag == "Ntry":
            self.entries += 1
            line = self._entry(element)
            if line is not None:
                self.lines.append(line)

    def _account(self, element: Any) -> None:
        identity = _child(element, "Id")
        if identity is not None:
            found = _first(identity, "IBAN") or _first(identity, "Id")
            self.account = "".join(found.split()) if found else ""
        if not self.account:
            self.problems.add(element.sourceline or 0, "Acct/Id", "", "names no account")
        self.currency = (_text(element, "Ccy") or "").strip()

    def _money(self, element: Any, field: str) -> tuple[int, str] | None:
        """`Amt` with the sign of `CdtDbtInd`; ISO 20022 amounts carry no sign of their own."""
        line = element.sourceline or 0
        amount = _child(element, "Amt")
        if amount is None:
            self.problems.add(line, f"{field}/Amt", "", "is missing")
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
            self.problems.add(line, f"{field}/Amt", amount.text, "is negative")
            return None
        side = (_text(element, "CdtDbtInd") or "").strip()
        if side not in ("CRDT", "DBIT"):
            self.problems.add(line, f"{field}/CdtDbtInd", side, "is neither CRDT nor DBIT")
            return None
        return (minor if side == "CRDT" else -minor), currency

    def _balance(self, element: Any) -> None:
        kind = _child(element, "Tp")
        code = (_first(kind, "Cd") if kind is not None else None) or ""
        found = self._money(element, f"Bal[{code}]")
        if found is not None and code not in self.balances:
            minor, currency = found
            self.balances[code] = (minor, currency, self._date(element, "Dt", "Bal"))

    def _date(self, element: Any, tag: str, field: str) -> Any:
        holder = _child(element, tag)
        if holder is None:
            return None
        stated = _first(holder, "Dt") or _first(holder, "DtTm") or holder.text
        return self.problems.date(stated, line=holder.sourceline or 0, field=f"{field}/{tag}")

    def _entry(self, element: Any) -> BankLine | None:
        found = self._money(element, "Ntry")
        if found is None:
            return None
        minor, currency = found
        details = [_details(node) for node in element.iter() if _local(node) == "TxDtls"]
        status_node = _child(element, "Sts")
        status = "BOOK"
        if status_node is not None:
            status = (_first(status_node, "Cd") or status_node.text or "").strip() or "BOOK"
        own = (_text(element, "AcctSvcrRef") or "").strip()
        bank_reference = own or (details[0].get("bank_reference", "") if details else "")
        end_to_end = details[0].get("end_to_end_id", "") if len(details) == 1 else ""
        if end_to_end.upper() in _ABSENT_REFERENCES:
            end_to_end = ""
        texts = [_text(element, "AddtlNtryInf") or ""]
        texts += [detail.get("narrative", "") for detail in details]
        return BankLine(
            amount_minor=minor,
            currency=currency,
            value_date=self._date(element, "ValDt", "Ntry"),
            booking_date=self._date(element, "BookgDt", "Ntry"),
            reference=end_to_end or (_text(element, "NtryRef") or "").strip() or bank_reference,
            narrative=" / ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text)),
            details=details,
            bank_reference=bank_reference,
            pending=status != "BOOK",
        )

    def _summary(self, element: Any) -> None:
        for tag, side in (("TtlNtries", ""), ("TtlCdtNtries", "CRDT"), ("TtlDbtNtries", "DBIT")):
            node = _child(element, tag)
            if node is None:
                continue
            line = node.sourceline or 0
            number = (_text(node, "NbOfNtries") or "").strip()
            count = int(number) if _COUNT.fullmatch(number) else None
            if number and count is None:
                self.problems.add(line, f"{tag}/NbOfNtries", number, "is not a count")
            self.summary.append((side, line, count, _text(node, "Sum")))

    def finish(self, *, paged: bool) -> Statement:
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


def _details(element: Any) -> dict[str, str]:
    """What one `TxDtls` says, flat; empty fields are left out."""
    remittance = _child(element, "RmtInf")
    texts = [_text(element, "AddtlTxInf") or ""]
    if remittance is not None:
        texts = [n.text or "" for n in remittance.iter() if _local(n) == "Ustrd"] + texts
    parties = _child(element, "RltdPties")
    found = {
        "end_to_end_id": _first(element, "EndToEndId"),
        "bank_reference": _first(element, "AcctSvcrRef"),
        "transaction_id": _first(element, "TxId"),
        "narrative": " ".join(" ".join(texts).split()),
        "party": _first(parties, "Nm") if parties is not None else None,
    }
    return {key: value.strip() for key, value in found.items() if value and value.strip()}


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _children(element: Any, tag: str) -> Iterator[Any]:
    return (child for child in element if _local(child) == tag)


def _child(element: Any, tag: str) -> Any:
    return next(_children(element, tag), None)


def _text(element: Any, tag: str) -> str | None:
    child = _child(element, tag)
    return None if child is None else child.text


def _first(element: Any, tag: str) -> str | None:
    """The text of the first descendant of that name that has any."""
    for node in element.iter():
        if node is not element and _local(node) == tag and (node.text or "").strip():
            return str(node.text).strip()
    return None
