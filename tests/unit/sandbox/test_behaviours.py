"""Each behaviour in the bank's records: what is answered, when it takes effect, what is told."""

from datetime import timedelta
from typing import Any

import pytest

from online.kernel.errors import NotFound
from online.sandbox import magic, wire
from online.sandbox.behaviour import BEHAVIOURS, OPERATIONS, Operation, When
from tests.unit.sandbox.banking import MORNING, Desk, card, upi

LATER = timedelta(seconds=2)
TERMS = wire.MandatePart(
    amount_rule="max",
    frequency="monthly",
    start_on=MORNING.date(),
    end_on=MORNING.date() + timedelta(days=300),
    name="Magazine",
)
METHOD_OF = {
    "authorize": "upi_hdfc",
    "mandate": "upi_hdfc",
    "mandate_revoke": "upi_hdfc",
    "payout": "bank_hdfc",
}
# What moves no money, or none by itself.
STILL = {"void", "release", "extend", "mandate", "mandate_revoke"}


def begun(desk: Desk, operation: Operation, amount: int) -> tuple[str, Any]:
    """The operation, sent, with whatever has to be there before; its rail and reply."""
    rail = METHOD_OF.get(operation, "card_a")
    if operation == "authorize":
        return rail, desk.send(rail, operation, amount, upi=upi())
    if operation == "payout":
        to = wire.Beneficiary(
            account="919020000001", ifsc="UTIB0000123", name="Sagar Kirana Stores"
        )
        return rail, desk.send(rail, operation, amount, beneficiary=to)
    if operation == "mandate":
        return rail, desk.send(rail, operation, amount, upi=upi(), mandate=TERMS)
    if operation == "mandate_revoke":
        desk.send(rail, "mandate", 499_00, upi=upi(), mandate=TERMS)
        return rail, desk.send(rail, operation, amount, original_reference=desk.last)
    paid = desk.pay(amount, rail=rail, capture=operation in ("reverse", "refund"))
    return rail, desk.send(rail, operation, amount, original_reference=paid)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_by_amount(name: str, operation: Operation) -> None:
    desk = Desk()
    amount = magic.behaviour_amount(name, operation)
    rail, reply = begun(desk, operation, amount)
    reference, began = desk.last, desk.clock.at
    method = {"upi_hdfc": "upi", "card_a": "card", "bank_hdfc": "payout"}[rail]
    outcome = BEHAVIOURS[name].outcome(method, operation)  # type: ignore[arg-type]
    assert reply.when is outcome.when
    if outcome.when in (When.LOST, When.UNSEEN):
        with pytest.raises(NotFound):
            desk.enquire(reference, rail)
    if outcome.when is When.LATER:
        assert desk.enquire(reference, rail).status == outcome.meanwhile.status
        assert desk.enquire(reference, rail).code == outcome.meanwhile.code
    if outcome.when is When.UNDECIDED:
        desk.clock.advance(timedelta(days=30))
        assert desk.enquire(reference, rail).code == "RB"
        desk.bank.end_deemed(desk.db, reference, credited=True)
    desk.clock.advance(LATER)
    if outcome.when is When.LOST:
        with pytest.raises(NotFound):
            desk.enquire(reference, rail)
        return
    found = desk.enquire(reference, rail)
    assert (found.status, found.code) == (outcome.status, outcome.code)
    moved = desk.db.execute(
        "select moved_at from movements where reference = ?", (reference,)
    ).fetchall()
    if outcome.code == "RET":  # it moved at once, as a success
        assert moved == [(began.isoformat(),)]
        return
    if outcome.status != "approved" or operation in STILL:
        assert moved == []
        return
    ends_later = outcome.when in (When.LATER, When.UNSEEN)
    at = began + timedelta(seconds=1) if ends_later else began
    assert moved == [(at.isoformat(),)]


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_by_vpa_and_by_card(name: str) -> None:
    desk = Desk()
    behaviour = BEHAVIOURS[name]
    reply = desk.send("upi_hdfc", "authorize", 5_000, upi=upi(f"{name}@khata"))
    assert reply.when is behaviour.upi.when
    reply = desk.send("card_a", "authorize", 5_000, card=card(magic.behaviour_card(name)))
    assert reply.when is behaviour.card.when


def test_what_is_due_takes_effect_though_nobody_asks() -> None:
    desk = Desk()
    for number in range(3):
        desk.send("upi_hdfc", "authorize", 5_000 + number, upi=upi("pending_then_success@khata"))
    last = desk.clock.at
    assert desk.bank.ripen(desk.db, last) == 0
    assert desk.bank.ripen(desk.db, last + timedelta(seconds=0.6)) == 1
    assert desk.bank.ripen(desk.db, last + timedelta(hours=1)) == 2
    rows = desk.db.execute("select moved_at from movements order by amount").fetchall()
    assert [row[0] for row in rows] == [
        (MORNING + timedelta(seconds=1.25 + 0.25 * number)).isoformat() for number in range(3)
    ]


def test_what_became_impossible_meanwhile_is_refused_after_all() -> None:
    desk = Desk()
    amount = magic.behaviour_amount("late_success_after_failure", "capture")
    paid = desk.pay(amount, rail="card_a", capture=False)
    desk.send("card_a", "capture", amount, original_reference=paid)
    late = desk.last
    assert desk.after("void", paid, 5_000, "card_a").status == "approved"
    desk.clock.advance(LATER)
    found = desk.enquire(late, "card_a")
    assert (found.status, found.code) == ("declined", "12")
    assert desk.db.execute("select count(*) from movements").fetchone() == (0,)


def test_two_late_refunds_never_give_back_more_than_was_paid() -> None:
    desk = Desk()
    amount = magic.behaviour_amount("timeout_then_success", "refund")
    paid = desk.pay(amount, rail="card_a")
    desk.send("card_a", "refund", amount, original_reference=paid)
    assert desk.after("refund", paid, 1, "card_a").code == "61"


def test_so_many_enquiries_fail_and_no_more() -> None:
    desk = Desk()
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi("enquiry_fails@khata"))
    fails = [desk.bank.enquiry_fails(desk.db, desk.last) for _ in range(4)]
    assert fails == [True, True, False, False]
    assert desk.enquire(desk.last).status == "approved"


@pytest.mark.parametrize(
    ("name", "planned"),
    [
        ("approve", 0),
        ("pending_then_success", 1),
        ("timeout_then_success", 1),
        ("late_success_after_failure", 1),
        ("debit_without_credit", 1),
        ("callback_duplicate", 3),
        ("callback_out_of_order", 2),
        ("callback_lost", 0),
    ],
)
def test_what_ends_later_is_told(name: str, planned: int) -> None:
    desk = Desk()
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi(f"{name}@khata"))
    waiting = "select count(*) from callbacks where next_try_at is not null"
    assert desk.db.execute(waiting).fetchone() == (planned,)
