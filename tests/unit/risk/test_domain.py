"""The arithmetic of a score, its bands, and what is decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from online.kernel.errors import InvalidRequest
from online.risk.domain import (
    CAPPED,
    DECISIONS,
    FLOORED,
    LEVELS,
    ON_FAILURE,
    UNAVAILABLE,
    DeviceTrust,
    Factor,
    decide,
    decide_without,
    device_trust,
    level_of,
    total,
)
from online.screening.domain import RiskTerms

TERMS = RiskTerms(
    challenge_at=40, review_at=60, block_at=75, failure_mode="approve", timeout_ms=100
)
reasons = st.lists(st.builds(Factor, st.just("rule"), st.just("why"), st.integers(-1000, 100)))


@st.composite
def terms(draw):
    challenge, review, block = sorted(draw(st.tuples(*[st.integers(1, 100)] * 3)))
    mode = draw(st.sampled_from(["approve", "review", "block"]))
    return replace(
        TERMS, challenge_at=challenge, review_at=review, block_at=block, failure_mode=mode
    )


@given(reasons)
def test_factors_sum_to_the_score(found):
    score, factors = total(found)
    assert sum(factor.score for factor in factors) == score
    plain = sum(factor.score for factor in found)
    assert score == min(100, max(0, plain))
    codes = [factor.code for factor in factors]
    assert codes.count(CAPPED) == (plain > 100)
    assert codes.count(FLOORED) == (plain < 0)


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
    assert decide(score, TERMS) == decision


@given(terms())
def test_decisions_rise_with_the_score_at_the_merchants_thresholds(agreed):
    found = [DECISIONS.index(decide(score, agreed)) for score in range(101)]
    assert found == sorted(found)
    assert found.index(3) == agreed.block_at
    reviewed = [score for score, index in enumerate(found) if index == 2]
    assert reviewed == list(range(agreed.review_at, agreed.block_at))


@given(reasons, terms())
def test_without_the_engine_the_failure_mode_decides_or_what_is_known(found, agreed):
    decision, score, factors = decide_without(found, agreed)
    assert sum(factor.score for factor in factors) == score
    assert 0 <= score <= 100
    assert [factor.code for factor in factors].count(UNAVAILABLE) == 1
    known = decide(total(found)[0], agreed)
    mode = ON_FAILURE[agreed.failure_mode]
    assert decision == max(known, mode, key=DECISIONS.index)
    least = {"allow": 0, "review": agreed.review_at, "block": agreed.block_at}[mode]
    assert score >= least


@pytest.mark.parametrize(
    ("mode", "decision", "score"),
    [("approve", "allow", 0), ("review", "review", 60), ("block", "block", 75)],
)
def test_nothing_is_known(mode, decision, score):
    found = decide_without((), replace(TERMS, failure_mode=mode))
    assert found[:2] == (decision, score)
    (factor,) = found[2]
    assert factor.code == UNAVAILABLE
    assert factor.score == score


def test_a_blocked_card_stays_blocked_while_a_scorer_is_down():
    decision, score, _ = decide_without([Factor("listed", "On the block list", 100)], TERMS)
    assert (decision, score) == ("block", 100)


def test_thresholds_out_of_order_are_no_terms():
    with pytest.raises(InvalidRequest):
        replace(TERMS, review_at=90)


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
