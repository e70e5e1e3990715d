"""Rules of fraud as data: a reason code, a condition, a score. The same online and offline.

Belongs here: reading `config/rules.yaml` and finding which rules a payment meets. Does not:
what the scores add up to and what is decided (`online.risk.domain`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from models.fraud.expressions import ExpressionError, Type, compile_expression
from models.fraud.features import Number, PaymentFacts, value_names, values

_TRUTHS: Final = frozenset(
    {
        *("is_card", "has_customer", "has_device"),
        *("new_customer", "new_instrument", "new_device", "new_pair"),
    }
)


class RulesRefused(ValueError):
    """A rules file that cannot be used; names the rule and what is wrong with it."""


class RuleData(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as it is written."""

    code: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=60)]
    description: Annotated[str, Meta(min_length=1, max_length=200)]
    when: Annotated[str, Meta(min_length=1, max_length=1000)]
    score: Annotated[int, Meta(ge=1, le=100)]


class RulesData(Struct, frozen=True, forbid_unknown_fields=True):
    """A rules file."""

    version: Annotated[int, Meta(ge=1)]
    rules: list[RuleData]


class Rule(Struct, frozen=True):
    """One rule ready to run."""

    code: str
    description: str
    score: int
    holds: Callable[[Mapping[str, Any]], bool]


class RuleSet(Struct, frozen=True):
    """All rules of one version, in the order in which they are written."""

    version: int
    rules: tuple[Rule, ...]

    def met(self, known: Mapping[str, Any]) -> list[Rule]:
        """The rules whose condition holds for the values of `rule_values`."""
        return [rule for rule in self.rules if rule.holds(known)]


def rule_names() -> dict[str, Type]:
    """Every name that a condition may use, with its type."""
    names: dict[str, Type] = dict.fromkeys(sorted(value_names()), "number")
    names.update(dict.fromkeys(_TRUTHS, "truth"))
    names.update({"method": "text", "currency": "text"})
    return names


def rule_values(known: Mapping[str, float], payment: PaymentFacts) -> dict[str, Any]:
    """The values of `features.values` and the payment's own texts, for conditions."""
    return {**known, "method": payment.method, "currency": payment.currency}


def evaluate(rules: RuleSet, raw: Mapping[str, Number], payment: PaymentFacts) -> list[Rule]:
    """The rules that a payment meets, from its aggregates: for back-tests and tests."""
    return rules.met(rule_values(values(raw, payment), payment))


def compile_rules(data: RulesData) -> RuleSet:
    """Compile every condition, or refuse the whole file."""
    names = rule_names()
    rules = []
    seen: set[str] = {"model_score", "capped"}  # the codes of the other factors
    for rule in data.rules:
        if rule.code in seen:
            raise RulesRefused(f"rule {rule.code}: the code is already taken")
        seen.add(rule.code)
        try:
            holds = compile_expression(rule.when, names)
        except ExpressionError as error:
            raise RulesRefused(f"rule {rule.code}: {error}") from None
        rules.append(Rule(rule.code, rule.description, rule.score, holds))
    return RuleSet(data.version, tuple(rules))


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
