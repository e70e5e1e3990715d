"""How long an authorization holds, and may be made to hold, by the rule of its network, from dated
rows; and with what purpose a payer's money is blocked by UPI.

Rules are data (`config/authorizations.yaml`); the first row that fits is the rule.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.kernel.clock import business_date
from online.payments.domain import Payment


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


class ExtensionRule(HoldRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more request keeps the money for `days` from then on, and `at_most_days` since the
    payment was made; `mccs` None fits every merchant."""

    at_most_days: int
    asks_rail: bool
    mccs: frozenset[str] | None = None


class BlockRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The purpose that a payer's app is told of a block; `mccs` None fits every merchant."""

    purpose: str
    valid_from: date
    source: str
    valid_to: date | None = None
    mccs: frozenset[str] | None = None


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


def load_extensions(path: Path) -> tuple[ExtensionRule, ...]:
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["extensions"], tuple[ExtensionRule, ...])


def load_blocks(path: Path) -> tuple[BlockRule, ...]:
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["blocks"], tuple[BlockRule, ...])


def find_extension(
    rules: tuple[ExtensionRule, ...], payment: Payment, *, mcc: str, at: datetime
) -> ExtensionRule | None:
    """None: its network knows no extension, of this merchant's kind at least."""
    day, network = business_date(at), (payment.card or {}).get("network")
    for rule in rules:
        if rule.fits(payment.method, network, day) and (rule.mccs is None or mcc in rule.mccs):
            return rule
    return None


def extension_of(
    rules: tuple[ExtensionRule, ...], payment: Payment, *, mcc: str, at: datetime
) -> ExtensionRule:
    """The rule of an extension that was asked for at that moment."""
    rule = find_extension(rules, payment, mcc=mcc, at=at)
    if rule is None:
        raise LookupError(f"no rule for how {payment.method} could be extended at {at}")
    return rule


def extended_to(rule: ExtensionRule, payment: Payment, *, asked_at: datetime) -> datetime:
    most = payment.created_at + timedelta(days=rule.at_most_days)
    return min(asked_at + timedelta(days=rule.days), most)


def block_purpose(rules: tuple[BlockRule, ...], *, mcc: str, at: datetime) -> str | None:
    """None: on that day nothing can be blocked by UPI."""
    day = business_date(at)
    for rule in rules:
        in_force = rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)
        if in_force and (rule.mccs is None or mcc in rule.mccs):
            return rule.purpose
    return None
