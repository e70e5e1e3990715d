"""Reasons of a score that are not rules: the model's, in words that a person understands.

Belongs here: factors of the model, and how the value of an input is written. Does not: what an
input contributed (`models.fraud.contributions`), or what it is called (`models.fraud.words`).
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from models.fraud.contributions import BASE, OTHER, Explainer, points
from models.fraud.features import feature_names
from models.fraud.words import Unit, describe, unit
from online.risk.domain import Factor

_BASE_WORDS: Final = "What the model expects of a payment of which it knows nothing"
_OTHER_WORDS: Final = "All other inputs of the model together"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Write = Callable[[float], str]


def model_factors(
    explainer: Explainer, vector: Sequence[float], contributions: Any, probability: float
) -> list[Factor]:
    """The points of a probability by input, the largest contributions first; they sum to it."""
    shares = points(explainer, contributions, probability)
    (_, base), *shown, (_, other) = shares
    factors = [Factor(BASE, _BASE_WORDS, base)]
    told = _inputs()
    for index, score in shown:
        if index is not None:
            code, words, write = told[index]
            factors.append(Factor(code, f"{words}: {write(vector[index])}", score))
    if other:
        factors.append(Factor(OTHER, _OTHER_WORDS, other))
    return factors


@cache
def _inputs() -> tuple[tuple[str, str, Write], ...]:
    """For each input of the model its factor's code, its words, and how its value is written."""
    return tuple((f"model_{name}", *_told(name)) for name in feature_names())


def _told(name: str) -> tuple[str, Write]:
    if unit(name) != "log":
        return describe(name), _WRITERS[unit(name)]
    # A reader wants the amount, not its logarithm.
    words = describe(name).removesuffix(", as a logarithm")
    write = _duration if "_last" in name else _WRITERS[_unit_behind(name)]
    return words, lambda value: write(math.expm1(value))


def _unit_behind(name: str) -> Unit:
    stem = name.removesuffix("_log")
    return unit("amount_minor" if stem == "amount" else stem)


def _duration(value: float) -> str:
    seconds = round(value)  # through a logarithm, a day comes back as a little less
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{count} {word}" if count == "1" else f"{count} {word}s"
    return f"{seconds} seconds"


def _hour(value: float) -> str:
    minutes = int(value * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


_WRITERS: Final[dict[Unit, Write]] = {
    "money_minor": lambda value: f"{value / 100:,.2f}",
    "count": lambda value: f"{value:,.0f}",
    "microseconds": lambda value: _duration(value / 1e6),
    "truth": lambda value: "yes" if value else "no",
    "ratio": lambda value: f"{value:,.2f}",
    "hour": _hour,
    "weekday": lambda value: _DAYS[int(value)],
    "log": lambda value: f"{value:,.2f}",
}
