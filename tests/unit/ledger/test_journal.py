"""A journal balances or does not exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.ledger import accounts as chart
from online.ledger.journal import Journal, Posting, Unbalanced, credit, debit
from tests.builders import AT, uid

A, B, C = chart.bank("a"), chart.bank("b"), chart.FEES_MDR


def journal(*postings: Posting) -> Journal:
    return Journal(
        cause=uid("cause"),
        kind="test",
        currency="INR",
        postings=postings,
        business_date=AT.date(),
        effective_at=AT,
        livemode=False,
    )


def test_debit_is_negative_and_credit_positive():
    assert debit(A, 5) == Posting(A, -5, "posted")
    assert credit(A, 5, "pending") == Posting(A, 5, "pending")


@pytest.mark.parametrize(
    "postings",
    [
        (debit(A, 5), credit(B, 5)),
        (debit(A, 5), credit(B, 3), credit(C, 2)),
        (debit(A, 5), credit(A, 5)),
        (debit(A, 5), credit(B, 5), debit(B, 7, "pending"), credit(A, 7, "pending")),
    ],
)
def test_what_balances_in_each_layer_is_a_journal(postings):
    assert journal(*postings).postings == postings


@pytest.mark.parametrize(
    ("postings", "why"),
    [
        ((), "sum"),
        ((debit(A, 5),), "sum"),
        ((debit(A, 5), credit(B, 4)), "sum"),
        ((debit(A, 5), debit(B, 5)), "sum"),
        ((debit(A, 5), credit(B, 5, "pending")), "sum"),  # across layers is no balance
        ((debit(A, 5), credit(B, 5), debit(A, 1, "pending")), "sum"),
        ((debit(A, 0), credit(B, 0)), "zero"),
        ((debit(A, 5), credit(B, 5), credit(C, 0)), "zero"),
    ],
)
def test_what_does_not_is_refused(postings, why):
    with pytest.raises(Unbalanced, match=why):
        journal(*postings)


LEGS = st.lists(
    st.builds(
        Posting,
        st.sampled_from([A, B, C]),
        st.integers(-3, 3),
        st.sampled_from(["posted", "pending"]),
    ),
    max_size=6,
)


@given(LEGS)
def test_no_combination_of_legs_slips_through(legs):
    sums = {
        layer: sum(leg.amount_minor for leg in legs if leg.layer == layer)
        for layer in ("posted", "pending")
    }
    good = bool(legs) and all(leg.amount_minor for leg in legs) and not any(sums.values())
    if good:
        journal(*legs)
    else:
        with pytest.raises(Unbalanced):
            journal(*legs)
