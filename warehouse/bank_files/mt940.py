"""MT940, MT942 and their kin MT941 and MT950: customer statements of SWIFT.

Belongs here: fields, messages, balances and control totals. Does not: what is inside an entry
(`mt940_entry.py`).

An own reader, since the library (mt-940 5.1) cannot be guarded sensibly: it cuts amounts at a
decimal point, merges the messages of a file, tells no line numbers, guesses encodings, and
refuses files whose entries are sound. Guards here: as many entries as `:61:` in the text,
opening + entries = closing, the sums of `:90D:` and `:90C:`, every mandatory field, an end for
every block. Fields as in SWIFT's Category 9 standards; `@@` for a line end is German (FinTS).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from warehouse.bank_files import encoding
from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.mt940_entry import Entry, bank_line
from warehouse.bank_files.values import Problems, moment

_TAG = re.compile(r":(\d{2}[A-Z]?|NS[A-Z]?):(.*)", re.DOTALL)
_KNOWN = {
    "12", "13", "13D", "20", "21", "25", "25P", "28", "28C", "34F", "60F", "60M", "61", "62F",
    "62M", "64", "65", "86", "90C", "90D",
}  # fmt: skip
_TORN_TAG = re.compile(r"(\d{2}[A-Z]?|NS):")
_MINUTES = re.compile(r":[0-5]\d:[0-5]\d(?!\d)")
_HOUR = re.compile(r"(?:^|\D)(?:[01]\d|2[0-3])$")
_START = re.compile(r"(?m)^(?:.*@@)?:(?:20|25P?|28C?|34F|6[02][FM]|64|65|61|86|90[CD]|21|NS):")
_ENTRY_MARK = re.compile(r":61:(?=\s*\d{6})")
_KIND = re.compile(r"\{2:[IO](\d{3})")
_STATEMENTS = {"940", "941", "942", "950"}
_BALANCE = re.compile(r"([CD])\s?(\d{6})\s?([A-Z]{3})?\s?([\d.,'’ ]+)")
_TOTAL = re.compile(r"(\d*)\s?([A-Z]{3})\s?([\d.,'’]+)")
_FLOOR = re.compile(r"([A-Z]{3})\s?[CD]?\s?([\d.,]*)")
_ABOVE_ZERO = re.compile(r"[A-Z]{3}.*[1-9]")
_ACCOUNT_CURRENCY = re.compile(r"(.*\d) ?([A-Z]{3})")
_MADE = re.compile(r"(\d{10})([+-])(\d\d)(\d\d)", re.ASCII)
_TRANSPORT = "\x01\x02\x03\x1a\ufeff"  # what lines of transmission put around a message


@dataclass(slots=True)
class _Field:
    tag: str
    line: int
    lines: list[str]

    @property
    def text(self) -> str:
        """The first line that says something; what follows it is a header or a fold."""
        return next((line.strip() for line in self.lines if line.strip()), "")


@dataclass(slots=True)
class _Message:
    line: int
    fields: dict[str, _Field] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    floors: list[_Field] = field(default_factory=list)
    kind: str = ""

    def first(self, *tags: str) -> _Field | None:
        return next((self.fields[tag] for tag in tags if tag in self.fields), None)

    @property
    def interim(self) -> bool:
        """Whether it is an MT942, which has sums instead of balances."""
        if self.kind:
            return self.kind == "942"
        marked = self.floors or self.first("13", "13D", "90C", "90D")
        return bool(marked) and self.first("60F", "60M", "62F", "62M") is None


def looks_like(data: bytes) -> bool:
    """Whether a line near the start opens with a field of a statement, or a SWIFT header does."""
    start = encoding.head(data)
    return start.lstrip(f" \r\n{_TRANSPORT}").startswith("{1:") or _START.search(start) is not None


def read(data: bytes, name: str) -> BankFile:
    """Read the messages of a file; whatever is wrong with them comes back as problems."""
    text = encoding.decode(data)
    if text.endswith(("\n-", "\r-")):
        text = text[:-1]  # a hyphen without a line end may be half of the end of a block
    problems = Problems()
    reader = _Reader(problems)
    reader.walk(text)
    messages = reader.messages
    statements = [_statement(message, problems) for message in messages]
    entries = sum(len(message.entries) for message in messages)
    marks = sum(1 for _ in _ENTRY_MARK.finditer(text))
    if marks != entries:
        problems.lose(0, "61", marks, f"the text has {marks} entries, {entries} were read")
    if not messages and not problems.found:
        problems.add(0, "file", name, "holds no field of a statement")
    interim = {message.interim for message in messages}
    if len(interim) > 1:
        problems.add(0, "file", name, "mixes statements and interim reports")
    return BankFile(
        name=name,
        format="mt942" if interim == {True} else "mt940",
        statements=[] if problems.lost else statements,
        problems=problems.found,
        control={"statements": len(statements), "lines": entries},
    )


# ── fields and messages ──────────────────────────────────────────────────────────────────


def _lines(text: str) -> Iterator[tuple[int, str]]:
    torn = False
    for number, raw in enumerate(encoding.physical_lines(text), 1):
        line = raw.strip(_TRANSPORT)
        for part in line.split("@@") if "@@:" in line else (line,):
            if part == ":":
                torn = True  # a fold went through `:86:`
                continue
            yield number, f":{part}" if torn and _TORN_TAG.match(part) else part
            torn = False


def _is_field(tag: str, line: str, current: _Field | None) -> bool:
    """Free text may be folded before `:12:11` of a time of day, which looks like a field."""
    if current is None or current.tag != "86":
        return True
    if _MINUTES.match(line) and _HOUR.search(current.lines[-1].rstrip()):
        return False
    return tag in _KNOWN or tag.startswith("NS")


class _Reader:
    """Puts lines together to fields, and fields to messages."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.messages: list[_Message] = []
        self.field: _Field | None = None
        self.block = 0  # the line on which a block 4 was opened
        self.kind = ""

    def walk(self, text: str) -> None:
        for number, line in _lines(text):
            rest = line
            if line.startswith(("{1:", "{2:", "{4:", "-}")) or line.strip() in ("-", "-XXX"):
                self._end_field()
                self._envelope(number, line)
                rest = line.partition("{4:")[2]
            match = _TAG.match(rest)
            if match and _is_field(match[1], rest, self.field):
                self._end_field()
                self.field = _Field(match[1], number, [match[2]])
            elif self.field:
                self.field.lines.append(rest)
        self._end_field()
        self._end_block()

    def _envelope(self, number: int, line: str) -> None:
        """`{1:…}{2:O940…}{4:` opens a message, `-}` ends it; one line may do both."""
        if line.startswith("-"):
            self.block = 0
        if "{1:" in line:
            self._end_block()
        if kind := _KIND.search(line):
            self.kind = kind[1]
            if self.kind not in _STATEMENTS:
                reason = "a SWIFT message of this type is no statement"
                self.problems.lose(number, "{2:", self.kind, reason)
        if "{4:" in line:
            self.block = number

    def _end_block(self) -> None:
        if self.block:
            self.problems.add(self.block, "{4:", "", "the message ends without -}: it is cut off")
        self.block = 0

    def _end_field(self) -> None:
        found, self.field = self.field, None
        if found is None:
            return
        if not self.messages or found.tag == "20" or _repeats(found.tag, self.messages[-1]):
            self.messages.append(_Message(found.line, kind=self.kind))
        _take(self.messages[-1], found, self.problems)


def _repeats(tag: str, message: _Message) -> bool:
    """A second account opens another message, where `:20:` was left out."""
    return tag in ("25", "25P") and message.first("25", "25P") is not None


def _take(message: _Message, found: _Field, problems: Problems) -> None:
    tag = found.tag
    if tag == "61":
        message.entries.append(Entry(found.line, found.lines))
        if message.first("62F", "62M"):
            problems.add(found.line, "61", found.text, "stands after the closing balance")
    elif tag == "86" or tag.startswith("NS"):
        # Before the first entry and after the balance it speaks of the statement.
        if message.entries and not message.first("62F", "62M"):
            message.entries[-1].add_text(tag, found.lines)
    elif tag == "34F":
        message.floors.append(found)
    elif tag[:2] in ("60", "62", "90") and message.first(tag, f"{tag[:2]}F", f"{tag[:2]}M"):
        problems.lose(found.line, tag, found.text, "stands twice in a message")
    else:
        message.fields.setdefault(tag, found)


# ── one message as a statement ───────────────────────────────────────────────────────────


def _statement(message: _Message, problems: Problems) -> Statement:
    account, currency = _account(message, problems)
    opening = _balance(message.first("60F", "60M"), currency, problems)
    end = message.first("62F", "62M")
    closing = _balance(end, currency, problems)
    lines = [line for entry in message.entries if (line := bank_line(entry, currency, problems))]
    _check_present(message, account, currency, problems)
    if opening and end and closing and not problems.lost:
        booked = sum(line.amount_minor for line in lines if not line.pending)
        if opening[0] + booked != closing[0]:
            problems.add(
                end.line,
                end.tag,
                closing[0],
                f"opening {opening[0]} and entries {booked} make {opening[0] + booked}",
            )
    for tag in ("90D", "90C"):
        if total := message.fields.get(tag):
            _check_total(message, total, lines, currency, problems)
    reference = message.first("20")
    number = message.first("28C", "28")
    parts = [part.text for part in (reference, number) if part]
    return Statement(
        account=account,
        currency=currency,
        opening_minor=opening[0] if opening else None,
        closing_minor=closing[0] if closing else None,
        lines=lines,
        statement_id=" ".join(parts),
        opening_date=opening[1] if opening else None,
        closing_date=closing[1] if closing else None,
        issued_at=_made(message.first("13D")),
    )


def _account(message: _Message, problems: Problems) -> tuple[str, str]:
    """The account, without the currency that some banks append to it, and the currency."""
    stated: dict[str, int] = {}
    for tag, pattern, group in (
        ("60F", _BALANCE, 3),
        ("60M", _BALANCE, 3),
        ("62F", _BALANCE, 3),
        ("62M", _BALANCE, 3),
        ("64", _BALANCE, 3),
        ("90D", _TOTAL, 2),
        ("90C", _TOTAL, 2),
    ):
        found = message.fields.get(tag)
        match = pattern.fullmatch(found.text) if found else None
        if found and match and match[group]:
            stated.setdefault(match[group], found.line)
    for floor in message.floors:
        if match := _FLOOR.fullmatch(floor.text):
            stated.setdefault(match[1], floor.line)
    if len(stated) > 1:
        names = ", ".join(stated)
        problems.lose(max(stated.values()), "currency", names, "a statement has one currency")
    holder = message.first("25", "25P")
    account = holder.text if holder else ""
    suffixed = _ACCOUNT_CURRENCY.fullmatch(account)
    if suffixed and (not stated or suffixed[2] in stated):
        account = suffixed[1]
        stated.setdefault(suffixed[2], 0)
    return account, next(iter(stated), "")


def _balance(
    found: _Field | None, currency: str, problems: Problems
) -> tuple[int, date | None] | None:
    if found is None:
        return None
    match = _BALANCE.fullmatch(found.text)
    if match is None:
        problems.lose(found.line, found.tag, found.text, "is not a balance")
        return None
    minor = problems.marked_amount(match[4], currency, line=found.line, field=found.tag)
    day = problems.short_date(match[2], line=found.line, field=found.tag)
    if minor is None:
        return None
    return (minor if match[1] == "C" else -minor), day


def _made(found: _Field | None) -> datetime | None:
    """`YYMMDDhhmm+hhmm`, the time at which the message was made."""
    match = _MADE.fullmatch(found.text) if found else None
    if match is None:
        return None
    offset = int(match[3]) + int(match[4]) / 60
    return moment(f"20{match[1]}", -offset if match[2] == "-" else offset)


def _check_present(message: _Message, account: str, currency: str, problems: Problems) -> None:
    if not account:
        problems.add(message.line, "25", "", "names no account")
    if message.entries and not currency:
        problems.add(message.line, "60F", "", "no currency is stated: amounts are in hundredths")
    if message.interim:
        return
    for tags, name in ((("60F", "60M"), "opening"), (("62F", "62M"), "closing")):
        if message.first(*tags) is None:
            problems.add(message.line, tags[0], "", f"the {name} balance is missing")


def _check_total(
    message: _Message,
    total: _Field,
    lines: list[BankLine],
    currency: str,
    problems: Problems,
) -> None:
    """Number and sum of debits or credits; entries under a floor are only in these totals."""
    match = _TOTAL.fullmatch(total.text)
    if match is None:
        problems.lose(total.line, total.tag, total.text, "is not a number and sum of entries")
        return
    stated = problems.marked_amount(match[3], currency, line=total.line, field=total.tag)
    if stated is None or problems.lost:
        return
    sign = -1 if total.tag == "90D" else 1
    listed = [line for line in lines if line.amount_minor * sign > 0]
    zeros = sum(1 for line in lines if line.amount_minor == 0)
    actual = abs(sum(line.amount_minor for line in listed))
    count = int(match[1][:18] or len(listed))
    if any(_ABOVE_ZERO.match(floor.text) for floor in message.floors):
        fits = len(listed) <= count and actual <= stated
    else:
        fits = len(listed) <= count <= len(listed) + zeros and actual == stated
    if not fits:
        problems.add(
            total.line, total.tag, total.text, f"{len(listed)} entries of {actual} are listed"
        )
