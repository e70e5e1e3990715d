"""Measures by hand, against scikit-learn, and how sure they are."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models.fraud.metrics import Sample, by_week, card_precision, differences, evaluate, intervals

DAY_US = 86_400_000_000


def drawn(rows=4_000, seed=3, days=14, skill=0.3):
    """Targets, scores with many ties, times and cards."""
    random = np.random.default_rng(seed)
    targets = (random.random(rows) < 0.03).astype(int)
    scores = np.round(np.clip(random.normal(0.2 + skill * targets, 0.15), 0, 1), 2)
    at_us = np.sort(random.integers(0, days * DAY_US, rows))
    cards = np.array([f"card {number}" for number in random.integers(0, rows // 8, rows)])
    return targets, scores, at_us, cards


def test_card_precision_counts_cards_once():
    # Day one: a (fraud) before b; day two: a again and c (fraud). Two alerts a day.
    targets = [1, 0, 1, 0, 1, 0]
    scores = [0.9, 0.8, 0.95, 0.7, 0.6, 0.1]
    cards = ["a", "b", "a", "d", "c", "e"]
    at_us = [0, 1, DAY_US, DAY_US + 1, DAY_US + 2, DAY_US + 3]
    # Day one finds a: 1 of 2. On day two a is known: d and c are alerted, c is fraud: 1 of 2.
    assert card_precision(targets, scores, at_us, cards, top=2) == 0.5


def by_the_book(targets, scores, at_us, cards, top):
    """Card precision as its definition reads, in no hurry."""
    days = np.asarray(at_us) // DAY_US
    found, shares = set(), []
    for day in np.unique(days):
        best, guilty = {}, set()
        for row in np.nonzero(days == day)[0]:
            if cards[row] in found:
                continue
            best[cards[row]] = max(best.get(cards[row], 0.0), float(scores[row]))
            if targets[row]:
                guilty.add(cards[row])
        caught = guilty & set(sorted(best, key=lambda card: (-best[card], str(card)))[:top])
        found |= caught
        shares.append(len(caught) / top)
    return float(np.mean(shares))


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_the_libraries(seed):
    targets, scores, at_us, cards = drawn(seed=seed)
    found = evaluate(targets, scores, at_us, cards)
    assert found["ap"] == pytest.approx(average_precision_score(targets, scores), abs=1e-12)
    assert found["auc"] == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(targets, scores), abs=1e-12)
    assert found["cp100"] == pytest.approx(by_the_book(targets, scores, at_us, cards, 100))
    assert card_precision(targets, scores, at_us, cards, top=7) == pytest.approx(
        by_the_book(targets, scores, at_us, cards, 7)
    )


def test_a_card_of_weight_two_is_two_cards():
    targets, scores, at_us, cards = drawn()
    sample = Sample(targets, scores, at_us, cards)
    names = np.unique(cards)
    weights = np.random.default_rng(1).integers(0, 4, len(names))
    each = weights[np.searchsorted(names, cards)]
    found = sample.measures(weights)
    weighted = {"sample_weight": each}
    assert found["ap"] == pytest.approx(average_precision_score(targets, scores, **weighted))
    assert found["auc"] == pytest.approx(roc_auc_score(targets, scores, **weighted))
    copies = np.repeat(np.arange(len(cards)), each)
    copy = np.concatenate([np.arange(count) for count in each if count])
    named = np.array([f"{cards[row]} {number}" for row, number in zip(copies, copy, strict=True)])
    again = evaluate(targets[copies], scores[copies], at_us[copies], named)
    for name in ("ap", "auc", "brier"):
        assert found[name] == pytest.approx(again[name]), name
    # Copies of a card share their score: which of them still fits into the day is a tie.
    assert found["cp100"] == pytest.approx(again["cp100"], abs=0.01)


def test_calibration_error_of_probabilities_and_of_others():
    targets = ([1] + [0] * 9) * 50
    others = (range(500), [str(number) for number in range(500)])
    assert evaluate(targets, [0.1] * 500, *others)["calibration_error"] == pytest.approx(0.0)
    assert evaluate(targets, [0.3] * 500, *others)["calibration_error"] == pytest.approx(0.2)


def test_intervals_hold_the_value_and_come_again_with_the_seed():
    sample = drawn()
    first, again = intervals(*sample, seed=5), intervals(*sample, seed=5)
    assert first == again
    assert intervals(*sample, seed=6) != first
    for name in ("ap", "auc", "brier"):
        assert first[name].low < first[name].value < first[name].high, name


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    """The AUC of the process is known: two normal distributions."""
    truth = roc_auc_score(*drawn(rows=400_000, seed=99)[:2])
    held = 0
    for seed in range(40):
        found = intervals(*drawn(rows=1_500, seed=seed), draws=100)["auc"]
        held += found.low <= truth <= found.high
    assert held >= 34, "of 40 intervals, 38 are to be expected"


def test_more_payments_make_it_surer():
    few, many = (intervals(*drawn(rows=rows)) for rows in (1_000, 16_000))
    assert many["ap"].high - many["ap"].low < (few["ap"].high - few["ap"].low) / 2


def test_a_difference_is_of_the_same_draws():
    targets, scores, at_us, cards = drawn()
    same = differences(targets, scores, scores, at_us, cards)
    assert (same["ap"].low, same["ap"].high) == (0.0, 0.0)
    random = np.random.default_rng(8)
    worse = np.clip(scores + random.normal(0, 0.3, len(scores)), 0, 1)
    gap = differences(targets, scores, worse, at_us, cards)["ap"]
    assert 0 < gap.low < gap.value < gap.high
    assert differences(targets, worse, scores, at_us, cards)["ap"].high < 0


def test_weeks_are_iso_weeks_and_one_without_fraud_has_no_measures():
    # 2026-08-17 was a Monday, of week 34.
    monday = 20_682 * DAY_US
    targets = [1, 0, 0, 0, 0]
    at_us = [monday, monday + 1, monday + 7 * DAY_US - 1, monday + 7 * DAY_US, monday - 1]
    weeks = by_week(targets, [0.9, 0.1, 0.2, 0.3, 0.4], at_us, list("abcde"))
    assert [(week.week, week.rows, week.frauds) for week in weeks] == [
        ("2026-W33", 1, 0),
        ("2026-W34", 3, 1),
        ("2026-W35", 1, 0),
    ]
    assert weeks[1].measures["ap"].value == 1.0
    assert not weeks[0].measures


def test_one_class_cannot_be_measured():
    with pytest.raises(ValueError, match="both fraud and good"):
        evaluate([0, 0], [0.1, 0.2], [0, 1], ["a", "b"])
