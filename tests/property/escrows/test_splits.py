"""Any parties, any sequence of releases and of money that goes back: no unit is lost, none is paid
twice, nobody gets more than their share, and in the end each has exactly it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from online.escrows.terms import WHOLE_BPS, Party, taken, with_shares

AMOUNT = st.integers(1, 10**15)


@st.composite
def agreements(draw):
    """An amount and its parties: some with fixed amounts, the others by basis points."""
    count = draw(st.integers(1, 12))
    amount = draw(AMOUNT)
    fixed = draw(st.lists(st.integers(1, max(1, amount // 20)), max_size=count - 1))
    rest = amount - sum(fixed)
    cuts = sorted(draw(st.sets(st.integers(1, WHOLE_BPS - 1), max_size=count - len(fixed) - 1)))
    shares = [b - a for a, b in zip([0, *cuts], [*cuts, WHOLE_BPS], strict=True)]
    parties = [
        *(Party(merchant_id=f"a{n}", role="x", amount_minor=a) for n, a in enumerate(fixed)),
        *(Party(merchant_id=f"b{n}", role="x", share_bps=b) for n, b in enumerate(shares)),
    ]
    if rest < 0:
        return sum(fixed) + 1, parties
    return amount, draw(st.permutations(parties))


@given(agreements())
def test_shares_are_all_of_the_amount(agreement):
    amount, parties = agreement
    shares = with_shares(amount, parties)
    assert sum(party.share_minor for party in shares) == amount
    rest = amount - sum(party.amount_minor or 0 for party in parties)
    for party in shares:
        if party.amount_minor is not None:
            assert party.share_minor == party.amount_minor
        else:
            exact = rest * (party.share_bps or 0)
            assert abs(party.share_minor * WHOLE_BPS - exact) < WHOLE_BPS  # within one unit


@given(agreements(), st.data())
def test_parts_add_up_to_the_shares_to_the_unit(agreement, data):
    """`back` is what goes to the buyer meanwhile: it is less for each, and never below nothing."""
    amount, parties = agreement
    shares = {p.merchant_id: p.share_minor for p in with_shares(amount, parties)}
    due, paid, back = dict(shares), Counter[str](), Counter[str]()
    for _ in range(data.draw(st.integers(0, 12))):
        left = sum(due.values())
        if not left:
            break
        part = data.draw(st.integers(1, left))
        took = taken(part, due)
        assert sum(took.values()) == part
        assert all(0 < took[who] <= due[who] for who in took)
        for who, piece in took.items():
            due[who] -= piece
        (paid if data.draw(st.booleans()) else back).update(took)
    last = taken(sum(due.values()), due)
    assert last == {who: left for who, left in due.items() if left}
    paid.update(last)
    assert sum(paid.values()) + sum(back.values()) == amount
    for who, share in shares.items():
        assert paid[who] + back[who] == share


@given(agreements(), st.data())
def test_no_one_waits_for_more_than_a_unit(agreement, data):
    """One release pays each party by what is due to it, but for the unit that cannot be split."""
    amount, parties = agreement
    due = {p.merchant_id: p.share_minor for p in with_shares(amount, parties)}
    part = data.draw(st.integers(1, amount))
    took = taken(part, due)
    for who, share in due.items():
        assert abs(took.get(who, 0) * amount - part * share) < amount
