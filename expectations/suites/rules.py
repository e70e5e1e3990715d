"""The words in which suites are written: a column rule as plain data.

Belongs here: `Rule` and short constructors. Does not: Great Expectations; `expectations.run` turns
rules into its expectations, so that naming a suite imports nothing heavy.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Rule(Struct, frozen=True):
    """One expectation by its Great Expectations name, and what it means to a reader."""

    expectation: str
    arguments: dict[str, Any]
    means: str
    where: tuple[str, str] | None = None  # only rows with this value in this column


class Suite(Struct, frozen=True):
    """The column rules of one table. `select` is what is looked at, one partition at a time."""

    table: str
    rules: tuple[Rule, ...]
    columns: str = "*"


def present(*columns: str, where: tuple[str, str] | None = None) -> list[Rule]:
    """No value is missing."""
    return [
        _where(
            Rule("ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} is always given"),
            where,
        )
        for column in columns
    ]


def one_of(column: str, values: Sequence[str], *, where: tuple[str, str] | None = None) -> Rule:
    """Only known words."""
    return _where(
        Rule(
            "ExpectColumnValuesToBeInSet",
            {"column": column, "value_set": list(values)},
            f"{column} is a word we know",
        ),
        where,
    )


def between(
    column: str, low: int | None, high: int | None = None, *, where: tuple[str, str] | None = None
) -> Rule:
    """A whole number within bounds, both included."""
    bounds = " and ".join(
        text
        for text, bound in ((f"at least {low}", low), (f"at most {high}", high))
        if bound is not None
    )
    return _where(
        Rule(
            "ExpectColumnValuesToBeBetween",
            {"column": column, "min_value": low, "max_value": high},
            f"{column} is {bounds}",
        ),
        where,
    )


def unique(*columns: str) -> Rule:
    """No two rows are the same in these columns."""
    if len(columns) == 1:
        arguments: dict[str, Any] = {"column": columns[0]}
        return Rule("ExpectColumnValuesToBeUnique", arguments, f"{columns[0]} is there once")
    return Rule(
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": list(columns)},
        f"{', '.join(columns)} together are there once",
    )


def looks_like(
    column: str, pattern: str, means: str, *, where: tuple[str, str] | None = None
) -> Rule:
    """Text of a form."""
    arguments = {"column": column, "regex": pattern}
    return _where(Rule("ExpectColumnValuesToMatchRegex", arguments, means), where)


def _where(rule: Rule, condition: tuple[str, str] | None) -> Rule:
    if condition is None:
        return rule
    column, value = condition
    means = f"{rule.means}, where {column} is {value}"
    return Rule(rule.expectation, rule.arguments, means, where=condition)
