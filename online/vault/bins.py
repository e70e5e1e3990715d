"""What the first digits of a card say: who issued it, and whether it is credit, debit or prepaid.

Belongs here: the dated table (`config/bins.yaml`) and its look-up. Does not: which network a
number belongs to when nobody lists it (`domain.py`).
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

Funding = Literal["credit", "debit", "prepaid"]
_Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,8}\Z")]


class Bin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of first digits, both ends included, as long as each other; valid on days
    `valid_from` to `valid_to`."""

    first: _Digits
    last: _Digits
    network: str
    funding: Funding
    issuer: str
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
    category: str
    valid_from: date
    source: str
    valid_to: date | None = None

    def is_valid_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class BinTable:
    """Looks up the longest range that holds a number."""

    def __init__(self, bins: Iterable[Bin] = ()) -> None:
        by_length: dict[int, list[Bin]] = {}
        for row in bins:
            if len(row.first) != len(row.last) or row.first > row.last:
                raise ValueError(f"{row.first} to {row.last} is no range of first digits")
            by_length.setdefault(len(row.first), []).append(row)
        self._by_length = {
            length: sorted(rows, key=lambda row: (row.first, row.valid_from))
            for length, rows in sorted(by_length.items(), reverse=True)
        }
        self._firsts = {
            length: [row.first for row in rows] for length, rows in self._by_length.items()
        }
        for rows in self._by_length.values():
            _refuse_overlap(rows)

    def find(self, digits: str, day: date) -> Bin | None:
        """The row for a card number (or its first digits) on a day; None: nobody lists it."""
        for length, rows in self._by_length.items():
            prefix = digits[:length]
            # From the last row that begins at or before it, back over the same range's history.
            place = bisect_right(self._firsts[length], prefix)
            while place and rows[place - 1].last >= prefix:
                place -= 1
                if rows[place].is_valid_on(day):
                    return rows[place]
        return None


def load_bins(path: Path) -> BinTable:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return BinTable(msgspec.convert(raw, dict[Literal["bins"], tuple[Bin, ...]])["bins"])


def _refuse_overlap(rows: list[Bin]) -> None:
    """Ranges of one length are apart, or the same range at another time."""
    for before, row in pairwise(rows):
        apart = before.last < row.first
        later = (before.first, before.last) == (row.first, row.last) and (
            before.valid_to is not None and before.valid_to < row.valid_from
        )
        if not apart and not later:
            raise ValueError(f"two rows hold {row.first} to {row.last} on the same day")
