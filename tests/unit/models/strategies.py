"""Small random histories, crowded at the edges of windows."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from models.fraud.features import FEATURES
from online.kernel import ids
from tests.unit.models.synthetic import START, Label, Payment

_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000

# Distances at which one event is just inside, on, or just outside a window of another.
_EDGES = sorted({feature.window_s * 1_000_000 for feature in FEATURES})
_offsets = st.one_of(
    st.integers(0, 2),
    st.builds(lambda edge, by: edge + by, st.sampled_from(_EDGES), st.integers(-1, 1)),
    # Where tiles begin and end: START is a midnight.
    st.builds(lambda day, by: day * _DAY_US + by, st.integers(1, 95), st.integers(-1, 1)),
    st.builds(lambda hour, by: hour * _HOUR_US + by, st.integers(1, 60), st.integers(-1, 1)),
    st.builds(lambda half, by: half * _HOUR_US // 2 + by, st.integers(1, 99), st.integers(-1, 1)),
    st.integers(0, max(_EDGES) + 10),
)


def _at(offset_us: int) -> datetime:
    return START + timedelta(microseconds=offset_us)


_payments = st.lists(
    st.tuples(
        _offsets,
        st.sampled_from(["cus_a", "cus_b", None]),
        st.sampled_from(["card_a", "card_b"]),
        st.sampled_from(["dev_a", "dev_b", None]),
        st.sampled_from(["shop_a", "shop_b"]),
        st.integers(1, 10**12),
        st.sampled_from(["upi", "card"]),
        st.sampled_from(["ip_a", "ip_b", None]),
    ),
    min_size=1,
    max_size=14,
)


@st.composite
def histories(draw) -> tuple[list[Payment], list[Label]]:
    """Payments of few entities, and labels of some of them (several of one, too)."""
    payments = [
        Payment(
            *(ids.derived("payment", str(number)), _at(offset), customer, instrument, device),
            *(ids.derived("merchant", shop), amount, method, ip),
        )
        for number, (offset, customer, instrument, device, shop, amount, method, ip) in enumerate(
            draw(_payments)
        )
    ]
    labelled = st.tuples(st.integers(0, len(payments) - 1), _offsets, st.booleans())
    labels = [
        Label(payments[number], _at(offset), fraud)
        for number, offset, fraud in draw(st.lists(labelled, max_size=8))
    ]
    return payments, labels
