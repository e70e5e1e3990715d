"""BAI2 (and BTRS): balances and entries that North American banks report.

Belongs here: records, their fields, and the control totals of accounts, groups and files. Does
not: amounts and dates as such (`values.py`). Rules: BAI Cash Management Balance Reporting
Specifications, version 2.

The library (bai2 0.15) gives the table of type codes. Its record reader is not used: it refuses
padded records and summaries that are continued in the middle (both allowed by the rules), puts
commas into texts, and tells no line numbers. Amounts have no decimal point: they are minor units.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache

from warehouse.bank_files import encoding
from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.values import Problems, moment, rail_references

_CODES = {"01", "02", "03", "16", "49", "88", "98", "99"}
_HEADER = re.compile(r"\d\d(?:,[^,\n]{0,60}){6,}/\s*(?:\n|\r|$)|01,[^\n]*/")
_RECORD = re.compile(r"(\d\d)[,/](.*)", re.DOTALL)
_PADDED = re.compile(r"/\s+(?=(?:01|02|03|16|49|88|98|99),)")
_AMOUNT = re.compile(r"([+-]?)(\d{1,18})", re.ASCII)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_TYPE = re.compile(r"\d{3}", re.ASCII)
_PARENTS = {"02": "01", "03": "02", "16": "03", "49": "03", "98": "02", "99": "01"}
_NAMES = {"01": "file", "02": "group", "03": "account"}
_STATUS = {"2": "deletes an earlier one", "4": "is a test"}
_SHORTEST = 20  # of physical records: less is no length
_NO_AMOUNT = "890"  # information without money


@dataclass(slots=True)
class _Record:
    code: str
    line: int
    pieces: list[str]

    def tokens(self) -> "_Tokens":
        """Fields in turn; a piece ends with `/`, and its continuation begins another field."""
        pieces = (piece.rstrip().removesuffix("/") for piece in self.pieces)
        return _Tokens("\n".join(pieces))


class _Tokens:
    """Fields of a record, taken from the left; the last one of an entry is free text."""

    def __init__(self, text: str) -> None:
        self.parts = re.split(r"([,\n])", text)
        self.at = 0

    def take(self) -> str:
        """The next field, or nothing when the record has no more."""
        if self.at >= len(self.parts):
            return ""
        self.at += 2
        return self.parts[self.at - 2].strip()

    def more(self) -> bool:
        """Whether a field is left."""
        return self.at < len(self.parts)

    def rest(self) -> str:
        """What is left, as text."""
        return " ".join("".join(self.parts[self.at :]).replace("\n", " ").split()).rstrip(",")


@dataclass(slots=True)
class _Level:
    """A file, group or account that is open: what its trailer will be held against."""

    code: str
    line: int
    first_record: int
    total: int = 0
    children: int = 0
    balances: dict[str, int] = field(default_factory=dict)
    lines: list[BankLine] = field(default_factory=list)
    account: str = ""
    currency: str = ""
    day: date | None = None


def looks_like(data: bytes) -> bool:
    """Whether the first line is a file header, or a record of that shape."""
    return _HEADER.match(encoding.head(data, 4096).lstrip()) is not None


def read(data: bytes, name: str) -> BankFile:
    """Read a BAI2 file; whatever is wrong with it comes back as problems."""
    reader = _Reader()
    reader.walk(encoding.decode(data))
    return BankFile(
        name=name,
        format="bai2",
        statements=[] if reader.problems.lost else reader.statements,
        problems=reader.problems.found,
        control={"statements": len(reader.statements), "lines": reader.entries},
    )


def _physical(text: str) -> Iterator[tuple[int, str]]:
    """Records as they stand: a line each, or several to a line, padded to a fixed length."""
    length = 0
    for number, line in enumerate(encoding.physical_lines(text), 1):
        if not line.strip():
            continue
        if line.startswith("01,"):
            stated = line.split(",")[6:7]
            length = int(stated[0]) if stated and _COUNT.fullmatch(stated[0]) else 0
            length = length if length >= _SHORTEST else 0
        chunks = [line[at : at + length] for at in range(0, len(line), length or len(line))]
        if len(chunks) > 1 and all(chunk[:2] in _CODES for chunk in chunks):
            yield from ((number, chunk) for chunk in chunks)
        elif line[:2] in ("16", "88"):
            yield number, line
        else:
            yield from ((number, part) for part in _PADDED.split(line))


def _records(text: str, problems: Problems) -> Iterator[tuple[int, _Record]]:
    """Records with their continuations, and how many physical ones came before each."""
    current: _Record | None = None
    start = 0
    for count, (number, line) in enumerate(_physical(text)):
        match = _RECORD.match(line.strip())
        if match is None or match[1] not in _CODES:
            problems.lose(number, "record", line, "is no BAI2 record")
            return
        if match[1] != "88":
            if current:
                yield start, current
            current, start = _Record(match[1], number, [match[2]]), count
        elif current:
            current.pieces.append(match[2])
        else:
            problems.lose(number, "88", line, "continues nothing")
            return
    if current:
        yield start, current


class _Reader:
    def __init__(self) -> None:
        self.problems = Problems()
        self.statements: list[Statement] = []
        self.entries = 0
        self.open: list[_Level] = []
        self.issued_at: datetime | None = None

    def walk(self, text: str) -> None:
        for before, record in _records(text, self.problems):
            parent = _PARENTS.get(record.code, "")
            if (self.open[-1].code if self.open else "") != parent:
                inside = _NAMES.get(parent, "nothing")
                self.problems.lose(
                    record.line, record.code, "", f"stands where it cannot: belongs in {inside}"
                )
                return
            self._take(before, record)
            if self.problems.lost and len(self.problems.found) >= 100:
                return
        for level in self.open:
            self.problems.lose(level.line, level.code, "", "has no trailer: the file is cut off")

    def _take(self, before: int, record: _Record) -> None:
        tokens = record.tokens()
        if record.code == "01":
            self.open.append(_Level("01", record.line, before))
            _, _, day, time = (tokens.take() for _ in range(4))
            self.issued_at = moment(f"{'20' if len(day) == 6 else ''}{day}{time:>04}")
        elif record.code == "02":
            self._group(before, record, tokens)
        elif record.code == "03":
            self._account(before, record, tokens)
        elif record.code == "16":
            self._entry(record, tokens)
        else:
            self._trailer(before + len(record.pieces), record, tokens)

    def _group(self, before: int, record: _Record, tokens: _Tokens) -> None:
        _, _, status, day, _, currency, _ = (tokens.take() for _ in range(7))
        if status in _STATUS:
            self.problems.add(record.line, "02 status", status, f"the group {_STATUS[status]}")
        level = _Level("02", record.line, before, currency=currency)
        level.day = self._day(day, record.line, "02 as-of date")
        self.open.append(level)

    def _account(self, before: int, record: _Record, tokens: _Tokens) -> None:
        group = self.open[-1]
        level = _Level("03", record.line, before, account=tokens.take(), day=group.day)
        # Without a currency of its own the account has the group's, and that the file's: USD.
        stated = tokens.take() or group.currency or "USD"
        level.currency = (
            self.problems.currency(stated, line=record.line, field="03 currency") or stated
        )
        if not level.account:
            self.problems.add(record.line, "03 account", "", "names no account")
        self.open.append(level)
        while tokens.more():
            code = tokens.take()
            if not code:
                continue
            if not _TYPE.fullmatch(code):
                self.problems.lose(record.line, "03 type", code, "is no type code")
                return
            minor = self._amount(tokens.take(), record.line, f"03 {code}", empty=True)
            tokens.take()  # item count
            if not self._funds(tokens, record.line) or minor is None:
                return
            level.total += minor
            level.balances.setdefault(code, minor)

    def _entry(self, record: _Record, tokens: _Tokens) -> None:
        account = self.open[-1]
        code = tokens.take()
        self.entries += 1
        side, title = _side(code)
        if side == 0 and code != _NO_AMOUNT:
            self.problems.lose(record.line, "16 type", code, "is neither credit nor debit")
            return
        stated = tokens.take()
        minor = self._amount(stated, record.line, "16 amount", empty=code == _NO_AMOUNT)
        value_dates: list[str] = []
        if minor is None or not self._funds(tokens, record.line, value_dates):
            return
        account.total += minor
        if code == _NO_AMOUNT:
            self.entries -= 1
            return
        if minor < 0:
            self.problems.lose(record.line, "16 amount", stated, "has a sign beside its type's")
            return
        value = "".join(value_dates)
        bank, customer, text = tokens.take(), tokens.take(), tokens.rest()
        details = {
            "transaction_code": code,
            "posting_text": title,
            "bank_reference": bank,
            "customer_reference": customer,
            **rail_references(account.currency, customer, bank, text),
        }
        account.lines.append(
            BankLine(
                amount_minor=side * minor,
                currency=account.currency,
                value_date=self._day(value, record.line, "16 value date") if value else None,
                booking_date=account.day,
                reference=(customer.strip("0") and customer) or bank,
                narrative=text,
                details=[{key: said for key, said in details.items() if said}],
                bank_reference=bank,
            )
        )

    def _amount(self, text: str, line: int, name: str, *, empty: bool = False) -> int | None:
        match = _AMOUNT.fullmatch(text)
        if match:
            return int(match[2]) * (-1 if match[1] == "-" else 1)
        if empty and not text:
            return 0
        self.problems.lose(line, name, text, "is not a whole number of minor units")
        return None

    def _funds(self, tokens: _Tokens, line: int, found: list[str] | None = None) -> bool:
        """Availability: simple, value dated (V), in three parts (S), or by days (D)."""
        kind = tokens.take()
        if kind == "V":
            day, _ = tokens.take(), tokens.take()
            if found is not None:
                found.append(day)
        elif kind == "S":
            for _ in range(3):
                tokens.take()
        elif kind == "D":
            number = tokens.take()
            if not _COUNT.fullmatch(number) or int(number) > 999:
                self.problems.lose(line, "funds type D", number, "is not a number of parts")
                return False
            for _ in range(2 * int(number)):
                tokens.take()
        elif kind not in ("", "0", "1", "2", "Z"):
            self.problems.lose(line, "funds type", kind, "is not one of 0, 1, 2, D, S, V, Z")
            return False
        return True

    def _day(self, text: str, line: int, name: str) -> date | None:
        """`YYMMDD`, or `YYYYMMDD` as BTRS writes it."""
        if len(text) == 8 and text.isdecimal():
            return self.problems.date(f"{text[:4]}-{text[4:6]}-{text[6:]}", line=line, field=name)
        if len(text) != 6:
            self.problems.add(line, name, text, "is not a date")
            return None
        return self.problems.short_date(text, line=line, field=name)

    def _trailer(self, after: int, record: _Record, tokens: _Tokens) -> None:
        level = self.open.pop()
        total = self._amount(tokens.take(), record.line, f"{record.code} total")
        name = _NAMES[level.code]
        if total is not None and total != level.total:
            reason = f"the records of the {name} make {level.total}"
            self.problems.add(record.line, f"{record.code} total", total, reason)
        counted = {"records": after - level.first_record}
        if record.code != "49":
            counted = {"children": level.children, **counted}
        for what, actual in counted.items():
            stated = tokens.take()
            if not _COUNT.fullmatch(stated) or int(stated) != actual:
                self.problems.add(record.line, f"{record.code} {what}", stated, f"counted {actual}")
        if self.open:
            self.open[-1].children += 1
            self.open[-1].total += total or 0
        if record.code == "49":
            self._close(level)

    def _close(self, account: _Level) -> None:
        opening, closing = account.balances.get("010"), account.balances.get("015")
        booked = sum(line.amount_minor for line in account.lines)
        if opening is not None and closing is not None and account.lines:
            made = opening + booked
            if made != closing:
                reason = f"opening {opening} and entries {booked} make {made}"
                self.problems.add(account.line, "015", closing, reason)
        self.statements.append(
            Statement(
                account=account.account,
                currency=account.currency,
                opening_minor=opening,
                closing_minor=closing,
                lines=account.lines,
                statement_id=account.day.isoformat() if account.day else "",
                opening_date=account.day,
                closing_date=account.day,
                issued_at=self.issued_at,
            )
        )


@cache
def _titles() -> dict[str, tuple[int, str]]:
    from bai2.constants import TypeCodes, TypeCodeTransaction

    sides = {TypeCodeTransaction.credit: 1, TypeCodeTransaction.debit: -1}
    return {
        code: (sides.get(kind.transaction, 0), kind.description) for code, kind in TypeCodes.items()
    }


def _side(code: str) -> tuple[int, str]:
    """+1 for a credit, -1 for a debit, 0 for neither, and what the code is called.

    Codes that the table does not know go by their range; from 920 they are a bank's own.
    """
    if not _TYPE.fullmatch(code):
        return 0, ""
    known = _titles().get(code)
    if known:
        return known
    if "100" <= code <= "399" or "920" <= code <= "959":
        return 1, ""
    if "400" <= code <= "699" or "960" <= code <= "999":
        return -1, ""
    return 0, ""
