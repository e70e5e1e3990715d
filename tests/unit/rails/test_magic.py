"""The in-process rail's magic values are the sandbox's: two systems, one list."""

import pytest

from online.rails import magic as ours
from online.sandbox import magic as theirs
from online.sandbox.magic import Behaviour, Outcome

WHEN = {
    Behaviour.AT_ONCE: "at once",
    Behaviour.HELD: "silent",
    Behaviour.LATER: "later",
    Behaviour.LOST: "lost",
    Behaviour.CHALLENGE: "challenge",
}


def as_ours(outcome: Outcome) -> ours.Magic:
    return ours.Magic(
        kind=ours.OutcomeKind(outcome.status),
        code=outcome.code,
        when=WHEN[outcome.behaviour],  # type: ignore[arg-type]
        funding=outcome.funding,
        avs=outcome.avs,
        authentication=outcome.authentication,
        dispute=outcome.dispute,
    )


@pytest.mark.parametrize("vpa", theirs.VPAS)
def test_vpa(vpa: str):
    assert ours.VPAS.get(vpa, ours.ORDINARY) == as_ours(theirs.VPAS[vpa])


@pytest.mark.parametrize("pan", theirs.CARDS)
def test_card(pan: str):
    assert ours.CARDS.get(pan, ours.ORDINARY) == as_ours(theirs.CARDS[pan])


def test_nothing_is_ours_alone():
    assert set(ours.VPAS) <= set(theirs.VPAS)
    assert set(ours.CARDS) <= set(theirs.CARDS)
    amounts = ours.PAYMENTS | ours.AFTERWARDS | ours.REFUNDS
    assert set(amounts) == set(theirs.AMOUNTS)


@pytest.mark.parametrize("amount", theirs.AMOUNTS)
def test_amount(amount: int):
    rule = theirs.AMOUNTS[amount]
    pair = (as_ours(rule.upi), as_ours(rule.other))
    assert (ours.PAYMENTS | ours.AFTERWARDS | ours.REFUNDS)[amount] == pair
    by_operation = {
        "authorize": ours.PAYMENTS,
        "capture": ours.AFTERWARDS,
        "reverse": ours.AFTERWARDS,
        "payout": ours.AFTERWARDS,
        "refund": ours.AFTERWARDS | ours.REFUNDS,
        "void": {},
    }
    for operation, rows in by_operation.items():
        assert (amount in rows) == (operation in rule.operations)
