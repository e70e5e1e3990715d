"""A day of a bank account as its statement tells it, whatever the format.

Belongs here: entries and balances. Does not: any format (`camt.py`, `mt940.py`), or which entries
a day has (`bank_books.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Literal

import msgspec

from online.kernel.clock import IST
from online.sandbox.rails import BankAccount

_SUFFIXES: Final = {"camt053": "xml", "mt940": "sta"}
NO_REFERENCE: Final = "NOTPROVIDED"


class StatementEntry(msgspec.Struct, frozen=True):
    """One movement on the account; `amount_minor` is signed, a credit is positive."""

    kind: Literal["settlement", "payout", "return", "stray"]
    amount_minor: int
    utr: str
    end_to_end_id: str
    narrative: str


class Statement(msgspec.Struct, frozen=True):
    """A closed day of the account."""

    account: BankAccount
    day: date
    sequence: int
    opening_minor: int
    entries: Sequence[StatementEntry]

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + sum(entry.amount_minor for entry in self.entries)

    @property
    def made_at(self) -> datetime:
        """The bank prints its statements half an hour after midnight of the day."""
        return datetime.combine(self.day + timedelta(days=1), time(0, 30), IST)

    @property
    def file_name(self) -> str:
        form = self.account.statement
        return f"{self.account.bank}_{form}_{self.day.isoformat()}.{_SUFFIXES[form]}"
