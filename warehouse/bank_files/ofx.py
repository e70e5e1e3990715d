"""OFX and QFX: bank, credit card and investment statements, 1.x (SGML) and 2.x (XML).

Belongs here: which element means what. Does not: amounts and dates as such (`values.py`).

An own reader of some tags, since the library (bankfile 0.2) makes one statement of all accounts
of a file and nulls of what it cannot read, and the others are too lenient or too strict with
SGML. One reader serves both versions: in SGML a value needs no end tag, aggregates do. Entities
are characters and nothing else; a document type is refused.
"""

import html
import re
from datetime import date, datetime

from warehouse.bank_files import encoding
from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.values import Problems, moment, rail_references

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_.]*)([^<>]*)>([^<]*)")
_ENTRY_TAG = re.compile(r"<STMTTRNP?\s*>", re.IGNORECASE)
_MARK = re.compile(r"^\s*OFXHEADER\s*:|<\?OFX\b|<OFX>", re.IGNORECASE)
_CHARSET = re.compile(r"^\s*CHARSET\s*:\s*([\w-]+)", re.IGNORECASE | re.MULTILINE)
_XML_ENCODING = re.compile(r"<\?xml[^>]*encoding\s*=\s*[\"']([\w-]+)")
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:\D.*|\d{2,6}(?:\D.*)?)?", re.DOTALL)
_MOMENT = re.compile(r"(\d{8,14})(?:\.\d+)?(?:\[([+-]?\d{1,2}(?:\.\d+)?)\b)?", re.ASCII)
_MAX_DEPTH = 64
_STATEMENTS = {"STMTRS", "CCSTMTRS", "INVSTMTRS"}
_ENTRIES = {"STMTTRN", "STMTTRNP"}
# Every other element is taken for a value: in SGML an empty one looks like an aggregate.
_AGGREGATES = {
    "OFX", "STATUS", "BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "BANKACCTTO", "CCACCTTO",
    "BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST", "INVBANKTRAN", "LEDGERBAL", "AVAILBAL",
    "CURRENCY", "ORIGCURRENCY", "PAYEE", "BALLIST", "BAL", "INVBAL", "INVPOSLIST", "INVOOLIST",
    *_STATEMENTS, *_ENTRIES,
}  # fmt: skip
_TRADES = {
    "BUYDEBT", "BUYMF", "BUYOPT", "BUYOTHER", "BUYSTOCK", "CLOSUREOPT", "INCOME", "INVEXPENSE",
    "JRNLFUND", "JRNLSEC", "MARGININTEREST", "REINVEST", "RETOFCAP", "SELLDEBT", "SELLMF",
    "SELLOPT", "SELLOTHER", "SELLSTOCK", "SPLIT", "TRANSFER",
}  # fmt: skip
_DETAILS = {
    "TRNTYPE": "transaction_code",
    "FITID": "bank_reference",
    "REFNUM": "customer_reference",
    "CHECKNUM": "check_number",
    "NAME": "counterparty",
    "PAYEE.NAME": "counterparty",
    "MEMO": "narrative",
    "BANKACCTTO.ACCTID": "counterparty_account",
    "BANKACCTTO.BANKID": "counterparty_bank",
    "CORRECTFITID": "corrects",
    "CORRECTACTION": "correction",
    "ORIGCURRENCY.CURSYM": "original_currency",
    "ORIGCURRENCY.CURRATE": "rate",
    "CURRENCY.CURRATE": "rate",
}


def looks_like(data: bytes) -> bool:
    """Whether the start has an OFX header or the root element."""
    return _MARK.search(encoding.head(data, 4096)) is not None


def read(data: bytes, name: str) -> BankFile:
    """Read an OFX document; whatever is wrong with it comes back as problems."""
    reader = _Reader(encoding.decode(data, _declared(data)))
    reader.walk()
    problems = reader.problems
    lines = sum(len(statement.lines) for statement in reader.statements)
    if not reader.statements and not problems.found:
        problems.add(0, "OFX", "", "holds no statement")
    return BankFile(
        name=name,
        format="ofx",
        statements=[] if problems.lost else reader.statements,
        problems=problems.found,
        control={"statements": len(reader.statements), "lines": lines},
    )


def _declared(data: bytes) -> str | None:
    """The codec that the header names: `CHARSET:1252`, `ISO-8859-1`, or XML's encoding."""
    start = encoding.head(data, 4096)
    found = _XML_ENCODING.search(start) or _CHARSET.search(start)
    if found is None:
        return None
    charset = found[1]
    if charset.isdecimal():
        return f"cp{charset}"
    return f"iso-{charset}" if charset.startswith("8859") else charset


class _Reader:
    def __init__(self, text: str) -> None:
        self.problems = Problems()
        self.text = self._plain(text)
        self.statements: list[Statement] = []
        self.open: list[str] = []
        self.status: dict[str, str] = {}
        self.statement: dict[str, str] | None = None
        self.entry: dict[str, str] | None = None
        self.lines: list[BankLine] = []
        self.trades: dict[str, int] = {}
        self.issued_at: datetime | None = None
        self.counted = 0  # how far the lines have been counted
        self.line = 1
        self.entry_line = self.statement_line = 0

    def _plain(self, text: str) -> str:
        """Without comments, and CDATA as escaped text; both are found in one pass."""
        if "<!" not in text:
            return text
        parts = []
        at = 0
        while (start := text.find("<!", at)) >= 0:
            parts.append(text[at:start])
            comment, data = text.startswith("<!--", start), text.startswith("<![CDATA[", start)
            if not (comment or data):
                self.problems.lose(0, "DOCTYPE", text[start : start + 40], "is refused")
                return ""
            end = text.find("-->" if comment else "]]>", start + 4)
            if end < 0:
                self.problems.lose(0, "OFX", text[start : start + 40], "has no end: it is cut off")
                return ""
            if data:
                parts.append(html.escape(text[start + 9 : end]))
            at = end + 3
        return "".join([*parts, text[at:]])

    def walk(self) -> None:
        for match in _TAG.finditer(self.text):
            closing, tag, inside, value = match.groups()
            self.line += self.text.count("\n", self.counted, match.start())
            self.counted = match.start()
            if len(self.open) > _MAX_DEPTH:
                self._lose(self.open[-1], "", "nests too deep")
                return
            name = tag.upper()
            if closing:
                self._close(name)
            elif name in _AGGREGATES:
                self._open(name)
            else:
                if name in _TRADES and "INVTRANLIST" in self.open:
                    self.trades[name] = self.trades.get(name, 0) + 1
                self._value(name, "" if inside.endswith("/") else value)
        marks = sum(1 for _ in _ENTRY_TAG.finditer(self.text))
        lines = sum(len(statement.lines) for statement in self.statements)
        if not self.problems.lost and marks != lines:
            reason = f"the text has {marks} entries, {lines} were read"
            self.problems.lose(0, "STMTTRN", marks, reason)
        if self.open:
            self._lose(self.open[-1], "", "has no end tag: the file is cut off")

    def _lose(self, field: str, value: str, reason: str) -> None:
        self.problems.lose(self.line, field, value, reason)

    def _open(self, name: str) -> None:
        if name in _ENTRIES:
            self._close("STMTTRN")
            self._close("STMTTRNP")
            self.entry, self.entry_line = {"": name}, self.line
        elif name in _STATEMENTS:
            if self.statement is not None:
                self._lose(name, "", "begins inside of another statement")
            self.statement, self.statement_line = {"": name}, self.line
            self.lines, self.trades = [], {}
        elif name == "STATUS":
            self.status = {}
        self.open.append(name)

    def _close(self, name: str) -> None:
        if name not in _AGGREGATES or name not in self.open:
            return
        while True:
            ended = self.open.pop()
            if ended in _ENTRIES and self.entry is not None:
                self._entry(self.entry)
                self.entry = None
            elif ended in _STATEMENTS and self.statement is not None:
                self._statement(self.statement)
                self.statement = None
            elif ended == "STATUS":
                self._status()
            if ended == name:
                return

    def _value(self, name: str, value: str) -> None:
        scope = self.open[-1] if self.open else ""
        text = " ".join(html.unescape(value).split())
        if name == "DTSERVER" and (made := _MOMENT.match(text)):
            self.issued_at = moment(made[1], float(made[2]) if made[2] else None)
        elif scope == "STATUS":
            self.status.setdefault(name, text)
        elif self.entry is not None:
            key = name if scope in _ENTRIES else f"{scope}.{name}"
            if key == "TRNAMT" and key in self.entry:
                self._lose("TRNAMT", text, "stands twice in an entry")
            self.entry.setdefault(key, text)
        elif self.statement is not None:
            self.statement.setdefault(f"{scope}.{name}", text)

    def _status(self) -> None:
        if self.status.get("SEVERITY", "").upper() == "ERROR":
            said = f"{self.status.get('CODE', '')} {self.status.get('MESSAGE', '')}".strip()
            self.problems.add(self.line, "STATUS", said, "the bank answered an error")

    def _entry(self, said: dict[str, str]) -> None:
        field, line = said[""], self.entry_line
        if self.statement is None:
            self.problems.lose(line, field, "", "stands in no statement")
            return
        home = self.statement.get(f"{self.statement['']}.CURDEF", "")
        currency = (said.get("CURRENCY.CURSYM") or home).upper()
        if currency:
            self.problems.currency(currency, line=line, field=f"{field}/CURSYM")
        minor = self.problems.marked_amount(
            said.get("TRNAMT", ""), currency, line=line, field=f"{field}/TRNAMT"
        )
        posted = said.get("DTPOSTED") or said.get("DTTRAN", "")
        booked = self._date(posted, line, f"{field}/DTPOSTED")
        available = said.get("DTAVAIL")
        value = self._date(available, line, f"{field}/DTAVAIL") if available else None
        if minor is None:
            return
        details: dict[str, str] = {}
        for key, shared in _DETAILS.items():
            if said.get(key):
                details.setdefault(shared, said[key])
        memo = details.pop("narrative", "")
        texts = dict.fromkeys(text for text in (details.get("counterparty", ""), memo) if text)
        check = details.get("check_number", "")
        identity = details.get("bank_reference", "")
        key = details.get("customer_reference", "")
        details = {**rail_references(currency, key, identity, *texts), **details}
        self.lines.append(
            BankLine(
                amount_minor=minor,
                currency=currency,
                value_date=value or booked,
                booking_date=booked,
                reference=key or check.strip("0") or identity,
                narrative=" / ".join(texts),
                details=[details],
                bank_reference=identity,
                pending=field == "STMTTRNP",
            )
        )

    def _date(self, text: str, line: int, field: str) -> date | None:
        match = _DATE.fullmatch(text)
        stated = "-".join(match.groups()) if match else text
        return self.problems.date(stated, line=line, field=field)

    def _statement(self, said: dict[str, str]) -> None:
        root = said[""]
        line = self.statement_line
        currency = said.get(f"{root}.CURDEF", "").upper()
        if currency:
            self.problems.currency(currency, line=line, field=f"{root}/CURDEF")
        else:
            self.problems.add(line, f"{root}/CURDEF", "", "no currency: amounts are in hundredths")
        account = next((said[key] for key in said if key.endswith("ACCTFROM.ACCTID")), "")
        if not account:
            self.problems.add(line, "ACCTFROM/ACCTID", "", "names no account")
        for name, count in self.trades.items():
            reason = f"{count} of these: trades in securities are no entries of a bank account"
            self.problems.add(line, name, "", reason)
        closing, closed_on = self._balance(said, currency, line)
        lists = ("BANKTRANLIST", "INVTRANLIST", "BANKTRANLISTP")
        period = [
            said.get(f"{name}.{edge}", "")[:8]
            for name in lists
            for edge in ("DTSTART", "DTEND")
            if f"{name}.{edge}" in said
        ]
        self.statements.append(
            Statement(
                account=account,
                currency=currency,
                opening_minor=None,
                closing_minor=closing,
                lines=self.lines,
                statement_id="-".join(period[:2]),
                closing_date=closed_on,
                issued_at=self.issued_at,
            )
        )

    def _balance(
        self, said: dict[str, str], currency: str, line: int
    ) -> tuple[int | None, date | None]:
        stated = said.get("LEDGERBAL.BALAMT")
        if stated is None:
            return None, None
        if not stated:
            self.problems.add(line, "LEDGERBAL/BALAMT", "", "is empty")
            return None, None
        minor = self.problems.marked_amount(stated, currency, line=line, field="LEDGERBAL/BALAMT")
        asof = said.get("LEDGERBAL.DTASOF")
        return minor, self._date(asof, line, "LEDGERBAL/DTASOF") if asof else None
