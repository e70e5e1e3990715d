"""What finance starts its morning with: trial balance, cover of other people's money, pictures."""

import base64

import dagster as dg

from tests.integration.test_assets import House, checks, metadata
from tests.integration.test_assets import house as house  # noqa: PLC0414 - a fixture
from tests.unit.warehouse.books import DAY, MERCHANT_ID, PENDING, Books, noon

SAFE = dg.AssetSelection.assets("mart_safeguarding")
COVERED = "mart_safeguarding.client_money_is_covered"
OTHER_PENDING = PENDING.replace(MERCHANT_ID, "mrc_01jcz0000000000000000000zz")


def _received(books: Books, minor: int) -> None:
    """Captured and come in: the rail owes nothing any more."""
    books.capture("paid", minor, noon(DAY))
    legs = [("bank:hdfc", -minor), ("rail:upi_hdfc:receivable", minor)]
    books.post("bank_credit", "came", legs, noon(DAY, minute=5))


def test_what_was_received_covers_what_is_owed(house: House) -> None:
    books = Books(house.warehouse)
    _received(books, 10_000)
    books.capture("tomorrow", 7_000, noon(DAY, minute=9))  # the rail has not paid this yet
    result = house.run(SAFE, DAY)
    assert result.success
    ((required, bank, cover),) = house.warehouse.rows(
        "SELECT required_minor, bank_minor, cover_minor FROM mart_safeguarding"
    )
    # Our own part of both captures (236 and 165) is no other people's money.
    assert (required, bank, cover) == (10_000 - 236 - 165, 10_000, 401)
    assert checks(result)[COVERED]
    assert metadata(result, "mart_safeguarding")["sum_cover_minor"] == 401


def test_money_taken_out_of_the_escrow_bank_shows(house: House) -> None:
    books = Books(house.warehouse)
    _received(books, 10_000)
    books.post("draw", "d1", [("bank:hdfc", 237), ("costs:other", -237)], noon(DAY, minute=6))
    result = house.run(SAFE, DAY)
    assert not checks(result)[COVERED]
    assert house.warehouse.rows("SELECT cover_minor FROM mart_safeguarding") == [(-1,)]


def test_a_merchant_in_debt_covers_no_other(house: House) -> None:
    books = Books(house.warehouse)
    _received(books, 10_000)
    # Refunds took one merchant below zero; the bank has paid them, and nobody else's money may.
    books.accounts[OTHER_PENDING] = books.account("nobody:yet")
    house.warehouse.execute(
        "UPDATE raw_accounts SET code = $code, merchant_id = uuid() WHERE code = 'nobody:yet'",
        code=OTHER_PENDING,
    )
    legs = [(OTHER_PENDING, -3_000), ("bank:hdfc", 3_000)]
    books.post("refund_paid", "r1", legs, noon(DAY, minute=7))
    result = house.run(SAFE, DAY)
    assert not checks(result)[COVERED]
    assert house.warehouse.rows("SELECT cover_minor FROM mart_safeguarding") == [(-2_764,)]


def test_the_trial_balance_is_drawn(house: House) -> None:
    _received(Books(house.warehouse), 10_000)
    selection = dg.AssetSelection.assets("mart_trial_balance")
    picture = metadata(house.run(selection, DAY), "mart_trial_balance")["balances"]
    head, _, rest = picture.partition("base64,")
    assert head.endswith("(data:image/png;")
    assert base64.b64decode(rest.rstrip(")")).startswith(b"\x89PNG")
