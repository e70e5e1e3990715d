"""What goes back of a fee: in proportion, never more than was charged, all of it in the end."""

from hypothesis import given
from hypothesis import strategies as st

from online.ledger.charged import Charged
from online.ledger.recipes import Tax
from online.refunds.returns import part_to_return

CHARGED = Charged(amount_minor=10_000, fee_minor=181, tax=Tax(cgst_minor=16, sgst_minor=17))


def parts(*amounts, charged=CHARGED):
    """What each refund of these amounts returns, one after another."""
    given_back, refunded, found = Charged(), 0, []
    for amount in amounts:
        fee, tax = part_to_return(
            amount, charged=charged, returned=given_back, refunded_minor=refunded
        )
        given_back, refunded = plus(given_back, fee, tax), refunded + amount
        found.append((fee, tax.igst_minor, tax.cgst_minor, tax.sgst_minor))
    return found


def plus(charged, fee, tax, amount=0):
    old = charged.tax
    return Charged(
        amount_minor=charged.amount_minor + amount,
        fee_minor=charged.fee_minor + fee,
        tax=Tax(
            igst_minor=old.igst_minor + tax.igst_minor,
            cgst_minor=old.cgst_minor + tax.cgst_minor,
            sgst_minor=old.sgst_minor + tax.sgst_minor,
        ),
    )


def test_a_half_returns_half_and_the_other_half_the_rest():
    assert parts(10_000) == [(181, 0, 16, 17)]
    assert parts(5_000, 5_000) == [(90, 0, 8, 8), (91, 0, 8, 9)]
    assert parts(3_333, 3_333, 3_334) == [(60, 0, 5, 6), (61, 0, 6, 5), (60, 0, 5, 6)]


def test_nothing_was_charged_nothing_goes_back():
    assert parts(10_000, charged=Charged(amount_minor=10_000)) == [(0, 0, 0, 0)]
    assert parts(10_000, charged=Charged()) == [(0, 0, 0, 0)]


def test_another_capture_on_better_terms_never_takes_back_what_went_back():
    first = Charged(amount_minor=1_000, fee_minor=100)
    fee, _ = part_to_return(500, charged=first, returned=Charged(), refunded_minor=0)
    assert fee == 50
    both = Charged(amount_minor=10_000, fee_minor=100)
    back = Charged(fee_minor=50)
    assert part_to_return(500, charged=both, returned=back, refunded_minor=500) == (0, Tax())
    fee, _ = part_to_return(9_000, charged=both, returned=back, refunded_minor=1_000)
    assert fee == 50


amounts = st.integers(1, 10**12)
costs = st.integers(0, 10**10)
captures = st.builds(
    lambda amount, fee, igst, cgst, sgst: Charged(
        amount_minor=amount,
        fee_minor=fee,
        tax=Tax(igst_minor=igst, cgst_minor=cgst, sgst_minor=sgst),
    ),
    amounts, costs, costs, costs, costs,
)  # fmt: skip


# A capture, or a refund of so many thousandths of what is left.
steps = st.lists(captures | st.integers(1, 1_000), max_size=8)


@given(captures, steps)
def test_captures_and_refunds_in_any_order_return_everything_once_and_no_more(charged, steps):
    back, refunded = Charged(), 0
    for step in (*steps, 1_000):  # the last one refunds all that is left
        if isinstance(step, Charged):
            charged = plus(charged, step.fee_minor, step.tax, step.amount_minor)
            continue
        amount = -(-(charged.amount_minor - refunded) * step // 1_000)
        if amount == 0:
            continue
        fee, tax = part_to_return(amount, charged=charged, returned=back, refunded_minor=refunded)
        assert min(fee, tax.igst_minor, tax.cgst_minor, tax.sgst_minor) >= 0
        back, refunded = plus(back, fee, tax), refunded + amount
        assert back.fee_minor <= charged.fee_minor
        assert back.tax.total_minor <= charged.tax.total_minor
    assert (back.fee_minor, back.tax) == (charged.fee_minor, charged.tax)


@given(captures, st.integers(1, 10**12))
def test_one_refund_is_within_half_a_unit_of_its_share(charged, amount):
    amount = min(amount, charged.amount_minor)
    fee, _ = part_to_return(amount, charged=charged, returned=Charged(), refunded_minor=0)
    exact_times_two = 2 * charged.fee_minor * amount
    assert abs(2 * fee * charged.amount_minor - exact_times_two) <= charged.amount_minor
