"""Settlement lines, batches, marts and conservation checks over a small ledger."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from online.kernel.money import divide_half_even
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
from warehouse.settlement import Batch, batches, settle_day

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


def accept(warehouse: Warehouse, batch: Batch, *, payout: int) -> None:
    """What online says once it has taken a batch in: the event, without its postings."""
    data = {
        "business_date": batch.business_date.isoformat(),
        "currency": batch.currency,
        "gross": batch.gross_minor,
        "refunds": batch.refunds_minor,
        "fees": batch.fees_minor,
        "tax": batch.tax_minor,
        "net": batch.net_minor,
        "count": batch.count,
        "carried": batch.carried_minor,
        "starts_at": batch.starts_at.isoformat() if batch.starts_at else None,
        "ends_at": batch.ends_at.isoformat(),
        "payout": payout,
        "reserve": batch.reserve_minor if payout else 0,
        "reserve_due": batch.reserve_minor,
        "tds": batch.tds_minor if payout else 0,
        "tds_due": batch.tds_minor,
        "carried_out": batch.carried_minor + batch.net_minor - payout,
        "pay_on": batch.settle_on.isoformat(),
    }
    warehouse.execute(
        "INSERT INTO raw_events (id, aggregate_id, event_type, merchant_id, data)"
        " VALUES (uuid(), uuid(), 'settlement.created', $merchant, $data)",
        merchant=batch.merchant_id,
        data=json.dumps(data),
    )


def under(warehouse: Warehouse, **terms: Any) -> None:
    changed = ", ".join(f"{name} = ${name}" for name in terms)
    warehouse.execute(f"UPDATE raw_merchants SET {changed}", **terms)


def test_settling_again_gives_the_same(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    before = settle_day(warehouse, DAY)
    assert settle_day(warehouse, DAY) == before == batches(warehouse, DAY)


def test_what_online_accepted_stays_and_is_not_settled_again(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    accept(warehouse, batch, payout=97_640)
    books.pay_out("p", 97_640, noon(NEXT_DAY))
    (kept,) = settle_day(warehouse, DAY)
    assert kept == replace(batch, is_accepted=True)
    assert settle_day(warehouse, NEXT_DAY) == []
    books.capture("late", 10_000, noon(DAY))  # posted after its day was settled
    (late,) = settle_day(warehouse, NEXT_DAY)
    assert (late.net_minor, late.carried_minor, late.payout_minor) == (0, 9_764, 9_764)


def test_a_negative_period_is_carried_into_the_next(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.refund("c", 20_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert (batch.net_minor, batch.payout_minor) == (-20_000, 0)
    assert batch.carried_out_minor == -20_000
    accept(warehouse, batch, payout=0)
    books.capture("a", 100_000, noon(NEXT_DAY))
    (after,) = settle_day(warehouse, NEXT_DAY)
    assert (after.starts_at, after.carried_minor) == (batch.ends_at, -20_000)
    assert after.payout_minor == 97_640 - 20_000


def test_a_day_that_was_missed_is_in_the_next_one(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    books.capture("b", 100_000, noon(NEXT_DAY))
    (batch,) = settle_day(warehouse, NEXT_DAY)
    assert (batch.gross_minor, batch.carried_minor, batch.count) == (200_000, 0, 2)


def test_a_cutover_ends_what_another_system_settled(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY - timedelta(days=1)))
    books.post(
        "cutover", "before", [(PENDING, -97_640), ("bank:hdfc", 97_640)],
        noon(DAY - timedelta(days=1), 5),
    )  # fmt: skip
    books.capture("b", 50_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert (batch.gross_minor, batch.carried_minor) == (50_000, 0)


@pytest.mark.parametrize(
    ("bps", "tds_bps", "reserve", "tds"),
    [(1_000, 100, 10_000, 1_000), (5, 0, 50, 0), (1, 1, 10, 10)],
)
def test_reserve_and_tax_are_shares_of_gross(
    warehouse: Warehouse, bps: int, tds_bps: int, reserve: int, tds: int
) -> None:
    books = Books(warehouse)
    under(warehouse, reserve_bps=bps, reserve_days=90, tds_section="194-O", tds_bps=tds_bps)
    books.capture("a", 100_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert (batch.reserve_minor, batch.tds_minor) == (reserve, tds)
    assert batch.payout_minor == 97_640 - reserve - tds


def test_shares_are_rounded_as_money_is(warehouse: Warehouse) -> None:
    amounts = [0, 1, 4_999, 5_000, 5_001, 15_000, 25_000, 10**15 + 5_000]
    rates = [0, 1, 3, 9_999, 10_000]
    found = warehouse.rows(
        "SELECT amount, bps, bps_of(amount, bps) FROM (SELECT unnest($amounts::BIGINT[]) AS amount)"
        " CROSS JOIN (SELECT unnest($rates) AS bps)",
        amounts=amounts,
        rates=rates,
    )
    assert len(found) == len(amounts) * len(rates)
    for amount, bps, share in found:
        assert share == divide_half_even(amount * bps, 10_000), (amount, bps)


def test_the_laws_rate_holds_on_its_days(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    under(warehouse, tds_section="194-O")
    books.capture("a", 100_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert batch.tds_minor == 100


def test_less_than_the_minimum_waits_with_what_is_due_of_it(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    under(warehouse, min_payout_minor=100_000, reserve_bps=1_000, reserve_days=90)
    books.capture("a", 100_000, noon(DAY))
    (batch,) = settle_day(warehouse, DAY)
    assert (batch.owed_minor, batch.payout_minor) == (87_640, 0)
    assert batch.carried_out_minor == 97_640
    accept(warehouse, batch, payout=0)
    books.capture("b", 100_000, noon(NEXT_DAY))
    (after,) = settle_day(warehouse, NEXT_DAY)
    assert (after.carried_minor, after.reserve_minor) == (97_640, 20_000)
    assert after.payout_minor == 2 * 97_640 - 20_000


def test_a_week_ends_on_its_day(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    under(warehouse, settlement_schedule="weekly", settlement_weekday=NEXT_DAY.isoweekday())
    books.capture("a", 100_000, noon(DAY))
    books.capture("b", 100_000, noon(NEXT_DAY))
    assert settle_day(warehouse, DAY) == []
    (batch,) = settle_day(warehouse, NEXT_DAY)
    assert batch.gross_minor == 200_000


def test_cycles_of_a_day_follow_each_other(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    under(
        warehouse, settlement_schedule="cycles", settlement_cycles=["11:00", "15:00"],
        cutoff="19:00", settlement_days=0,
    )  # fmt: skip
    for name, minutes in (("a", -120), ("b", 60), ("c", 120), ("d", 240), ("e", 480)):
        books.capture(name, 10_000, noon(DAY, minutes))
    made = settle_day(warehouse, DAY)
    assert [batch.gross_minor for batch in made] == [10_000, 20_000, 10_000]
    assert [batch.starts_at for batch in made[1:]] == [batch.ends_at for batch in made[:2]]
    assert [batch.carried_minor for batch in made] == [0, 0, 0]
    assert {batch.settle_on for batch in made} == {DAY}


def test_a_period_that_is_not_over_is_left_alone(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    warehouse.execute(
        "INSERT INTO ingest_watermark VALUES ('e', 'entries', 1, $at)", at=noon(DAY, 60)
    )
    assert settle_day(warehouse, DAY) == []


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
