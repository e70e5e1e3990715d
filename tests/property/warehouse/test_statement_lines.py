"""However a merchant's money moved, the lines add up to the ledger's own figures."""

from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from warehouse.statements.lines import Movement, charges_of, lines_of
from warehouse.statements.rates import load_rates

_MINOR = st.integers(-(10**12), 10**12)  # negative: given back
_DAYS = st.dates(date(2017, 1, 1), date(2026, 12, 31))
_TEXT = st.text(max_size=5)
_MOVEMENTS = st.builds(
    Movement,
    merchant_id=st.just(UUID(int=1)),
    date=_DAYS,
    value_date=_DAYS,
    at_time=st.just(datetime(2026, 11, 16, tzinfo=UTC)),
    transaction_id=st.just("t"),
    kind=st.sampled_from(
        [
            *("capture", "reversal", "refund_requested", "fee_returned", "dispute_lost"),
            *("dispute_fee", "payout_sent", "settlement", "something_new"),
        ]
    ),
    reference=_TEXT,
    payment_id=st.just(""),
    method=st.sampled_from(["", "upi", "card"]),
    network=st.sampled_from(["", "visa", "new"]),
    instrument=st.one_of(_TEXT, st.just("as***@ybl"), st.just("visa •••• 1111")),
    rail_reference=st.sampled_from(["", "123456789012", "HDFCN26320123456"]),
    dispute_id=st.sampled_from(["", "dsp_1"]),
    original_date=st.one_of(st.none(), _DAYS),
    settled_from=st.one_of(st.none(), _DAYS),
    settled_to=st.one_of(st.none(), _DAYS),
    net_minor=_MINOR,
    fee_minor=_MINOR,
    igst_minor=_MINOR,
    cgst_minor=_MINOR,
    sgst_minor=_MINOR,
    tds_minor=_MINOR,
)


@given(st.integers(-(10**12), 10**12), st.lists(_MOVEMENTS, max_size=20))
def test_opening_plus_credits_less_debits_is_closing(opening: int, moved: list[Movement]) -> None:
    lines = list(lines_of(opening, moved, load_rates()))
    received = sum(line.credit_minor for line in lines)
    paid = sum(line.debit_minor for line in lines)
    closing = lines[-1].balance_minor if lines else opening
    assert opening + received - paid == closing
    assert closing == opening + sum(movement.net_minor for movement in moved)
    assert all(min(x.debit_minor, x.credit_minor) == 0 for x in lines)
    assert all(x.debit_minor or x.credit_minor for x in lines)
    assert [x.number for x in lines] == list(range(1, len(lines) + 1))
    # Every balance follows from the one before it.
    before = [opening, *(x.balance_minor for x in lines)]
    steps = [x.credit_minor - x.debit_minor for x in lines]
    assert [a + step for a, step in zip(before, steps, strict=False)] == before[1:]


@given(st.lists(_MOVEMENTS, max_size=20))
def test_charges_are_those_of_the_ledger(moved: list[Movement]) -> None:
    lines = list(lines_of(0, moved, load_rates()))
    charges = charges_of(lines)
    of = {name: sum(x.net_minor for x in charges if x.name == name) for name in ("IGST", "CGST")}
    assert of["IGST"] == sum(movement.igst_minor for movement in moved)
    assert of["CGST"] == sum(movement.cgst_minor for movement in moved)
    charged = sum(x.debit_minor - x.credit_minor for x in lines if x.charge)
    assert sum(x.net_minor for x in charges) == charged
    assert sum(x.count for x in charges) == sum(bool(x.charge) for x in lines)


@given(st.lists(_MOVEMENTS, max_size=5))
def test_nobodys_handle_or_number_is_shown_whole(moved: list[Movement]) -> None:
    for line in lines_of(0, moved, load_rates()):
        assert "as***" not in line.counterparty
        digits = [letter for letter in line.counterparty if letter.isdigit()]
        assert len(digits) <= 4
