"""The in-process rail's magic values are the sandbox's: two systems, one list."""

from typing import Final

import msgspec
import pytest

from online.rails import magic as ours
from online.rails.domain import (
    AuthorizeRequest,
    Beneficiary,
    CaptureRequest,
    PayoutRequest,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    VoidRequest,
    VpaBeneficiary,
)
from online.sandbox import magic as theirs
from online.sandbox import payees, wire
from online.sandbox.behaviour import BEHAVIOURS, Operation, Outcome, When

_SAME: Final = {"reference": "att_1", "amount_minor": 1, "currency": "INR"}
_LATER: Final = {**_SAME, "original_reference": "att_0"}
REQUESTS: Final[dict[Operation, RailRequest]] = {
    "authorize": AuthorizeRequest(**_SAME, capture=True),
    "capture": CaptureRequest(**_LATER),
    "void": VoidRequest(**_LATER),
    "reverse": ReverseRequest(**_LATER),
    "refund": RefundRequest(**_LATER),
    "payout": PayoutRequest(**_SAME, beneficiary=Beneficiary(account="1", ifsc="2", name="3")),
}
WHEN = {
    When.AT_ONCE: "at once",
    When.SLOW: "at once",  # no clock of its own
    When.HELD: "silent",
    When.RESET: "silent",
    When.GARBLED: "garbled",
    When.LATER: "later",
    When.DEEMED: "later",  # than what counts as a success meanwhile
    When.UNDECIDED: "deemed",
    When.UNSEEN: "unseen",
    When.LOST: "lost",
    When.CHALLENGE: "challenge",
}


def as_ours(outcome: Outcome) -> ours.Magic:
    said = outcome.meanwhile
    return ours.Magic(
        kind=ours.OutcomeKind(outcome.status),
        code=outcome.code,
        when=WHEN[outcome.when],  # type: ignore[arg-type]
        funding=outcome.funding,
        avs=outcome.avs,
        authentication=outcome.authentication,
        dispute=outcome.dispute,
        meanwhile=(ours.OutcomeKind(said.status), said.code),
        failing_enquiries=outcome.failing_enquiries,
    )


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(name: str):
    theirs_, ours_ = BEHAVIOURS[name], ours.BEHAVIOURS[name]
    assert ours_.number == theirs_.number
    assert ours.behaviour_card(name) == theirs.behaviour_card(name)
    for dialect in ("upi", "card", "payout"):
        for operation in ("authorize", "refund"):
            expected = as_ours(theirs_.outcome(dialect, operation))  # type: ignore[arg-type]
            assert ours_.of(dialect, pays=operation == "authorize") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_amount_of_a_behaviour(name: str):
    for operation, request in REQUESTS.items():
        amount = theirs.behaviour_amount(name, operation)
        asked = msgspec.structs.replace(request, amount_minor=amount)
        for dialect in ("upi", "card", "payout"):
            found = theirs.of_amount(operation, amount, dialect)  # type: ignore[arg-type]
            assert found is not None
            assert ours.of_amount(asked, dialect) == as_ours(found)  # type: ignore[arg-type]


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
    assert set(ours.BEHAVIOURS) == set(BEHAVIOURS)


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


def both(address: str) -> tuple[Beneficiary | VpaBeneficiary, wire.Beneficiary]:
    """The same payee for either system."""
    if "@" in address:
        return VpaBeneficiary(vpa=address, name="Asha"), wire.Beneficiary(vpa=address, name="Asha")
    ifsc = "HDFC0000001"
    return (
        Beneficiary(account=address, ifsc=ifsc, name="Asha"),
        wire.Beneficiary(account=address, ifsc=ifsc, name="Asha"),
    )


@pytest.mark.parametrize("address", [*payees.PAYEES, *payees.STRANGERS, "asha@khata", "12345678"])
def test_payee(address: str):
    own, theirs_ = both(address)
    found = payees.outcome_of(theirs_, 1)
    assert ours.of_payee(own) == (ours.ORDINARY if found is None else as_ours(found))
    assert ours.name_of(own) == payees.name_of(theirs_)
