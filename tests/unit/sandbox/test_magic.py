"""Every magic value: what the bank answers, and what an enquiry says afterwards."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from online.kernel.errors import NotFound
from online.sandbox import documentation, magic, wire
from online.sandbox.behaviour import BEHAVIOURS, Outcome, When
from tests.unit.sandbox.banking import Desk, answered, card, upi

# value, answer at once (None: none), held, status and code of an enquiry later (None: not found)
VPAS = [
    ("success@khata", "approved", False, ("approved", "00")),
    ("anybody@okaxis", "approved", False, ("approved", "00")),
    ("SUCCESS@KHATA", "approved", False, ("approved", "00")),
    ("decline@khata", "declined", False, ("declined", "ZA")),
    ("insufficient@khata", "declined", False, ("declined", "Z9")),
    ("wrongpin@khata", "declined", False, ("declined", "ZM")),
    ("timeout@khata", "approved", True, ("approved", "00")),
    ("timeoutfail@khata", "declined", True, ("declined", "U30")),
    ("lost@khata", None, True, None),
    ("pending@khata", "pending", False, ("approved", "00")),
    ("techfail@khata", "failed", False, ("failed", "UP")),
    ("credit@khata", "approved", False, ("approved", "00")),
    ("wallet@khata", "approved", False, ("approved", "00")),
    ("creditline@khata", "approved", False, ("approved", "00")),
]
CARDS = [
    ("4242424242424242", "approved", False, ("approved", "00")),
    ("5555555555554444", "approved", False, ("approved", "00")),
    ("4111110000000013", "approved", False, ("approved", "00")),
    ("4111110000000014", "declined", False, ("declined", "14")),
    ("4000000000000002", "declined", False, ("declined", "05")),
    ("4000000000009995", "declined", False, ("declined", "51")),
    ("4000000000009987", "declined", False, ("declined", "41")),
    ("4000000000009979", "declined", False, ("declined", "43")),
    ("4000000000000069", "declined", False, ("declined", "54")),
    ("4000000000000127", "declined", False, ("declined", "N7")),
    ("4000000000000119", "failed", False, ("failed", "96")),
    ("4000000000006801", "approved", True, ("approved", "00")),
    ("4000000000006702", "declined", True, ("declined", "05")),
    ("4000000000003220", "pending", False, ("pending", "01")),
    ("4000000000003063", "approved", False, ("approved", "00")),
    ("4000000000000259", "approved", False, ("approved", "00")),
    ("4000000000000101", "declined", False, ("declined", "N7")),
    ("4000000000000010", "approved", False, ("approved", "00")),
]
AMOUNTS = [
    (100_051, "declined", False, ("declined", "Z9"), ("declined", "51")),
    (100_068, "approved", True, ("approved", "00"), ("approved", "00")),
    (100_067, "declined", True, ("declined", "U30"), ("declined", "05")),
]


def _check(
    desk: Desk, rail: str, amount: int, part: dict[str, object], row: tuple[object, ...]
) -> None:
    status, held, later = row
    reply = desk.send(rail, "authorize", amount, **part)
    assert (reply.answer.status if reply.answer else None) == status
    assert reply.held == held
    desk.clock.advance(timedelta(seconds=2))
    if later is None:
        with pytest.raises(NotFound):
            desk.enquire(desk.last, rail)
        return
    found = desk.enquire(desk.last, rail)
    assert (found.status, found.code) == later
    assert desk.enquire(desk.last, rail) == found
    moved = desk.db.execute("select count(*) from movements").fetchone()[0]
    assert moved == (1 if found.status == "approved" else 0)


@pytest.mark.parametrize("row", VPAS, ids=lambda row: row[0])
def test_vpa(row: tuple[object, ...]) -> None:
    _check(Desk(), "upi_hdfc", 5_000, {"upi": upi(str(row[0]))}, row[1:])


@pytest.mark.parametrize("row", CARDS, ids=lambda row: row[0])
def test_card(row: tuple[object, ...]) -> None:
    _check(Desk(), "card_a", 5_000, {"card": card(str(row[0]))}, row[1:])


@pytest.mark.parametrize("row", AMOUNTS, ids=lambda row: str(row[0]))
def test_amount(row: tuple[int, str, bool, tuple[str, str], tuple[str, str]]) -> None:
    amount, status, held, by_upi, by_card = row
    _check(Desk(), "upi_icici", amount, {"upi": upi()}, (status, held, by_upi))
    _check(Desk(), "card_b", amount, {"card": card()}, (status, held, by_card))


@pytest.mark.parametrize(
    ("pan", "cvc", "checks"),
    [
        ("4242424242424242", "123", ("U", "M", "07", "none")),
        ("4242424242424242", None, ("U", "P", "07", "none")),
        ("5555555555554444", "123", ("U", "M", "00", "none")),
        ("4000000000003063", "123", ("U", "M", "05", "frictionless")),
        ("4000000000000010", "123", ("N", "M", "07", "none")),
        ("4000000000000101", "123", ("U", "N", "07", "none")),
        ("4000000000000002", "123", ("U", "M", "07", "none")),
    ],
)
def test_what_an_issuer_finds(pan: str, cvc: str | None, checks: tuple[str, ...]) -> None:
    desk = Desk()
    part = wire.CardPart(pan, 12, 2031, cvc)
    answer = answered(desk.send("card_a", "authorize", 5_000, card=part))
    assert answer.checks is not None
    assert msgspec.structs.astuple(answer.checks) == checks


def test_a_network_token_keeps_its_own_indicator() -> None:
    desk = Desk()
    part = wire.CardPart("4895370012003478", 12, 2031, None, "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "05")
    answer = answered(desk.send("card_a", "authorize", 5_000, card=part))
    assert answer.checks is not None
    assert answer.checks.eci == "05"
    stored = str([tuple(row) for row in desk.db.execute("select * from operations")])
    assert "AJkBAAAA" not in stored
    assert "4895370012003478" not in stored


def test_a_broken_issuer_finds_nothing() -> None:
    desk = Desk()
    answer = answered(desk.send("card_a", "authorize", 5_000, card=card("4000000000000119")))
    assert answer.checks is None


@pytest.mark.parametrize(
    ("vpa", "funding"),
    [
        ("credit@khata", "rupay_credit"),
        ("wallet@khata", "ppi"),
        ("creditline@khata", "credit_line"),
        ("asha@ybl", "bank"),
        ("decline@khata", None),
    ],
)
def test_where_a_upi_payment_comes_from(vpa: str, funding: str | None) -> None:
    desk = Desk()
    assert answered(desk.send("upi_hdfc", "authorize", 5_000, upi=upi(vpa))).funding == funding


@pytest.mark.parametrize(
    ("amount", "ends"), [(100_160, ("approved", "00")), (100_161, ("declined", "46"))]
)
def test_a_refund_that_ends_later(amount: int, ends: tuple[str, str]) -> None:
    desk = Desk()
    paid = desk.pay(150_000, rail="card_a")
    reply = desk.send("card_a", "refund", amount, original_reference=paid)
    assert (answered(reply).status, reply.when) == ("pending", When.LATER)
    refund = desk.last
    assert desk.enquire(refund, "card_a").status == "pending"
    # What is under way cannot be refunded twice.
    assert desk.after("refund", paid, 49_841, "card_a").code == "61"
    desk.clock.advance(timedelta(seconds=2))
    found = desk.enquire(refund, "card_a")
    assert (found.status, found.code) == ends
    assert desk.enquire(refund, "card_a") == found
    left = 150_000 - amount if ends[0] == "approved" else 150_000
    assert desk.after("refund", paid, left + 1, "card_a").code == "61"
    assert desk.after("refund", paid, left, "card_a").status == "approved"


def test_the_tables_are_all_tested() -> None:
    named = {f"{name}@khata" for name in BEHAVIOURS}
    numbered = {magic.behaviour_card(name) for name in BEHAVIOURS}
    assert set(magic.VPAS) - named <= {row[0] for row in VPAS}
    assert set(magic.CARDS) - numbered <= {row[0] for row in CARDS}
    payment_amounts = {n for n, rule in magic.AMOUNTS.items() if "authorize" in rule.operations}
    assert payment_amounts == {row[0] for row in AMOUNTS}


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (100_151, Outcome("declined", "51", "Insufficient funds")),
        (100_167, Outcome("declined", "05", "Do not honour", When.HELD)),
        (100_168, Outcome("approved", "00", "Approved", When.HELD)),
    ],
)
@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_amounts_of_later_operations(amount: int, expected: Outcome, operation: str) -> None:
    desk = Desk()
    paid = desk.pay(500_000, rail="card_a", capture=operation == "refund")
    reply = desk.send("card_a", operation, amount, original_reference=paid)  # type: ignore[arg-type]
    answer = answered(reply)
    assert (answer.status, answer.code) == (expected.status, expected.code)
    assert reply.held == (expected.when is When.HELD)


def test_all_magic_cards_have_a_valid_check_digit_or_are_listed() -> None:
    no = magic.of_card("4242424242424241")
    assert no is not None
    assert no.code == "14"
    assert magic.luhn_valid("4242424242424242")


def test_an_expired_card_is_declined() -> None:
    desk = Desk()
    expired = card()
    expired = type(expired)(expired.pan, 10, 2026)
    answer = answered(desk.send("card_a", "authorize", 5_000, card=expired))
    assert (answer.status, answer.code) == ("declined", "54")


def test_the_page_says_what_the_tables_say() -> None:
    written = Path(__file__).parents[3] / "docs" / "sandbox.md"
    assert written.read_text(encoding="utf-8") == documentation.page()
