"""The bank statement of a day as MT940 (SWIFT, category 9), in its envelope.

Belongs here: fields and their widths. Does not: which entries a day has (`bank_books.py`).
`:61:` has room for 16 characters of reference: the UTR of an RTGS credit has 22 and stands in the
information (`:86:`), behind its own tag, as Indian banks do it.
"""

import re
import unicodedata
from datetime import date, timedelta
from typing import Final

from online.kernel.money import format_minor
from online.sandbox.rails import CURRENCY
from online.sandbox.statements import NO_REFERENCE, Statement, StatementEntry

_LINE_END: Final = "\r\n"
_WIDTH: Final = 65
_OUR_BIC: Final = "KHATINBBXXXX"


def render(statement: Statement) -> bytes:
    """The message, the same bytes for the same statement."""
    account, day = statement.account, statement.day
    fields = [
        f":20:{account.bank.upper()}{day:%y%m%d}",
        f":25:{account.number}",
        f":28C:{statement.sequence:05d}/001",
        f":13D:{statement.made_at:%y%m%d%H%M%z}",
        f":60F:{_balance(statement.opening_minor, day - timedelta(days=1))}",
    ]
    for place, entry in enumerate(statement.entries, start=1):
        fields += _entry(entry, day, place)
    fields.append(f":62F:{_balance(statement.closing_minor, day)}")
    head = f"{{1:F01{account.bic}0000000000}}{{2:I940{_OUR_BIC}N}}{{4:"
    return _LINE_END.join([head, *fields, "-}", ""]).encode("ascii")


def _entry(entry: StatementEntry, day: date, place: int) -> list[str]:
    """`:61:` (value date, entry date, mark, amount, reference, the bank's own) and its `:86:`."""
    mark = "C" if entry.amount_minor >= 0 else "D"
    amount = _amount(entry.amount_minor)
    line = f":61:{day:%y%m%d%m%d}{mark}{amount}NTRFNONREF//S{day:%y%m%d}{place:05d}"
    named = "" if entry.end_to_end_id == NO_REFERENCE else f"/EREF/{entry.end_to_end_id}"
    told = f"/UTR/{entry.utr}{named}/REMI/{_plain(entry.narrative)}"
    first, *others = [told[at : at + _WIDTH] for at in range(0, len(told), _WIDTH)]
    return [line, f":86:{first}", *others]


def _plain(text: str) -> str:
    """Letters and marks that SWIFT knows; none that could be taken for a tag or an end."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9().,+ ]", " ", ascii_only)


def _balance(amount_minor: int, day: date) -> str:
    mark = "C" if amount_minor >= 0 else "D"
    return f"{mark}{day:%y%m%d}{CURRENCY}{_amount(amount_minor)}"


def _amount(amount_minor: int) -> str:
    """A comma for the decimals, and no sign: the mark has it."""
    return format_minor(abs(amount_minor), CURRENCY).replace(".", ",")
