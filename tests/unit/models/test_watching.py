"""The arithmetic of watching: an index that is zero for equals, numbers only where they hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.watching import (
    DRIFTED,
    MOVED,
    Alerts,
    binned,
    count_bins,
    enough,
    noise,
    precision_fall,
    psi,
    psi_of_counts,
    verdict,
    wilson,
)

COUNTS = st.lists(st.integers(0, 1_000), min_size=2, max_size=12).filter(
    lambda found: sum(found) > 0
)
NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300)


def shares(counts):
    return [count / sum(counts) for count in counts]


def test_the_index_by_hand():
    found = psi([0.5, 0.5], [0.25, 0.75])
    assert found == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5))


@given(COUNTS)
def test_of_equals_it_is_zero(counts):
    assert psi(shares(counts), shares(counts)) == 0


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(
            *[st.lists(st.integers(0, 1_000), min_size=n, max_size=n).filter(sum) for _ in range(2)]
        )
    )
)
def test_it_is_the_same_in_both_directions_and_never_negative(pair):
    one, other = map(shares, pair)
    assert psi(one, other) == pytest.approx(psi(other, one), abs=1e-12)
    assert psi(one, other) >= 0
    assert math.isfinite(psi(one, other))


@given(st.floats(0.01, 0.4), st.floats(0.01, 0.4))
def test_it_grows_with_the_shift(one, other):
    near, far = sorted((one, other))
    assert psi([0.5, 0.5], [0.5 - near, 0.5 + near]) <= psi([0.5, 0.5], [0.5 - far, 0.5 + far])


def test_other_bins_cannot_be_compared():
    with pytest.raises(ValueError, match="2 bins"):
        psi([0.5, 0.5], [1.0])


def test_an_empty_bin_counts_and_does_not_explode():
    reference = binned(np.arange(10_000))
    empty = [0] + [1_000] * 9
    found = psi_of_counts(reference, 10_000, empty)
    assert found is not None
    assert MOVED < found < 2


def test_few_rows_give_no_number():
    reference = binned(np.arange(10_000))
    assert psi_of_counts(reference, 10_000, [2] * 10) is None
    assert psi_of_counts(reference, 10_000, [0] * 10) is None
    assert psi_of_counts(reference, 10_000, [100] * 10) == pytest.approx(0, abs=1e-9)
    assert verdict(None) == "too few"


@pytest.mark.parametrize("bins", [2, 4, 10, 20])
def test_equal_populations_are_hardly_ever_told_apart(bins):
    """A thousand samples of the very same population, as small as is allowed."""
    rows = next(rows for rows in range(10, 10_000) if enough(bins, 100_000, rows))
    random = np.random.default_rng(7)
    equal = [1 / bins] * bins
    found = [
        psi(equal, list(random.multinomial(rows, equal) / rows), least=0.5 / rows)
        for _ in range(1_000)
    ]
    assert sum(index >= MOVED for index in found) <= 5
    assert noise(bins, 100_000, rows) < MOVED


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (0.0, "steady"),
        (0.0999, "steady"),
        (MOVED, "moved"),
        (0.2499, "moved"),
        (DRIFTED, "drifted"),
    ],
)
def test_the_bands(index, said):
    assert verdict(index) == said


@given(NUMBERS)
def test_bins_hold_every_row_once(values):
    found = binned(values)
    counts, missing = count_bins(found.edges, values)
    assert sum(counts) == len(values)
    assert missing == 0
    assert found.edges == sorted(set(found.edges))
    assert found.shares == pytest.approx([count / len(values) for count in counts])
    assert sum(found.shares) == pytest.approx(1)


def test_a_value_that_most_rows_share_is_one_bin():
    found = binned([0.0] * 90 + list(range(1, 11)))
    assert found.edges[0] == 0.0
    assert found.shares[0] == 0.9


@pytest.mark.parametrize("now", [0.0, 2.0])
def test_what_never_changed_is_seen_to_change(now):
    always = binned([1.0] * 10_000)
    assert always.shares == [0.0, 1.0, 0.0]
    counts, _ = count_bins(always.edges, [now] * 1_000)
    assert verdict(psi_of_counts(always, 10_000, counts)) == "drifted"
    same, _ = count_bins(always.edges, [1.0] * 1_000)
    assert psi_of_counts(always, 10_000, same) == 0


def test_a_rare_value_is_not_lost_among_the_others():
    mostly = binned([1.0] * 9_500 + [0.0] * 500)
    assert (mostly.edges, mostly.shares) == ([0.0], [0.05, 0.95])


def test_the_edge_itself_belongs_to_the_bin_below():
    assert count_bins([1.0, 2.0], [0.5, 1.0, 1.5, 2.0, 2.5]) == ([2, 2, 1], 0)


def test_missing_values_are_counted_apart():
    found = binned([1.0, float("nan"), 2.0, 3.0])
    assert found.missing == 0.25
    assert sum(found.shares) == pytest.approx(1)
    assert count_bins(found.edges, [float("nan")] * 3)[1] == 3
    assert binned([]).shares == [1.0]
    assert binned([float("nan")]).missing == 1.0


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_its_share(hits, of):
    found = wilson(min(hits, of), of)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low < 1


def test_the_interval_as_published():
    """Newcombe 1998, table I, method 3: 81 of 263, and 0 of 20."""
    found = wilson(81, 263)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = wilson(0, 20)
    assert none is not None
    assert (none.low, round(none.high, 4)) == (0, 0.1611)
    assert wilson(0, 0) is None


def days(*, count, alerts, known, fraud):
    return [Alerts(alerts, known, known, fraud)] * count


def test_precision_falls_when_the_intervals_part():
    good = days(count=28, alerts=50, known=50, fraud=40)
    fall = precision_fall([*good, *days(count=7, alerts=50, known=50, fraud=20)])
    assert fall is not None
    assert fall.fell
    assert fall.before.value == 0.8
    assert fall.recent.value == 0.4


def test_precision_that_stays_has_not_fallen():
    fall = precision_fall(days(count=35, alerts=50, known=50, fraud=40))
    assert fall is not None
    assert not fall.fell


def test_what_was_blocked_is_not_waited_for():
    """Of a hundred alerts fifty were blocked, and nobody will ever say what those were."""
    good = [Alerts(50, 50, 50, 40)] * 28
    fall = precision_fall([*good, *[Alerts(50, 45, 45, 10)] * 7])
    assert fall is not None
    assert fall.fell
    assert precision_fall([*good, *[Alerts(0, 0, 9, 0)] * 7]).recent.value == 0.8


def test_days_whose_labels_have_not_come_say_nothing():
    good = days(count=20, alerts=50, known=50, fraud=40)
    fresh = days(count=7, alerts=50, known=5, fraud=0)
    fall = precision_fall([*good, *fresh])
    assert fall is not None
    assert not fall.fell
    assert precision_fall(fresh) is None
    assert precision_fall(days(count=7, alerts=50, known=50, fraud=40)) is None
    assert precision_fall([]) is None
