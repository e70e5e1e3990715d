"""What reconciliation may assume, read from YAML.

Belongs here: passes, windows, tolerances and words as data. Does not: how a pass is run
(`engine.py`).
"""

from datetime import date, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from warehouse.bank_days import load_bank_days

_RULES = Path(__file__).parent / "reconciliation.yaml"

By = Literal[
    "reference",
    "tolerance",
    "sum_of_ledger",
    "sum_of_rail",
    "other_name",
    "counterparty",
    "bank_name",
    "bank_counterparty",
    "subset_sum",
]
Calendar = Literal["calendar", "bank"]


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which rows find each other; `name` is the rule that its matches keep."""

    name: str
    by: By
    ledger: Literal["payment_id"] | None = None
    rail: Literal["order_id", "reference"] | None = None
    max_rows: int = 0


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rail's windows in days, and how far its amounts may be off: the larger of both counts."""

    rail_days: int = 3
    rail_calendar: Calendar = "calendar"
    bank_days: int = 1
    bank_calendar: Calendar = "bank"
    tolerance_minor: int = 0
    tolerance_bps: int = 0


class Charges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tax on a rail's fee, and payments that are free of it."""

    tax_bps: int = 1800
    tax_tolerance_minor: int = 1
    tax_free_up_to_minor: int = 200_000


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reconciliation.yaml`, with the keys of a `--config` in place of its own."""

    passes: tuple[Pass, ...]
    lookback_days: int = 45
    early_days: int = 1
    rails: dict[str, Terms] = {}
    charges: Charges = Charges()
    statuses: dict[str, list[str]] = {}
    kinds: dict[str, list[str]] = {}
    debits: list[str] = []

    def terms(self, rail: str | None) -> Terms:
        """The terms of a rail: of the first pattern that fits its name."""
        name = (rail or "").lower()
        found = (terms for pattern, terms in self.rails.items() if fnmatchcase(name, pattern))
        return next(found, Terms())

    def status(self, word: str | None) -> str:
        """One word for all the words that mean the same."""
        stated = (word or "success").strip().lower()
        return next((ours for ours, theirs in self.statuses.items() if stated in theirs), stated)

    def by(self, by: By) -> list[Pass]:
        """The passes of one sort, in order."""
        return [found for found in self.passes if found.by == by]


def last_day(day: date, days: int, calendar: Calendar) -> date:
    """The last day of a window that opens on `day`."""
    if calendar == "bank":
        return load_bank_days().add(day, days)
    return day + timedelta(days=days)


@cache
def load_rules(path: Path = _RULES) -> Rules:
    """The house's rules, or those with the keys of another file in their place.

    Raises msgspec.ValidationError for keys or values that mean nothing, yaml.YAMLError.
    """
    stated = yaml.safe_load(_RULES.read_text(encoding="utf-8"))
    if path != _RULES:
        own = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        stated = {**stated, **own} if isinstance(own, dict) else own
    return msgspec.convert(stated, Rules)
