"""The arithmetic of a score, its bands, and what is decided."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.risk.domain import (
    CAP_FACTOR,
    LEVELS,
    MODEL_FACTOR,
    DeviceTrust,
    Factor,
    decide,
    device_trust,
    level_of,
    total,
)

rules = st.lists(st.builds(Factor, st.just("rule"), st.just("why"), st.integers(1, 100)))
probabilities = st.none() | st.floats(0, 1)


@given(rules, probabilities)
def test_factors_sum_to_the_score(found, probability):
    score, factors = total(found, probability)
    assert sum(factor.score for factor in factors) == score
    assert 0 <= score <= 100
    points = 0 if probability is None else math.floor(100 * probability)
    assert score == min(100, sum(factor.score for factor in found) + points)
    codes = [factor.code for factor in factors]
    assert codes.count(MODEL_FACTOR) == (probability is not None)
    assert codes.count(CAP_FACTOR) == (sum(f.score for f in found) + points > 100)


@given(rules, st.floats(allow_nan=False))
def test_no_probability_breaks_the_score(found, probability):
    score, _ = total(found, probability)
    assert 0 <= score <= 100


@pytest.mark.parametrize(
    ("score", "level", "decision"),
    [
        (0, "low", "allow"),
        (24, "low", "allow"),
        (25, "medium", "allow"),
        (39, "medium", "allow"),
        (40, "medium", "challenge"),
        (49, "medium", "challenge"),
        (50, "high", "challenge"),
        (59, "high", "challenge"),
        (60, "high", "review"),
        (74, "high", "review"),
        (75, "critical", "block"),
        (100, "critical", "block"),
    ],
)
def test_bands(score, level, decision):
    assert level_of(score) == level
    assert decide(score) == decision


@pytest.mark.parametrize(
    ("block_at", "decisions"),
    [(50, "allow challenge block"), (30, "allow block"), (100, "allow challenge review block")],
)
def test_a_threshold_moves_the_block_alone(block_at, decisions):
    found = [decide(score, block_at) for score in range(101)]
    assert list(dict.fromkeys(found)) == decisions.split()
    assert found.index("block") == block_at


def test_levels_rise():
    assert [least for _, least in LEVELS] == sorted({least for _, least in LEVELS}, reverse=True)
    order = ["low", "medium", "high", "critical"]
    assert list(dict.fromkeys(level_of(score) for score in range(101))) == order


@pytest.mark.parametrize(
    ("device", "count", "customers", "trust"),
    [
        (None, 0, 0, DeviceTrust(None, "absent", 0, "none")),
        ("dev", 0, 0, DeviceTrust("dev", "unlinked", 0, "low")),
        ("dev", 6, 1, DeviceTrust("dev", "unlinked", 240, "low")),
        ("dev", 7, 1, DeviceTrust("dev", "unlinked", 280, "medium")),
        ("dev", 500, 1, DeviceTrust("dev", "unlinked", 400, "medium")),
        ("dev", 500, 3, DeviceTrust("dev", "unlinked", 200, "low")),
        ("dev", 500, 9, DeviceTrust("dev", "unlinked", 0, "low")),
    ],
)
def test_trust_of_a_device(device, count, customers, trust):
    known = {"device_count_30d": float(count), "device_customers_7d": float(customers)}
    assert device_trust(device, known) == trust
