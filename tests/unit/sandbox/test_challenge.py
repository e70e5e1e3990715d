"""A payment that waits for its payer: the card's page, the UPI links, and a void while it waits."""

from datetime import timedelta

import pytest

from online.kernel.errors import Conflict, NotFound
from online.sandbox import wire
from online.sandbox.challenge import origin_of, rupees
from online.sandbox.wire import Answer
from tests.unit.sandbox.banking import Desk, answered, card, upi

CHALLENGED = "4000000000003220"


def _challenge(desk: Desk, **fields: object) -> Answer:
    return answered(desk.send("card_a", "authorize", 5_000, card=card(CHALLENGED), **fields))


def test_the_payer_confirms_on_a_page() -> None:
    desk = Desk()
    answer = _challenge(desk, return_url="https://shop.example/done")
    assert (answer.status, answer.code, answer.checks) == ("pending", "01", None)
    action = answer.next_action
    assert action is not None
    assert (action.type, action.qr) == ("redirect", None)
    assert action.link == f"http://127.0.0.1:8090/3ds/{desk.last}"
    assert action.return_url == "https://shop.example/done"
    assert desk.db.execute("select count(*) from movements").fetchone() == (0,)
    for _ in range(2):
        _, done = desk.bank.payer_acts(desk.db, desk.last, approves=True)
        assert (done.status, done.rail_reference) == ("approved", answer.rail_reference)
        assert done.checks == wire.Checks("U", "P", "05", "challenged")
        assert done.auth_code is not None
    assert desk.db.execute("select count(*) from movements").fetchone() == (1,)
    with pytest.raises(Conflict):
        desk.bank.payer_acts(desk.db, desk.last, approves=False)


def test_the_payer_does_not_confirm_or_is_too_late() -> None:
    desk = Desk()
    _challenge(desk)
    _, done = desk.bank.payer_acts(desk.db, desk.last, approves=False)
    assert (done.status, done.code) == ("declined", "3DS-N")
    assert done.checks == wire.Checks("U", "P", "07", "failed")
    _challenge(desk)
    desk.clock.advance(timedelta(seconds=899))
    assert desk.enquire(desk.last, "card_a").status == "pending"
    desk.clock.advance(timedelta(seconds=1))
    assert desk.enquire(desk.last, "card_a").code == "3DS-T"
    assert desk.bank.challenged(desk.db, desk.last).answer.code == "3DS-T"
    assert desk.db.execute("select count(*) from movements").fetchone() == (0,)


def test_a_confirmed_authorization_is_captured_afterwards() -> None:
    desk = Desk()
    _challenge(desk, capture=False)
    paid = desk.last
    assert desk.after("capture", paid, 5_000, "card_a").code == "12"
    desk.bank.payer_acts(desk.db, paid, approves=True)
    assert desk.after("capture", paid, 5_000, "card_a").status == "approved"


def test_only_a_challenge_has_a_page() -> None:
    desk = Desk()
    desk.pay(5_000, rail="card_a")
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi(None))
    for reference in ("att_nobody", f"att_{1:026d}", desk.last):
        with pytest.raises(NotFound):
            desk.bank.challenged(desk.db, reference)


@pytest.mark.parametrize("rail", ["upi_hdfc", "card_a"])
def test_a_void_ends_the_wait(rail: str) -> None:
    desk = Desk()
    part = {"upi": upi(None)} if rail == "upi_hdfc" else {"card": card(CHALLENGED)}
    desk.send(rail, "authorize", 5_000, **part)
    waiting = desk.last
    assert desk.after("void", waiting, 5_000, rail).status == "approved"
    ended = desk.enquire(waiting, rail)
    assert (ended.status, ended.code) == ("declined", "17")
    with pytest.raises(Conflict):
        desk.bank.payer_acts(desk.db, waiting, approves=True)
    assert desk.after("void", waiting, 5_000, rail).code == "12"
    assert desk.db.execute("select count(*) from movements").fetchone() == (0,)


def test_a_collect_request_is_in_the_payers_app_already() -> None:
    desk = Desk()
    answer = answered(
        desk.send("upi_hdfc", "authorize", 5_000, upi=upi("pending@khata", "collect"))
    )
    assert (answer.status, answer.next_action) == ("pending", None)


def test_a_payer_chooses_what_to_pay_from() -> None:
    desk = Desk()
    desk.send("upi_hdfc", "authorize", 5_000, upi=upi(None, "qr"))
    _, done = desk.bank.payer_acts(desk.db, desk.last, approves=True, funding="rupay_credit")
    assert done.funding == "rupay_credit"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example/done?x=1", "https://shop.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://[::1]:8443/x", "https://[::1]:8443"),
        ("https://shop.example", "https://shop.example"),
        ("https://a@shop.example/", ""),
        ("https://shop.example;script-src/", ""),
        ("https://shop.example\n/x", ""),
        ("javascript:alert(1)", ""),
        ("//shop.example/", ""),
        ("https:///x", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_way_back_is_a_plain_address(url: str | None, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("minor", "shown"),
    [(1, "₹0.01"), (99_999, "₹999.99"), (100_000, "₹1,000.00"), (12_499_900, "₹1,24,999.00")],
)
def test_rupees(minor: int, shown: str) -> None:
    assert rupees(minor) == shown
