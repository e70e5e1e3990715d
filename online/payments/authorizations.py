"""How long an authorization holds, by the rule of its network, from dated rows.

Rules are data (`config/authorizations.yaml`); the first row that fits is the rule.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.kernel.clock import business_date


class HoldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`network: any` fits every network of the method."""

    method: str
    network: str
    days: int
    valid_from: date
    source: str
    valid_to: date | None = None

    def fits(self, method: str, network: str | None, day: date) -> bool:
        in_force = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        return in_force and self.method == method and self.network in {"any", network}


def load_holds(path: Path) -> tuple[HoldRule, ...]:
    """Reads the table; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["holds"], tuple[HoldRule, ...])


def expires_at(
    rules: tuple[HoldRule, ...], *, method: str, network: str | None, at: datetime
) -> datetime:
    """When an authorization of `at` ends."""
    day = business_date(at)
    for rule in rules:
        if rule.fits(method, network, day):
            return at + timedelta(days=rule.days)
    raise LookupError(f"no rule for how long {method} {network or 'any'} holds on {day}")
