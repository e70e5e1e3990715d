"""A settlement's transition table, what a period comes to, what differs from the books, periods."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.bank_days import BankDays
from online.kernel.clock import IST
from online.kernel.errors import IllegalMove
from online.kernel.events import Occurred
from online.ledger.pending import Standing, Sums
from online.merchants.domain import Merchant
from online.settlements import periods
from online.settlements.domain import (
    TRANSITIONS,
    Batch,
    Left,
    Settlement,
    Status,
    apply,
    difference,
    reckon,
    settlement_id,
)
from online.settlements.rules import load_settlement_rules
from tests.builders import MERCHANT as MERCHANT_OF_TERMS

AT = datetime(2026, 11, 17, 19, 30, tzinfo=UTC)
MERCHANT, ATTEMPT = UUID(int=4), UUID(int=5)
DAY = date(2026, 11, 16)
ENDS = datetime(2026, 11, 17, tzinfo=IST)
SUMS = Sums(gross_minor=1_100, refunds_minor=200, disputes_minor=100, fees_minor=18, tax_minor=3)
BATCH = Batch(
    merchant_id=MERCHANT, business_date=DAY, currency="INR", sums=SUMS, net_minor=779, count=3
)
REFERENCE = ids.encode("att", ATTEMPT)
CREATED = ev.SettlementCreated(
    merchant_id=ids.encode("mrc", MERCHANT),
    business_date="2026-11-16",
    currency="INR",
    gross=1_100,
    refunds=200,
    disputes=100,
    fees=18,
    tax=3,
    reserve=110,
    net=779,
    count=3,
    warehouse_snapshot=12,
    starts_at=ENDS - timedelta(days=1),
    ends_at=ENDS,
    carried=-50,
    reserve_due=110,
    tds_due=11,
    tds=11,
    payout=608,
    carried_out=0,
    pay_on="2026-11-17",
    release_on="2027-02-14",
)
EVENTS = (
    CREATED,
    ev.SettlementCarried(carried_out=0),
    ev.SettlementPayoutSent(attempt_id=REFERENCE, amount=608),
    ev.SettlementPaid(attempt_id=REFERENCE, utr="HDFCN12026111700001"),
    ev.SettlementPayoutFailed(attempt_id=REFERENCE, code="05"),
    ev.SettlementPayoutReturned(
        attempt_id=REFERENCE, amount=608, returned_on="2026-11-18", code="R03"
    ),
    ev.SettlementReserveReleased(amount=110, business_date="2027-02-14"),
    ev.SettlementMadePayable(),
)
PAID = EVENTS[3]


def occurred(event: ev.Event, version: int = 1) -> Occurred:
    return Occurred(
        aggregate_id=UUID(int=9),
        version=version,
        at=AT,
        merchant_id=MERCHANT,
        livemode=False,
        event=event,
    )


def settlement(status: Status = Status.CREATED) -> Settlement:
    return msgspec.structs.replace(apply(None, occurred(EVENTS[0])), status=status)


@pytest.mark.parametrize(("status", "event"), list(product([None, *Status], EVENTS)))
def test_the_table_says_every_move_and_no_other(status, event):
    state = None if status is None else settlement(status)
    if (status, type(event)) in TRANSITIONS:
        assert apply(state, occurred(event, 2)).status is TRANSITIONS[status, type(event)]
    else:
        with pytest.raises(IllegalMove):
            apply(state, occurred(event, 2))


def test_every_status_is_reached():
    assert set(TRANSITIONS.values()) == set(Status)


def test_the_row_is_what_was_said():
    row = settlement()
    assert (row.gross_minor, row.refunds_minor, row.disputes_minor) == (1_100, 200, 100)
    assert (row.fees_minor, row.tax_minor, row.net_minor) == (18, 3, 779)
    assert (row.reserve_minor, row.tds_minor, row.payout_minor) == (110, 11, 608)
    assert (row.pay_on, row.warehouse_snapshot) == (date(2026, 11, 17), 12)
    assert row.left == Left()
    sent = apply(row, occurred(EVENTS[2], 2))
    assert sent.payout_attempt_id == ATTEMPT
    paid = apply(sent, occurred(PAID, 3))
    assert paid.utr == "HDFCN12026111700001"
    back = apply(paid, occurred(EVENTS[5], 4))
    assert (back.status, back.payout_code) == ("returned", "R03")
    again = apply(back, occurred(EVENTS[2], 5))
    assert (again.status, again.utr, again.payout_code) == ("payout_sent", None, None)
    assert apply(again, occurred(EVENTS[6], 6)).reserve_released_on == date(2027, 2, 14)


def test_an_event_of_before_there_were_periods_is_a_day():
    old = ev.SettlementCreated(
        merchant_id=ids.encode("mrc", MERCHANT), business_date="2026-11-16", currency="INR",
        gross=100, refunds=0, fees=0, tax=0, reserve=0, net=100, count=1,
    )  # fmt: skip
    row = apply(None, occurred(old))
    assert (row.starts_at, row.ends_at) == (ENDS - timedelta(days=1), ENDS)
    assert (row.payout_minor, row.carried_out_minor, row.pay_on) == (100, 0, DAY)
    assert apply(None, occurred(replace(old, net=-5))).carried_out_minor == -5


def test_a_settlement_is_known_by_where_it_begins():
    first = settlement_id(MERCHANT, "INR", None)
    assert first != settlement_id(MERCHANT, "INR", ENDS)
    assert settlement_id(MERCHANT, "INR", ENDS) == settlement_id(
        MERCHANT, "INR", ENDS.astimezone(UTC)
    )


# ── what a period comes to ───────────────────────────────────────────────────────────────


def terms(**changed: Any) -> Merchant:
    known: dict[str, Any] = {
        "id": MERCHANT_OF_TERMS, "name": "Chai", "mcc": "5814", "state_code": "27",
        "settlement_days": 1, "exposure_limit_minor": 0, "mdr_on_refund": "kept",
        "size": "standard", "requires_signature": False, "version": 1, "livemode": False,
        "created_at": AT, "legal_name": "Chai",
    }  # fmt: skip
    return Merchant(**known | changed)


def standing(*, carried: int = 0, balance: int | None = None, sums: Sums = SUMS) -> Standing:
    there = carried + sums.net_minor if balance is None else balance
    return Standing(sums=sums, carried_minor=carried, balance_minor=there)


@pytest.mark.parametrize(
    ("given", "left", "agreed", "tds_bps", "payout", "carried_out"),
    [
        (standing(), Left(), {}, 0, 779, 0),
        (standing(carried=-50), Left(), {}, 0, 729, 0),
        (standing(carried=-779), Left(), {}, 0, 0, 0),
        (standing(carried=-780), Left(), {}, 0, 0, -1),
        (standing(), Left(), {"min_payout_minor": 779}, 0, 779, 0),
        (standing(), Left(), {"min_payout_minor": 780}, 0, 0, 779),
        (standing(), Left(), {"reserve_bps": 1_000, "reserve_days": 1}, 100, 658, 0),
        (standing(), Left(reserve_minor=40, tds_minor=4), {}, 0, 735, 0),
        (standing(balance=700), Left(), {}, 0, 700, 79),  # refunds since have used 79
        (standing(balance=-5), Left(), {}, 0, 0, 779),
        (standing(balance=10_000), Left(), {}, 0, 779, 0),
    ],
)
def test_what_a_period_comes_to(given, left, agreed, tds_bps, payout, carried_out):
    books = reckon(given, left, terms(**agreed), tds_bps)
    assert (books.payout_minor, books.carried_out_minor) == (payout, carried_out)
    before = given.carried_minor + given.sums.net_minor
    assert before == books.posted_minor + books.carried_out_minor


def test_gross_that_went_back_takes_no_reserve():
    books = reckon(
        standing(sums=Sums(gross_minor=-500)), Left(), terms(reserve_bps=1_000, reserve_days=1), 100
    )
    assert (books.reserve_due_minor, books.tds_due_minor, books.payout_minor) == (0, 0, 0)


@pytest.mark.parametrize(
    ("sums", "net", "gap"),
    [
        (SUMS, 779, None),
        (replace(SUMS, gross_minor=1_101), 779, -1),
        (replace(SUMS, refunds_minor=199, fees_minor=19), 779, 0),
        (replace(SUMS, refunds_minor=300, disputes_minor=0), 779, 0),
        (SUMS, 780, 1),
    ],
)
def test_every_sum_is_compared(sums, net, gap):
    books = reckon(standing(sums=sums), Left(), terms(), 0)
    found = difference(msgspec.structs.replace(BATCH, net_minor=net), books)
    assert bool(found) is (gap is not None)
    assert found.net_minor == (gap or 0)


# ── periods ──────────────────────────────────────────────────────────────────────────────


def test_a_day_ends_at_its_cutoff():
    assert periods.ends_on(terms(), DAY) == [ENDS]
    assert periods.ends_on(terms(cutoff="20:30"), DAY) == [
        datetime(2026, 11, 16, 20, 30, tzinfo=IST)
    ]
    cycles = terms(
        settlement_schedule="cycles", settlement_cycles=("11:00", "15:30"), cutoff="19:00"
    )
    assert [end.hour for end in periods.ends_on(cycles, DAY)] == [11, 15, 19]
    weekly = terms(settlement_schedule="weekly", settlement_weekday=1)
    assert periods.ends_on(weekly, DAY) == [ENDS]
    assert periods.ends_on(weekly, DAY + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("agreed", "day", "on"),
    [
        ({}, DAY, date(2026, 11, 17)),
        ({}, date(2026, 11, 13), date(2026, 11, 16)),
        ({"settlement_days": 0}, DAY, date(2026, 11, 17)),  # the day is over only then
        ({"settlement_days": 0, "cutoff": "19:00"}, DAY, DAY),
        ({"settlement_days": 0, "cutoff": "19:00"}, date(2026, 11, 15), DAY),
        ({"settlement_days": 2}, date(2026, 11, 20), date(2026, 11, 23)),
    ],
)
def test_a_period_is_paid_on_a_bank_day_after_it(agreed, day, on):
    merchant = terms(**agreed)
    (ends_at,) = periods.ends_on(merchant, day)
    assert periods.pay_on(BankDays(), merchant, day, ends_at) == on


def test_the_rate_of_the_law_changes_on_its_day():
    rules = load_settlement_rules(Path("config"))
    days = {date(2020, 9, 30): 0, date(2021, 3, 31): 75, date(2024, 9, 30): 100, DAY: 10}
    assert {day: rules.tds_bps("194-O", day) for day in days} == days
    assert rules.tds_bps(None, DAY) == 0
