"""However a merchant's money moved, the lines add up to the ledger's own figures."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from warehouse.statements.build import Movement, lines_of

_MINOR = st.integers(-(10**12), 10**12)  # negative: given back
_MOVEMENTS = st.builds(
    Movement,
    date=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    at_time=st.just(datetime(2026, 11, 16, tzinfo=UTC)),
    transaction_id=st.just("t"),
    kind=st.sampled_from(
        [
            *("capture", "reversal", "refund_requested", "fee_returned", "dispute_lost"),
            *("dispute_fee", "payout_sent", "something_new"),
        ]
    ),
    reference=st.text(max_size=5),
    payment_id=st.just(""),
    method=st.sampled_from(["", "upi", "card"]),
    rail_reference=st.sampled_from(["", "123456789012"]),
    dispute_id=st.sampled_from(["", "dsp_1"]),
    net_minor=st.integers(-(10**12), 10**12),
    fee_minor=_MINOR,
    igst_minor=_MINOR,
    cgst_minor=_MINOR,
    sgst_minor=_MINOR,
)


@given(st.integers(-(10**12), 10**12), st.lists(_MOVEMENTS, max_size=20))
def test_opening_plus_credits_less_debits_is_closing(opening: int, moved: list[Movement]) -> None:
    lines = list(lines_of(opening, moved))
    received = sum(line.credit_minor for line in lines)
    paid = sum(line.debit_minor for line in lines)
    closing = lines[-1].balance_minor if lines else opening
    assert opening + received - paid == closing
    assert closing == opening + sum(movement.net_minor for movement in moved)
    assert all(min(x.debit_minor, x.credit_minor) == 0 for x in lines)
    assert all(x.debit_minor or x.credit_minor for x in lines)
