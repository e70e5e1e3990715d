"""Rules of fraud as data: a reason code, a condition, a score. The same online and offline.

Belongs here: reading `config/rules.yaml` and finding which rules a payment meets. Does not:
what the scores add up to and what is decided (`online.risk.domain`), the names that conditions may
use (`rule_names`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from models.fraud.expressions import ExpressionError, compile_expression
from models.fraud.features import Number, PaymentFacts, values
from models.fraud.rule_names import (
    DAY,
    EPOCH_DAY,
    Circumstances,
    list_names,
    names,
    rule_values,
    unlinked_trust,
)

# What the service needs of the names, and what is here.
__all__ = [
    "Circumstances",
    "Rule",
    "RuleData",
    "RuleSet",
    "RulesData",
    "RulesRefused",
    "compile_rules",
    "content_hash",
    "evaluate",
    "list_names",
    "load_rules",
    "rule_values",
    "unlinked_trust",
]

Mode = Literal["live", "shadow"]

# The codes of the other factors of an assessment, and the beginning of those of the model's.
_TAKEN: Final = frozenset(
    {"capped", "floored", "model_score", "engine_unavailable", "external_score"}
)
_TAKEN_PREFIX: Final = "model_"


class RulesRefused(ValueError):
    """A rules file that cannot be used; names the rule and what is wrong with it."""


class RuleData(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule as it is written. It holds from the first to the last of its days, both included.

    A rule in shadow is evaluated and recorded, and adds nothing to the score.
    """

    code: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=60)]
    description: Annotated[str, Meta(min_length=1, max_length=200)]
    when: Annotated[str, Meta(min_length=1, max_length=1000)]
    score: Annotated[int, Meta(ge=-1000, le=100)]
    mode: Mode = "live"
    first_day: date | None = field(default=None, name="from")
    last_day: date | None = field(default=None, name="until")


class RulesData(Struct, frozen=True, forbid_unknown_fields=True):
    """A rules file. Another content needs another version."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    rules: Annotated[list[RuleData], Meta(max_length=500)]


class Rule(Struct, frozen=True):
    """One rule ready to run; days are counted from 1970-01-01."""

    code: str
    description: str
    score: int
    mode: Mode
    first_day: float
    last_day: float
    holds: Callable[[Mapping[str, Any]], bool]

    def met(self, known: Mapping[str, Any]) -> bool:
        return self.first_day <= known[DAY] <= self.last_day and self.holds(known)


class RuleSet(Struct, frozen=True):
    """All rules of one version, in the order in which they are written.

    `hash` names the content whatever its white space and comments: a decision stores both.
    """

    version: int
    hash: str
    live: tuple[Rule, ...]
    shadow: tuple[Rule, ...]
    data: RulesData

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.live + self.shadow

    def met(self, known: Mapping[str, Any]) -> list[Rule]:
        """The rules that count for the values of `rule_values`."""
        return [rule for rule in self.live if rule.met(known)]

    def shadow_met(self, known: Mapping[str, Any]) -> list[Rule]:
        """The rules that would count, if they were live."""
        return [rule for rule in self.shadow if rule.met(known)]


def evaluate(rules: RuleSet, raw: Mapping[str, Number], payment: PaymentFacts) -> list[Rule]:
    """The live rules that a payment meets by its aggregates alone."""
    return rules.met(rule_values(values(raw, payment), payment))


def compile_rules(data: RulesData) -> RuleSet:
    """Compile every condition, or refuse the whole file."""
    rules: list[Rule] = []
    seen: set[str] = set()
    for rule in data.rules:
        if rule.code in _TAKEN or rule.code.startswith(_TAKEN_PREFIX):
            raise RulesRefused(f"rule {rule.code}: the code is taken by another factor")
        if rule.code in seen:
            raise RulesRefused(f"rule {rule.code}: the code is already taken")
        seen.add(rule.code)
        rules.append(_compiled(rule))
    live, shadow = (tuple(r for r in rules if r.mode == mode) for mode in ("live", "shadow"))
    return RuleSet(data.version, content_hash(data.rules), live, shadow, data)


def _compiled(rule: RuleData) -> Rule:
    if rule.first_day and rule.last_day and rule.first_day > rule.last_day:
        raise RulesRefused(f"rule {rule.code}: its last day is before its first")
    try:
        holds = compile_expression(rule.when, names())
    except ExpressionError as error:
        raise RulesRefused(f"rule {rule.code}: {error}") from None
    first = (rule.first_day - EPOCH_DAY).days if rule.first_day else float("-inf")
    last = (rule.last_day - EPOCH_DAY).days if rule.last_day else float("inf")
    return Rule(rule.code, rule.description, rule.score, rule.mode, first, last, holds)


def content_hash(rules: Sequence[RuleData]) -> str:
    """The same for the same rules in the same order."""
    return hashlib.sha256(msgspec.json.encode(rules)).hexdigest()[:16]


def load_rules(path: Path) -> RuleSet:
    """Read and compile a rules file."""
    try:
        return compile_rules(msgspec.yaml.decode(path.read_bytes(), type=RulesData))
    except OSError as error:
        raise RulesRefused(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise RulesRefused(f"{path.name}: {error}") from None
    except RulesRefused as error:
        raise RulesRefused(f"{path.name}: {error}") from None
