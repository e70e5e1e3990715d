"""What a bank allows: captures, voids, refunds, the payer's act, one effect a key."""

from datetime import date, datetime, timedelta

import pytest

from online.kernel.clock import IST
from online.kernel.errors import Conflict, IdempotencyKeyReused, NotFound
from online.sandbox.records import bank_day
from tests.unit.sandbox.banking import Desk, answered, upi


def test_capture_takes_no_more_than_was_authorized() -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a", capture=False)
    assert desk.after("capture", paid, 4_000, "card_a").status == "approved"
    assert desk.after("capture", paid, 6_001, "card_a").code == "61"
    assert desk.after("capture", paid, 6_000, "card_a").status == "approved"
    assert desk.after("capture", paid, 1, "card_a").code == "12"


def test_void_releases_what_is_left_once() -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a", capture=False)
    assert desk.after("void", paid, 10_000, "card_a").status == "approved"
    assert desk.after("void", paid, 10_000, "card_a").code == "12"
    assert desk.after("capture", paid, 1, "card_a").code == "12"
    assert desk.db.execute("select count(*) from movements").fetchone() == (0,)


@pytest.mark.parametrize("through_capture", [True, False])
def test_refunds_stop_at_what_was_captured(through_capture: bool) -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a", capture=not through_capture)
    if through_capture:
        assert desk.after("refund", paid, 1, "card_a").code == "61"
        assert desk.after("capture", paid, 10_000, "card_a").status == "approved"
        paid = desk.last
    assert desk.after("refund", paid, 9_999, "card_a").status == "approved"
    assert desk.after("refund", paid, 2, "card_a").code == "61"
    assert desk.after("refund", paid, 1, "card_a").status == "approved"


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
def test_an_unknown_original_is_declined(operation: str) -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a")
    for original, rail in (("att_nobody", "card_a"), (paid, "card_b")):
        answer = desk.after(operation, original, 100, rail)  # type: ignore[arg-type]
        assert (answer.status, answer.code) == ("declined", "25")


def test_a_declined_payment_has_nothing_to_refund() -> None:
    desk = Desk()
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi("decline@khata"))
    assert desk.after("refund", desk.last, 100, "upi_hdfc").code == "12"


def test_the_payer_approves_a_link_once() -> None:
    desk = Desk()
    answer = answered(desk.send("upi_hdfc", "authorize", 12_345, upi=upi(None)))
    assert answer.status == "pending"
    assert answer.next_action is not None
    assert answer.next_action.link.startswith("upi://pay?pa=khata@hdfcbank&pn=Khata&tid=HDF")
    assert "&am=123.45&cu=INR&mode=04" in answer.next_action.link
    assert desk.enquire(desk.last).status == "pending"
    for _ in range(2):
        rail, done = desk.bank.payer_acts(desk.db, desk.last, approves=True)
        assert (rail, done.status) == ("upi_hdfc", "approved")
    assert done.rail_reference == answer.rail_reference
    assert desk.db.execute("select count(*) from movements").fetchone() == (1,)
    with pytest.raises(Conflict):
        desk.bank.payer_acts(desk.db, desk.last, approves=False)


def test_the_payer_declines_or_is_too_late() -> None:
    desk = Desk()
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi(None, "qr"))
    assert desk.bank.payer_acts(desk.db, desk.last, approves=False)[1].code == "ZA"
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi(None, "qr"))
    desk.clock.advance(timedelta(seconds=900))
    assert desk.bank.payer_acts(desk.db, desk.last, approves=True)[1].code == "U69"
    assert desk.enquire(desk.last).code == "U69"
    with pytest.raises(NotFound):
        desk.bank.payer_acts(desk.db, "att_nobody", approves=True)


def test_one_key_has_one_effect() -> None:
    desk = Desk()
    first = desk.send("upi_hdfc", "authorize", 5_000, upi=upi(), reference="att_one")
    again = desk.send("upi_hdfc", "authorize", 5_000, upi=upi(), reference="att_one")
    assert again.answer == first.answer
    with pytest.raises(IdempotencyKeyReused):
        desk.send("upi_hdfc", "authorize", 5_001, upi=upi(), reference="att_one")
    with pytest.raises(Conflict):
        desk.send("upi_hdfc", "authorize", 5_000, upi=upi(), reference="att_one", key="other")
    assert desk.db.execute("select count(*) from movements").fetchone() == (1,)


def test_a_timed_out_answer_is_there_for_the_second_call() -> None:
    desk = Desk()
    first = desk.send(
        "upi_hdfc", "authorize", 5_000, upi=upi("timeout@khata"), reference="att_held"
    )
    again = desk.send(
        "upi_hdfc", "authorize", 5_000, upi=upi("timeout@khata"), reference="att_held"
    )
    assert (first.held, again.held) == (True, False)
    assert again.answer == first.answer


def test_reference_numbers_have_the_shapes_of_the_trade() -> None:
    desk = Desk()
    by_upi = answered(desk.send("upi_icici", "authorize", 5_000, upi=upi()))
    assert by_upi.rail_reference.startswith("6320")  # 2026, day 320
    assert len(by_upi.rail_reference) == 12
    assert by_upi.network_reference is not None
    assert len(by_upi.network_reference) == 35
    desk.payout(5_000)
    utr = desk.enquire(desk.last, "bank_hdfc").rail_reference
    assert utr.startswith("HDFCN26320")
    assert len(utr) == 16


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 15, 21, 0, 0, tzinfo=IST), date(2026, 11, 15)),
        (datetime(2026, 11, 15, 21, 0, 0, 1, tzinfo=IST), date(2026, 11, 16)),
        (datetime(2026, 11, 16, 0, 0, 0, tzinfo=IST), date(2026, 11, 16)),
        (datetime(2026, 11, 16, 21, 0, 0, tzinfo=IST), date(2026, 11, 16)),
        (datetime(2026, 11, 16, 21, 0, 1, tzinfo=IST), date(2026, 11, 17)),
    ],
)
def test_a_bank_day_ends_at_nine_in_the_evening(at: datetime, expected: date) -> None:
    assert bank_day(at) == expected
