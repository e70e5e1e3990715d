"""What a feature set is, and that it cannot change unnoticed."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.features import (
    FEATURES,
    FINISH_VERSION,
    PaymentFacts,
    empty_raw,
    epoch_us,
    feature_names,
    feature_set_hash,
    finish,
    value_names,
    values,
)

GOLDEN = Path(__file__).parent / "golden" / "finish.json"
FACTS = PaymentFacts(
    epoch_us(datetime(2026, 11, 16, 20, 15, tzinfo=UTC)), 125_000, "card", "INR", True, True
)


def probes() -> list[list[float]]:
    """Vectors of three very different payments, rounded so that any machine agrees."""
    busy = {feature.name: 3 + number for number, feature in enumerate(FEATURES)}
    fresh = PaymentFacts(FACTS.at_us + 123, 1, "upi", "INR", False, False)
    vectors = [finish(empty_raw(), FACTS), finish(busy, FACTS), finish(empty_raw(), fresh)]
    return [[round(value, 9) for value in vector] for vector in vectors]


def test_finish_changes_only_with_its_version():
    """Changed `values` on purpose? Raise FINISH_VERSION, then write what this test expects."""
    assert json.loads(GOLDEN.read_text()) == {
        "version": FINISH_VERSION,
        "hash": feature_set_hash(),
        "vectors": probes(),
    }


def test_vector_has_one_value_a_name():
    assert len(finish(empty_raw(), FACTS)) == len(feature_names()) == len(set(feature_names()))
    assert set(feature_names()) <= value_names()


@given(
    st.fixed_dictionaries(
        {
            f.name: st.integers(0, 10**15) if f.empty is not None else st.none() | st.integers(0)
            for f in FEATURES
        }
    ),
    st.integers(0, 4 * 10**15),
    st.integers(1, 10**15),
)
def test_values_are_total_and_finite(raw, at_us, amount):
    known = values(raw, PaymentFacts(at_us, amount, "upi", "INR", True, False))
    assert known.keys() == value_names()
    assert all(math.isfinite(value) for value in known.values())


@pytest.mark.parametrize(
    ("at", "hour", "weekday"),
    [
        (datetime(2026, 11, 16, 18, 30, tzinfo=UTC), 0.0, 1),  # Tuesday has begun in India
        (datetime(2026, 11, 16, 18, 29, tzinfo=UTC), 24 - 1 / 60, 0),
        (datetime(2026, 11, 15, 6, 0, tzinfo=UTC), 11.5, 6),
    ],
)
def test_hour_and_weekday_are_indian(at, hour, weekday):
    known = values(empty_raw(), PaymentFacts(epoch_us(at), 1, "upi", "INR", True, True))
    assert known["hour"] == pytest.approx(hour)
    assert known["weekday"] == weekday


def test_amounts_are_compared_with_what_is_usual():
    raw = empty_raw() | {"customer_count_30d": 4, "customer_sum_30d": 100_000}
    raw |= {"customer_max_30d": 62_500}
    known = values(raw, FACTS)
    assert known["amount_to_customer_mean"] == 5.0
    assert known["amount_to_customer_max"] == 2.0
    assert known["amount_to_pair_mean"] == 1.0, "nothing to compare with is not unusual"
