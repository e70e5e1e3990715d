"""How long money may stay in escrow, from dated rows (`config/escrows.yaml`)."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from online.kernel.clock import business_date
from online.kernel.errors import InvalidRequest


class EscrowRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both days are inclusive."""

    longest_days: Annotated[int, Meta(gt=0)]
    valid_from: date
    source: str
    valid_to: date = date.max


def load_rules(path: Path) -> tuple[EscrowRule, ...]:
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["terms"], tuple[EscrowRule, ...])


def check_time(rules: tuple[EscrowRule, ...], expires_at: datetime, now: datetime) -> None:
    """Refuses an end that is past, or further away than the rule of the day allows."""
    day = business_date(now)
    for rule in rules:
        if rule.valid_from <= day <= rule.valid_to:
            if not now < expires_at <= now + timedelta(days=rule.longest_days):
                raise InvalidRequest(f"within {rule.longest_days} days", "expires_at")
            return
    raise LookupError(f"no rule for escrows on {day}")
