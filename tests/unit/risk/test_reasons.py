"""Factors of the model in words: every input has some, and its value as a reader writes it."""

import math

import numpy as np
import pytest

from models.fraud.contributions import Explainer, Link
from models.fraud.features import feature_names
from online.risk.reasons import _inputs, model_factors

NAMES = feature_names()


def explained(vector, parts):
    explainer = Explainer(len(NAMES), Link("probability"), 0.1, lambda _: parts, 0.1)
    return model_factors(explainer, vector, parts, 0.1 + float(parts.sum()))


def said_of(name, value):
    """The factor's words when one input alone moved the score."""
    parts = np.zeros(len(NAMES))
    parts[NAMES.index(name)] = 0.5
    vector = [0.0] * len(NAMES)
    vector[NAMES.index(name)] = value
    base, factor = explained(vector, parts)
    assert (base.code, base.score) == ("model_base", 10)
    assert (factor.code, factor.score) == (f"model_{name}", 50)
    return factor.description


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("amount_log", math.log1p(123_456_78), "Amount of the payment: 123,456.78"),
        ("hour", 23.99, "Hour of the day in India: 23:59"),
        ("weekday", 6.0, "Day of the week in India, Monday is 0: Sunday"),
        ("is_card", 1.0, "Paid by card, not by UPI: yes"),
        ("has_device", 0.0, "The merchant named a device: no"),
        ("customer_count_1h", 12.0, "Payments of the customer in the last hour: 12"),
        (
            "customer_last_log",
            math.log1p(5_400),
            "Time since the last payment of the customer: 1.5 hours",
        ),
        (
            "customer_last_log",
            math.log1p(86_400),
            "Time since the last payment of the customer: 1 day",
        ),
        (
            "customer_last_log",
            math.log1p(12),
            "Time since the last payment of the customer: 12 seconds",
        ),
    ],
)
def test_values_are_written_for_people(name, value, words):
    assert said_of(name, value) == words


def test_every_input_has_words_and_a_code_of_its_own():
    codes = [code for code, _, _ in _inputs()]
    assert codes == [f"model_{name}" for name in NAMES]
    for _, words, write in _inputs():
        assert words[0].isupper()
        assert "logarithm" not in words
        assert write(0.0)


def test_no_more_than_eight_inputs_are_told():
    parts = np.linspace(0.01, 0.02, len(NAMES))
    factors = explained([0.0] * len(NAMES), parts / parts.sum() * 0.755)
    assert len(factors) == 1 + 8 + 1
    assert factors[-1].code == "model_other"
    assert sum(factor.score for factor in factors) == 85
