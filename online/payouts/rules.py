"""How payouts go, as dated rows of `config/payouts.yaml`. Pure but for `load_payout_rules`."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta

from online.kernel.errors import InvalidRequest
from online.payouts.beneficiary import Kind
from online.rails.domain import PayoutMode

Method = Literal["penny_drop", "name_check"]
_Minor = Annotated[int, Meta(ge=0, le=10**15)]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Valid from a day to a day, both inclusive."""

    valid_from: date
    source: str
    valid_to: date = date.max

    def is_valid_on(self, day: date) -> bool:
        return self.valid_from <= day <= self.valid_to


class Verification(Row, frozen=True, kw_only=True):
    kind: Kind
    method: Method
    amount_minor: _Minor
    per_day: Annotated[int, Meta(ge=1, le=10**6)]


class NameMatch(Row, frozen=True, kw_only=True):
    """`accept_at`: the score (`names.score`) from which two names are one person's."""

    accept_at: Annotated[int, Meta(ge=0, le=100)]


class Cooling(Row, frozen=True, kw_only=True):
    hours: Annotated[int, Meta(ge=0, le=24 * 30)]


class Mode(Row, frozen=True, kw_only=True, dict=True):
    mode: PayoutMode
    kind: Kind
    utr: str
    least_minor: _Minor = 0
    most_minor: _Minor = 10**15

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        return re.compile(self.utr)

    def takes(self, amount_minor: int) -> bool:
        return self.least_minor <= amount_minor <= self.most_minor

    def wrote(self, utr: str) -> bool:
        """Whether the bank's number has the form that this mode's have."""
        return self._shape.fullmatch(utr) is not None


class Purpose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    upi: Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}\Z")]


R = TypeVar("R", bound=Row)


class PayoutRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    verification: tuple[Verification, ...]
    name_match: tuple[NameMatch, ...]
    cooling: tuple[Cooling, ...]
    modes: tuple[Mode, ...]
    purposes: tuple[Purpose, ...]
    scheduled_at_most_days: Annotated[int, Meta(ge=1, le=366)]

    def verification_of(self, kind: Kind, day: date) -> Verification:
        return _last([row for row in self.verification if row.kind == kind], day)

    def name_match_on(self, day: date) -> NameMatch:
        return _last(self.name_match, day)

    def cooling_on(self, day: date) -> timedelta:
        return timedelta(hours=_last(self.cooling, day).hours)

    def mode_for(self, kind: Kind, amount_minor: int, day: date, wanted: str | None) -> Mode:
        """The way that is asked for, else the first that takes the amount: the quickest."""
        ways = [row for row in self.modes if row.kind == kind and row.is_valid_on(day)]
        if wanted is not None:
            ways = [row for row in ways if row.mode == wanted]
            if not ways:
                raise InvalidRequest("no money reaches this beneficiary that way", "mode")
        for way in ways:
            if way.takes(amount_minor):
                return way
        raise InvalidRequest("no way of paying out takes this amount", "amount")

    def purpose(self, name: str) -> Purpose:
        for each in self.purposes:
            if each.name == name:
                return each
        raise InvalidRequest(f"is one of {', '.join(p.name for p in self.purposes)}", "purpose")

    def is_odd(self, mode: str, utr: str, day: date) -> bool:
        """Whether a bank's number has a form that no number of this mode has."""
        rows = [row for row in self.modes if row.mode == mode and row.is_valid_on(day)]
        return not any(row.wrote(utr) for row in rows)


def load_payout_rules(path: Path) -> PayoutRules:
    """A mistake in the file is an error that names the field."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), PayoutRules)


def _last(rows: Sequence[R], day: date) -> R:
    """The last row that is valid on the day; there is one, the file says, since 2020."""
    valid = [row for row in rows if row.is_valid_on(day)]
    if not valid:
        raise LookupError(f"config/payouts.yaml says nothing of {day}")
    return valid[-1]
