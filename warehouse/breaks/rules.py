"""Causes and owners as data: `config/breaks.yaml`; the turn-around times: `config/tat.yaml`."""

from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import yaml
from msgspec import Meta

CONFIG: Final = Path(__file__).parents[2] / "config"

Cause = Literal[
    "reissued_file",
    "fx",
    "duplicate_callback",
    "duplicate_posting",
    "duplicate_file",
    "duplicate_in_file",
    "duplicate_at_bank",
    "rail_fee_change",
    "netted_charges",
    "rounding",
    "ambiguous",
    "wrong_utr",
    "missing_callback",
    "debited_and_returned",
    "debited_not_credited",
    "unheard_chargeback",
    "unheard_refund",
    "unpaired_reversal",
    "late_file",
    "after_cut_off",
    "late_row",
    "rail_omitted_row",
    "late_payout",
    "unpaid_settlement",
    "short_settled",
    "unannounced_debit",
    "unannounced_credit",
    "unknown",
]
Fact = Literal[
    "was_reissued",
    "is_ambiguous",
    "is_one_payment",
    "is_in_two_files",
    "differs_by_charges",
    "differs_by_a_unit",
    "has_one_twin",
    "has_several_twins",
    "payer_was_debited",
    "outcome_is_unknown",
    "payer_has_it_back",
    "file_is_missing",
    "is_after_cut_off",
    "is_a_debit",
]
UNKNOWN: Final = "unknown"


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which breaks a rule is for; what it leaves open fits all."""

    side: Literal["rail", "bank"] | None = None
    kinds: tuple[str, ...] = ()
    row_types: tuple[str, ...] = ()
    rail: str | None = None


class CauseRule(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cause: Cause
    facts: tuple[Fact, ...] = ()


class OwnerRule(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    owner: Annotated[str, Meta(min_length=1, max_length=255)]


class BreakRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`config/breaks.yaml`."""

    causes: tuple[CauseRule, ...]
    owners: tuple[OwnerRule, ...]


class TatRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How soon a payer's money has to be back, and what each day after that costs."""

    rail: str
    days: Annotated[int, Meta(ge=0)]
    currency: str
    per_day_minor: Annotated[int, Meta(ge=0)]
    valid_from: date
    source: str
    valid_to: date | None = None
    row_types: tuple[str, ...] = ()

    def fits(self, rail: str, row_type: str | None, currency: str, day: date) -> bool:
        in_force = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        of_type = not self.row_types or row_type in self.row_types
        return in_force and of_type and currency == self.currency and fnmatchcase(rail, self.rail)


class TatRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`config/tat.yaml`."""

    rules: tuple[TatRule, ...]

    def of(self, rail: str, row_type: str | None, currency: str, day: date) -> TatRule | None:
        """The rule for a transaction of `day`; None where no clock runs."""
        fitting = (rule for rule in self.rules if rule.fits(rail, row_type, currency, day))
        return next(fitting, None)


@cache
def load_break_rules(path: Path = CONFIG / "breaks.yaml") -> BreakRules:
    """Reads the file; a mistake in it is an error that names the field."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), BreakRules)


@cache
def load_tat_rules(path: Path = CONFIG / "tat.yaml") -> TatRules:
    """The same for turn-around times."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), TatRules)
