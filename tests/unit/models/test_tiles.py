"""Windows cut into tiles and edges: every moment of a window is in exactly once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.features import DAY, FEATURES, HOUR, Feature, validated
from models.fraud.tiles import parts_of, pieces, series_of, window_bit

START = datetime(2026, 3, 1, tzinfo=UTC)
TILED = [feature for feature in FEATURES if feature.tiled]


def weight(asked, feature, moment):
    """How often the pieces of the feature's window count an event at `moment`."""
    bit = window_bit(feature)
    tiles, edges = asked
    whole = sum(tile.since <= moment < tile.until for tile in tiles if tile.mask & bit)
    return whole + sum(
        edge.sign for edge in edges if edge.mask & bit and edge.since <= moment < edge.until
    )


moments = st.one_of(
    st.integers(0, 40 * DAY * 10**6),
    st.builds(lambda n, by: n * HOUR * 500_000 + by, st.integers(0, 1800), st.integers(-1, 1)),
)


@given(moments, moments, st.sampled_from(TILED))
def test_a_moment_counts_once_inside_and_never_outside(at_us, event_us, feature):
    at = START + timedelta(days=40, microseconds=at_us)
    event = at - timedelta(seconds=feature.window_s) + timedelta(microseconds=event_us - at_us)
    asked = pieces(at)
    for moment in (event, at - timedelta(seconds=feature.window_s), at, START + timedelta(days=40)):
        inside = at - timedelta(seconds=feature.window_s) <= moment < at
        assert weight(asked, feature, moment) == inside


@given(moments)
def test_tiles_begin_and_end_where_tiles_do(at_us):
    tiles, _ = pieces(START + timedelta(microseconds=at_us))
    for tile in tiles:
        assert tile.since < tile.until
        for moment in (tile.since, tile.until):
            assert (moment - START) % timedelta(seconds=tile.grain_s) == timedelta(0)


@given(moments)
def test_an_edge_is_an_hour_at_most(at_us):
    _, edges = pieces(START + timedelta(microseconds=at_us))
    assert max(edge.until - edge.since for edge in edges) <= timedelta(hours=1)


def test_a_piece_that_windows_share_is_read_once():
    tiles, _ = pieces(START + timedelta(days=40, hours=13, minutes=40))
    ranges = [(tile.grain_s, tile.since, tile.until) for tile in tiles]
    assert len(ranges) == len(set(ranges))
    assert any(tile.mask & (tile.mask - 1) for tile in tiles), "windows end together"


def test_a_series_has_one_number():
    entities = ("customer", "card", "vpa", "device", "merchant", "ip")
    kinds = (("transaction", "all"), ("label", "fraud"), ("label", "good"))
    numbers = {series_of(entity, *kind) for entity in entities for kind in kinds}
    assert len(numbers) == len(entities) * len(kinds)
    with pytest.raises(ValueError, match="no series"):
        series_of("merchant", "label", "all")
    judged = Feature("merchant_known_1d", 1, "merchant", "label", "all", "count", DAY, 0)
    assert parts_of(judged) == ("fraud", "good")


@pytest.mark.parametrize(
    ("entity", "kind", "of", "aggregate", "window_s", "reason"),
    [
        ("customer", "transaction", "all", "count", 0, "empty window"),
        ("customer", "transaction", "fraud", "count", DAY, "no filter"),
        ("customer", "transaction", "all", "streak", DAY, "streak"),
        ("customer", "label", "all", "streak", DAY, "streak"),
        ("merchant", "label", "good", "streak", DAY, "busy"),
        ("merchant", "transaction", "all", "max", DAY, "taken back"),
        ("merchant", "label", "fraud", "max", DAY, "taken back"),
        ("customer", "transaction", "all", "distinct_customers", DAY, "device or of an address"),
        ("device", "label", "all", "distinct_customers", DAY, "device or of an address"),
        ("device", "transaction", "all", "distinct_customers", 30 * DAY, "a week at most"),
    ],
)
def test_what_cannot_be_computed_on_both_sides_is_refused(
    entity, kind, of, aggregate, window_s, reason
):
    feature = Feature("some_name", 1, entity, kind, of, aggregate, window_s, 0)
    with pytest.raises(ValueError, match=f"some_name: .*{reason}"):
        validated((feature,))
    fine = Feature("fine", 1, "customer", "transaction", "all", "count", DAY, 0)
    assert validated((fine,)) == (fine,)
    with pytest.raises(ValueError, match="same name"):
        validated((fine, fine))
