"""Deemed approvals in the bank's records: settled as a success at once, then confirmed or sent
back, by themselves or by hand."""

from datetime import timedelta

import pytest

from online.kernel.errors import Conflict, NotFound
from online.sandbox import faults, records
from tests.unit.sandbox.banking import Desk, upi

LATER = timedelta(seconds=2)


def paid(desk: Desk, name: str = "deemed") -> str:
    reply = desk.send("upi_hdfc", "authorize", 5_000, upi=upi(f"{name}@khata"))
    assert reply.answer is not None
    assert (reply.answer.status, reply.answer.code) == ("failed", "RB")
    assert reply.answer.funding == "bank"  # known, though not confirmed
    return desk.last


def moved(desk: Desk) -> list[tuple[str, str, str]]:
    rows = desk.db.execute("select reference, type, rrn from movements order by reference")
    return rows.fetchall()


@pytest.mark.parametrize(
    ("name", "code"), [("debit_without_credit", "TCC"), ("debit_returned", "RET")]
)
def test_it_ends_by_itself_and_the_gateway_is_told(name: str, code: str) -> None:
    desk = Desk()
    reference = paid(desk, name)
    assert [row[1] for row in moved(desk)] == ["PAY"]
    desk.clock.advance(LATER)
    assert desk.enquire(reference).code == code
    assert [row[1] for row in moved(desk)] == (["PAY"] if code == "TCC" else ["PAY", "REVERSAL"])
    planned = desk.db.execute("select reference from callbacks").fetchall()
    assert planned == [(reference,)]


def test_a_return_is_a_row_of_its_own_under_the_same_reference() -> None:
    desk = Desk()
    reference = paid(desk)
    desk.bank.end_deemed(desk.db, reference, credited=False)
    payment, back = (
        faults.line_of(each)
        for each in records.unreported(desk.db, records.open_day(desk.db, desk.clock.at))
    )
    assert (payment.order_ref, back.order_ref) == (reference, reference)
    assert (payment.type, back.type) == ("PAY", "REVERSAL")
    assert (payment.gross_minor, back.gross_minor) == (5_000, -5_000)
    assert payment.rrn != back.rrn
    assert payment.fee_minor == -back.fee_minor


@pytest.mark.parametrize("credited", [True, False])
def test_nobody_decides_until_somebody_does(credited: bool) -> None:
    desk = Desk()
    reference = paid(desk)
    desk.clock.advance(timedelta(days=30))
    assert desk.enquire(reference).code == "RB"
    _, answer = desk.bank.end_deemed(desk.db, reference, credited=credited)
    assert answer.code == ("TCC" if credited else "RET")
    again = desk.bank.end_deemed(desk.db, reference, credited=credited)
    assert again == ("upi_hdfc", answer)
    assert desk.enquire(reference) == answer


def test_a_bank_may_take_back_a_return_never_a_credit() -> None:
    desk = Desk()
    reference = paid(desk)
    desk.bank.end_deemed(desk.db, reference, credited=False)
    _, answer = desk.bank.end_deemed(desk.db, reference, credited=True)
    assert answer.code == "TCC"
    assert [row[1] for row in moved(desk)] == ["PAY", "REVERSAL", "PAY"]
    with pytest.raises(Conflict):
        desk.bank.end_deemed(desk.db, reference, credited=False)
    with pytest.raises(NotFound):
        desk.bank.end_deemed(desk.db, "att_nobody", credited=True)


def test_what_is_deemed_can_be_refunded_and_is_sent_back_whole_all_the_same() -> None:
    desk = Desk()
    reference = paid(desk)
    assert desk.after("refund", reference, 2_000, "upi_hdfc").status == "approved"
    desk.bank.end_deemed(desk.db, reference, credited=False)
    rows = desk.db.execute("select type, amount from movements order by type").fetchall()
    assert rows == [("PAY", 5_000), ("REFUND", 2_000), ("REVERSAL", 5_000)]
    assert desk.after("refund", reference, 1_000, "upi_hdfc").code == "12"


def test_what_was_reversed_does_not_go_back_twice() -> None:
    desk = Desk()
    reference = paid(desk)
    assert desk.after("reverse", reference, 5_000, "upi_hdfc").status == "approved"
    _, answer = desk.bank.end_deemed(desk.db, reference, credited=False)
    assert answer.code == "TCC"
    assert [row[1] for row in moved(desk)] == ["PAY", "REVERSAL"]
