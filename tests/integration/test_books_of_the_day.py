"""What finance starts its morning with: trial balance, cover of other people's money, pictures,
files that have not come."""

import base64
import json

import dagster as dg

from assets.late_files import no_file_is_late
from assets.reconciliation import suspense_is_the_open_breaks
from online.kernel import ids
from online.kernel.clock import FixedClock
from online.sandbox import camt, switch_file
from tests.integration.test_assets import House, checks, metadata
from tests.integration.test_assets import house as house  # noqa: PLC0414 - a fixture
from tests.unit.warehouse.books import (
    DAY,
    MERCHANT_ID,
    NEXT_DAY,
    PENDING,
    Books,
    bank_file,
    credit,
    noon,
    rail_file,
    rail_line,
)

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


LATE = dg.AssetSelection.checks(no_file_is_late)


def _late(house: House) -> tuple[bool, str]:
    (found,) = house.run(LATE).get_asset_check_evaluations()
    return found.passed, str(found.metadata["files"].value)


def test_a_rail_that_sends_nothing_is_late_once_its_hour_has_passed(house: House) -> None:
    reference = Books(house.warehouse).capture("paid", 10_000, noon(DAY))
    assert house.run(dg.AssetSelection.assets("stg_ledger_rows"), DAY).success
    passed, files = _late(house)  # noon of the next day
    assert not passed
    assert "upi_hdfc" in files
    assert "card_a" not in files  # our books have nothing with it
    settled = rail_file([rail_line(reference, 10_000, noon(DAY))], DAY)
    house.receive("switch.csv", switch_file.render(settled))
    assert "upi_hdfc" not in _late(house)[1]


def test_nothing_is_late_before_its_hour(house: House) -> None:
    Books(house.warehouse).capture("paid", 10_000, noon(DAY))
    assert house.run(dg.AssetSelection.assets("stg_ledger_rows"), DAY).success
    house.clock = FixedClock(noon(DAY, minute=60))
    assert "upi_hdfc" not in _late(house)[1]


def test_a_bank_statement_that_came_is_not_awaited(house: House) -> None:
    house.clock = FixedClock(noon(NEXT_DAY))
    _, before = _late(house)
    settled = rail_file([rail_line("att_x", 10_000, noon(DAY))], DAY)
    house.receive("bank.xml", camt.render(bank_file(DAY, 0, credit(settled))))
    _, after = _late(house)
    assert before.count("bank") == after.count("bank") + 1


SUSPENSE = dg.AssetSelection.checks(suspense_is_the_open_breaks)


def _break_event(house: House, name: str, version: int, kind: str, minor: int) -> None:
    data = {"currency": "INR", "suspense_account": "suspense:bank", "suspense": minor}
    house.warehouse.execute(
        "INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version, data,"
        " livemode) VALUES (uuid(), $id, 'break', $kind, $version, $data, false)",
        id=ids.derived("break", name),
        kind=kind,
        version=version,
        data=json.dumps(data),
    )


def _suspense_is_right(house: House) -> bool:
    (found,) = house.run(SUSPENSE).get_asset_check_evaluations()
    return found.passed


def test_suspense_is_what_open_breaks_have_put_there(house: House) -> None:
    legs = [("bank:hdfc", -700), ("suspense:bank", 700)]
    Books(house.warehouse).post("unexpected_credit", "u1", legs, noon(DAY))
    assert not _suspense_is_right(house)  # money without a break
    _break_event(house, "a", 1, "break.opened", 700)
    assert _suspense_is_right(house)
    _break_event(house, "a", 2, "break.closed", 700)
    assert not _suspense_is_right(house)  # closed, and its money is still there
    _break_event(house, "a", 3, "break.opened", 700)
    assert _suspense_is_right(house)
    _break_event(house, "b", 1, "break.opened", 1)
    assert not _suspense_is_right(house)  # a break without money
