"""Settlement lines, batches, marts and conservation checks over a small ledger."""

from datetime import timedelta

import pytest

from tests.unit.warehouse.books import (
    DAY,
    MERCHANT,
    MERCHANT_ID,
    NEXT_DAY,
    PENDING,
    Books,
    noon,
)
from warehouse.connection import Warehouse
from warehouse.settlement import batches, settle_day

CHECKS = ("check_ledger_zero", "check_transactions_zero", "check_balances", "check_balance_steps")


def test_a_day_is_captures_less_refunds_fees_and_tax(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    books.capture("b", 50_000, noon(DAY))
    books.refund("c", 20_000, noon(DAY))
    books.capture("tomorrow", 7_000, noon(NEXT_DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert (batch.merchant_id, batch.count) == (MERCHANT, 3)
    assert (batch.gross_minor, batch.refunds_minor) == (150_000, 20_000)
    assert (batch.fees_minor, batch.tax_minor) == (3_000, 540)
    assert batch.net_minor == 150_000 - 20_000 - 3_000 - 540
    assert batch.settle_on == DAY + timedelta(days=1)
    assert warehouse.scalar("settlement_conservation", day=DAY) == 0
    wire = batch.wire(snapshot=7)
    assert (wire["merchant_id"], wire["net"], wire["snapshot"]) == (MERCHANT_ID, 126_460, 7)


def test_settling_again_gives_the_same_and_settled_money_is_not_counted(
    warehouse: Warehouse,
) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    before = settle_day(warehouse, DAY)
    books.pay_out("p", 97_640, noon(DAY))
    assert settle_day(warehouse, DAY) == before == batches(warehouse, DAY)


def test_a_day_of_refunds_alone_is_negative(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.refund("c", 20_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert batch.net_minor == -20_000


def test_the_trial_balance_foots_day_after_day(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    books.capture("b", 30_000, noon(NEXT_DAY))
    for day in (DAY, NEXT_DAY):
        warehouse.replace_day("mart_trial_balance", "mart_trial_balance", day=day)
        assert warehouse.scalar("check_trial_balance", day=day) == 0
    ((opening, credit, debit, closing),) = warehouse.rows(
        "SELECT opening_minor, credit_minor, debit_minor, closing_minor FROM mart_trial_balance"
        " WHERE account = $account AND business_date = $day",
        account=PENDING,
        day=NEXT_DAY,
    )
    assert (opening, credit, debit) == (97_640, 30_000, 708)
    assert closing == opening + credit - debit


def test_the_merchants_day(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    settle_day(warehouse, DAY)
    warehouse.replace_day("mart_merchant_day", "mart_merchant_day", day=DAY)
    (row,) = warehouse.rows("SELECT merchant_name, fees_minor, net_minor FROM mart_merchant_day")
    assert row == ("Chai & Sons", 2_000, 97_640)


def test_good_books_pass_every_check(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    books.refund("c", 20_000, noon(DAY))
    assert [warehouse.scalar(check) for check in CHECKS] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("check", "damage"),
    [
        ("check_ledger_zero", "UPDATE raw_entries SET amount_minor = 1 WHERE amount_minor = 2000"),
        ("check_transactions_zero", "DELETE FROM raw_entries WHERE amount_minor = 2000"),
        ("check_balances", "UPDATE raw_entries SET balance_after = 1 WHERE amount_minor = 2000"),
        ("check_balance_steps", "UPDATE raw_entries SET account_version = 9"),
    ],
)
def test_bad_books_are_found(warehouse: Warehouse, check: str, damage: str) -> None:
    Books(warehouse).capture("a", 100_000, noon(DAY))
    warehouse.execute(damage)
    assert warehouse.scalar(check) > 0
