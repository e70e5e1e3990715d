"""Files that have to come (`config/bank_files.yaml`), and which of a day's have not.

Belongs here: what is awaited and since when it is late. Does not: telling anyone (`assets`).
"""

from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec
import yaml

from online.kernel.clock import IST
from warehouse.bank_days import load_bank_days
from warehouse.connection import Lake

CONFIG: Final = Path(__file__).parents[2] / "config" / "bank_files.yaml"


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rail (by name) or bank account (by number) that owes us a file for each of its days."""

    kind: Literal["rail", "bank"]
    name: str
    days_after: int
    by: str
    days: Literal["bank", "every"]
    valid_from: date
    source: str
    valid_to: date | None = None
    bank: str | None = None  # an account's name in the ledger: `bank:<bank>`

    def owed(self, day: date) -> bool:
        """Whether a file of this day is owed at all."""
        if day < self.valid_from or (self.valid_to is not None and day > self.valid_to):
            return False
        return self.days == "every" or load_bank_days().is_bank_day(day)

    def due_at(self, day: date) -> datetime:
        """When the file of a day has to be here."""
        due_on = day + timedelta(days=self.days_after)
        return datetime.combine(due_on, time.fromisoformat(self.by), tzinfo=IST)


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has not come. `in_books`: rows of our ledger that it should show (rails)."""

    kind: str
    name: str
    day: date
    due_at: datetime
    late: bool
    in_books: int


@cache
def load_expected(path: Path = CONFIG) -> tuple[Expected, ...]:
    """Read once a process."""
    said = yaml.safe_load(path.read_text(encoding="utf-8"))["files"]
    return tuple(msgspec.convert(said, list[Expected]))


def bank_of(account: str | None) -> str:
    """The ledger's name of a bank account; one that nobody named is the first one's."""
    banks = {file.name: file.bank for file in load_expected() if file.bank}
    return banks.get(account or "") or next(iter(banks.values()))


def awaited(
    lake: Lake, day: date, *, as_of: datetime, expected: tuple[Expected, ...] | None = None
) -> list[Awaited]:
    """Files of a business day that have not come by `as_of`; `late` ones should have.

    A rail owes a file only for a day of which our books (`stg_ledger_rows`) have anything.
    """
    came, in_books = set(), dict[str, int]()
    for kind, name, is_here, rows in lake.query("load_come", day=day).rows():
        if is_here:
            came.add((kind, name))
        else:
            in_books[name] = int(rows)
    missing = []
    for file in load_expected() if expected is None else expected:
        rows = in_books.get(file.name, 0)
        idle = file.kind == "rail" and rows == 0
        if idle or not file.owed(day) or (file.kind, file.name) in came:
            continue
        due_at = file.due_at(day)
        missing.append(
            Awaited(
                kind=file.kind,
                name=file.name,
                day=day,
                due_at=due_at,
                late=as_of > due_at,
                in_books=rows,
            )
        )
    return missing
