"""What a lost dispute costs, how long an answer may take, what a reason code means: dated data.

`config/disputes.yaml`; every row has the days it is valid and where it comes from. GST on the fee
follows the same rules as on MDR, by place of supply.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta

from online.kernel.clock import business_date

FRAUDULENT: Final = "fraudulent"
Reason = Literal[
    "fraudulent",
    "authorization",
    "processing_error",
    "duplicate",
    "not_received",
    "not_as_described",
    "credit_not_processed",
    "canceled",
    "general",
]
Positive = Annotated[int, Meta(gt=0)]


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first rule that fits is taken; what it leaves open fits everything."""

    valid_from: date
    source: str
    valid_to: date | None = None
    rail: str | None = None
    method: str | None = None
    network: str | None = None


class FeeRule(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a lost dispute costs the merchant, without tax, in minor units."""

    fee_minor: Annotated[int, Meta(ge=0)]


class WindowRule(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a merchant has where the rail names no day."""

    days: Positive


class ReasonRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Reason
    codes: tuple[str, ...]
    source: str


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `config/disputes.yaml`."""

    fees: tuple[FeeRule, ...]
    respond_within: tuple[WindowRule, ...]
    reasons: tuple[ReasonRule, ...]
    ask_again_after_s: Positive  # about a dispute that is not decided
    send_again_after_s: Positive  # evidence that the rail did not take

    def fee_minor(self, about: "About", day: date) -> int:
        return _first(self.fees, about, day, "the fee of a lost dispute").fee_minor

    def respond_by(self, about: "About", opened_at: datetime) -> datetime:
        rule = _first(self.respond_within, about, business_date(opened_at), "the time to answer")
        return opened_at + timedelta(days=rule.days)

    def reason(self, code: str) -> Reason:
        """`general` for a code that nobody has told us about."""
        found = (rule.reason for rule in self.reasons if code in rule.codes)
        return next(found, "general")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a dispute is about, as far as terms depend on it."""

    rail: str
    method: str
    network: str | None = None


RuleT = TypeVar("RuleT", bound=_Rule)


def _first(rules: Sequence[RuleT], about: About, day: date, what: str) -> RuleT:
    for rule in rules:
        in_force = rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)
        wanted = (rule.rail, rule.method, rule.network)
        given = (about.rail, about.method, about.network)
        if in_force and all(w in (None, g) for w, g in zip(wanted, given, strict=True)):
            return rule
    raise LookupError(f"no rule for {what} by {about.method} on {day}")


def load_terms(path: Path) -> Terms:
    """Reads the file; a mistake in it is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, Terms)
