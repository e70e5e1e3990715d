"""Measures by hand."""

import pytest

from models.fraud.metrics import calibration_error, card_precision, evaluate

DAY_US = 86_400_000_000


def test_card_precision_counts_cards_once():
    # Day one: a (fraud) before b; day two: a again and c (fraud). Two alerts a day.
    targets = [1, 0, 1, 0, 1, 0]
    scores = [0.9, 0.8, 0.95, 0.7, 0.6, 0.1]
    cards = ["a", "b", "a", "d", "c", "e"]
    at_us = [0, 1, DAY_US, DAY_US + 1, DAY_US + 2, DAY_US + 3]
    # Day one finds a: 1 of 2. On day two a is known: d and c are alerted, c is fraud: 1 of 2.
    assert card_precision(targets, scores, at_us, cards, top=2) == 0.5


def test_calibration_error_of_probabilities_and_of_others():
    targets = ([1] + [0] * 9) * 50
    assert calibration_error(targets, [0.1] * 500) == pytest.approx(0.0)
    assert calibration_error(targets, [0.3] * 500) == pytest.approx(0.2)


def test_one_class_cannot_be_measured():
    with pytest.raises(ValueError, match="both fraud and good"):
        evaluate([0, 0], [0.1, 0.2], [0, 1], ["a", "b"])
