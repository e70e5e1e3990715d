"""Settlements against PostgreSQL: a batch is accepted when it equals the books, and paid once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from online.kernel.clock import business_date
from online.kernel.errors import InvalidRequest, NotFound
from online.ledger.pending import Sums
from online.merchants.domain import Merchant
from online.settlements.domain import Batch
from online.work.domain import State
from tests.fakes import APPROVED, DECLINED, FAILED, NOT_FOUND, PENDING, UNKNOWN
from tests.house import META, PAYOUT_RAIL, House, house_on, payable_code, pending_code

pytestmark = pytest.mark.anyio

# One UPI payment of 10,000 (no fee) and one card payment of 300,000 (MDR 5,400, GST 972).
SUMS = Sums(gross_minor=310_000, refunds_minor=0, fees_minor=5_400, tax_minor=972)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


async def traded(house: House) -> tuple[Merchant, date]:
    """A merchant with a day of captures, and the next day come."""
    merchant = await house.merchant()
    await house.pay(merchant, 10_000)
    await house.pay(merchant, 300_000, method="card")
    day = business_date(house.clock.now())
    house.clock.advance(timedelta(days=1))
    return merchant, day


def batch(merchant: Merchant, day: date, sums: Sums = SUMS, **changes: Any) -> Batch:
    made = Batch(
        merchant_id=merchant.id,
        business_date=day,
        currency="INR",
        sums=sums,
        net_minor=sums.net_minor,
        count=2,
        snapshot=7,
    )
    return msgspec.structs.replace(made, **changes)


async def test_a_batch_that_equals_the_books_is_settled_and_paid(house: House):
    merchant, day = await traded(house)
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert (receipt.status, receipt.difference_minor) == ("accepted", 0)
    assert receipt.settlement_id is not None
    settlement = await house.settlements.get(receipt.settlement_id, merchant.id)
    assert (settlement.status, settlement.utr) == ("paid", APPROVED.rail_reference)
    assert settlement.payout_attempt_id == receipt.payout_attempt_id
    net = SUMS.net_minor
    books = await house.books()
    assert pending_code(merchant.id) not in books
    assert payable_code(merchant.id) not in books
    assert books[f"payouts:{PAYOUT_RAIL}:in_transit"] == net
    (payout,) = house.rails[PAYOUT_RAIL].asked
    assert (payout.amount_minor, payout.beneficiary.name) == (net, merchant.name)
    await house.check_books()


async def test_the_same_batch_again_changes_nothing(house: House):
    merchant, day = await traded(house)
    (first,) = await house.settlements.take_in([batch(merchant, day)], META)
    (again,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert again == msgspec.structs.replace(first, status="exists")
    assert len(house.rails[PAYOUT_RAIL].asked) == 1


async def test_twice_in_one_call_and_in_two_calls_at_once_pays_once(house: House):
    merchant, day = await traded(house)
    calls = await asyncio.gather(
        *(house.settlements.take_in([batch(merchant, day)] * 2, META) for _ in range(5))
    )
    statuses = sorted(receipt.status for receipts in calls for receipt in receipts)
    assert statuses == ["accepted"] + ["exists"] * 9
    assert len(house.rails[PAYOUT_RAIL].asked) == 1
    assert await house.count("settlements") == 1


@pytest.mark.parametrize(
    ("changes", "difference", "named"),
    [
        ({"gross_minor": 310_001}, 1, "gross by 1"),
        ({"refunds_minor": 10}, -10, "refunds by 10"),
        ({"disputes_minor": 10}, -10, "disputes by 10"),
        ({"refunds_minor": 10, "disputes_minor": -10}, 0, "refunds by 10, disputes by -10"),
        ({"fees_minor": 5_399}, 1, "fees by -1"),
        ({"tax_minor": 0}, 972, "tax by -972"),
        ({"fees_minor": 5_401, "tax_minor": 971}, 0, "fees by 1, tax by -1"),
    ],
)
async def test_any_sum_that_differs_is_refused(house: House, changes, difference, named):
    merchant, day = await traded(house)
    wrong = batch(merchant, day, msgspec.structs.replace(SUMS, **changes))
    (receipt,) = await house.settlements.take_in([wrong], META)
    assert (receipt.status, receipt.difference_minor) == ("refused", difference)
    assert named in (receipt.detail or "")
    assert await house.count("settlements") == 0


async def test_a_net_that_does_not_follow_from_its_parts_is_refused(house: House):
    merchant, day = await traded(house)
    (receipt,) = await house.settlements.take_in([batch(merchant, day, net_minor=1)], META)
    assert (receipt.status, receipt.difference_minor) == ("refused", 1 - SUMS.net_minor)


async def test_a_day_that_is_not_over_is_refused(house: House):
    merchant, day = await traded(house)
    house.clock.advance(timedelta(days=-1))
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert (receipt.status, receipt.param) == ("refused", "business_date")


async def test_one_bad_batch_does_not_stop_the_others(house: House):
    merchant, day = await traded(house)
    stranger = msgspec.structs.replace(merchant, id=merchant.id.__class__(int=5))
    wrong = batch(merchant, day + timedelta(days=-1))
    receipts = await house.settlements.take_in(
        [batch(stranger, day), wrong, batch(merchant, day)], META
    )
    assert [receipt.status for receipt in receipts] == ["refused", "refused", "accepted"]


async def test_refunds_of_the_day_count_whenever_they_end(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    await house.refund(payment, 1_000)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    await house.refund(payment, 2_000)
    day = business_date(house.clock.now())
    house.clock.advance(timedelta(days=1))
    house.rails["upi_hdfc"].enquiries.append(DECLINED)
    await house.refunds.resolve(await house.open_attempt("refund"), META)
    # The refund that failed comes back on the day it fails.
    first = Sums(gross_minor=10_000, refunds_minor=3_000)
    house.clock.advance(timedelta(days=1))
    second = Sums(refunds_minor=-2_000)
    receipts = await house.settlements.take_in(
        [batch(merchant, day, first), batch(merchant, day + timedelta(days=1), second)], META
    )
    assert [receipt.status for receipt in receipts] == ["accepted", "accepted"]
    assert (await house.books())[f"payouts:{PAYOUT_RAIL}:in_transit"] == 9_000


async def test_a_negative_day_is_carried_and_deducted_from_the_next(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    first = business_date(house.clock.now())
    house.clock.advance(timedelta(days=1))
    (paid,) = await house.settlements.take_in(
        [batch(merchant, first, Sums(gross_minor=10_000))], META
    )
    await house.refund(payment, 4_000)
    house.clock.advance(timedelta(days=1))
    owed = batch(merchant, first + timedelta(days=1), Sums(refunds_minor=4_000))
    (receipt,) = await house.settlements.take_in([owed], META)
    assert (receipt.status, receipt.payout_attempt_id) == ("accepted", None)
    assert receipt.settlement_id is not None
    carried = await house.settlements.get(receipt.settlement_id, None)
    assert (carried.status, carried.carried_out_minor) == ("carried", -4_000)
    assert (await house.books())[pending_code(merchant.id)] == -4_000
    await house.pay(merchant, 5_000)
    house.clock.advance(timedelta(days=1))
    (last,) = await house.settlements.take_in(
        [batch(merchant, first + timedelta(days=2), Sums(gross_minor=5_000))], META
    )
    assert (paid.payout_minor, receipt.payout_minor, last.payout_minor) == (10_000, 0, 1_000)
    assert pending_code(merchant.id) not in await house.books()
    assert await house.count("ledger_transactions where kind = 'settlement'") == 2
    await house.check_books()


@pytest.mark.parametrize("said", [DECLINED, FAILED])
async def test_a_payout_that_fails_comes_back_to_payable(house: House, said):
    merchant, day = await traded(house)
    house.rails[PAYOUT_RAIL].next.append(said)
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert receipt.settlement_id is not None
    settlement = await house.settlements.get(receipt.settlement_id, None)
    assert settlement.status == "payout_failed"
    assert (await house.books())[payable_code(merchant.id)] == SUMS.net_minor
    await house.check_books()


@pytest.mark.parametrize(
    ("said", "status"),
    [(APPROVED, "paid"), (DECLINED, "payout_failed"), (NOT_FOUND, "payout_sent")],
)
@pytest.mark.parametrize("first", [UNKNOWN, PENDING])
async def test_recovery_asks_what_became_of_a_payout(house: House, first, said, status):
    merchant, day = await traded(house)
    house.rails[PAYOUT_RAIL].next.append(first)
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert receipt.settlement_id is not None
    settlement = await house.settlements.get(receipt.settlement_id, None)
    assert settlement.status == "payout_sent"
    house.rails[PAYOUT_RAIL].enquiries.append(said)
    resolved = await house.payouts.resolve(await house.open_attempt("payout"), META)
    assert resolved is not None
    assert resolved.status == status
    assert len(house.rails[PAYOUT_RAIL].asked) == 1


async def test_the_schedule_shows_when_a_day_is_paid_and_what_became_of_it(house: House):
    merchant, day = await traded(house)
    await house.settlements.take_in([batch(merchant, day)], META)
    _, items = await house.settlements.schedule(merchant.id)
    by_day = {item.business_date: item for item in items}
    assert len(by_day) == len(items) == 22
    assert by_day[day].pay_on > day
    assert [each.status for each in by_day[day].settlements] == ["paid"]
    assert by_day[day + timedelta(days=1)].settlements == []


async def test_a_settlement_belongs_to_its_merchant(house: House):
    merchant, day = await traded(house)
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    assert receipt.settlement_id is not None
    other = await house.merchant()
    with pytest.raises(NotFound):
        await house.settlements.get(receipt.settlement_id, other.id)


# ── asking for one ───────────────────────────────────────────────────────────────────────


async def test_a_request_is_the_same_for_the_same_fields(house: House):
    one, two = await house.merchant(), await house.merchant()
    day = business_date(house.clock.now())
    first = await house.settlements.request(day, [one.id, two.id], livemode=False)
    again = await house.settlements.request(day, [two.id, one.id, two.id], livemode=False)
    assert first.id == again.id
    everybody = await house.settlements.request(day, None, livemode=False)
    assert everybody.id != first.id
    assert everybody.params["merchants"] == ["all"]
    with pytest.raises(InvalidRequest):
        await house.settlements.request(day + timedelta(days=1), None, livemode=False)


async def test_work_is_claimed_once_when_its_day_is_over(house: House):
    day = business_date(house.clock.now())
    asked = await house.settlements.request(day, None, livemode=False)
    assert await house.work.claim(["settlement"], 10, livemode=False) == []
    house.clock.advance(timedelta(days=1))
    assert await house.work.claim(["statement"], 10, livemode=False) == []
    claims = await asyncio.gather(
        *(house.work.claim(["settlement"], 10, livemode=False) for _ in range(5))
    )
    assert [work.id for claim in claims for work in claim] == [asked.id]
    done = await house.work.finish(asked.id, State.DONE, {"run_id": "1"}, livemode=False)
    assert (done.state, done.result) == ("done", {"run_id": "1"})


async def test_a_claim_that_was_never_reported_is_given_out_again(house: House):
    asked = await house.settlements.request(
        business_date(house.clock.now()) - timedelta(days=1), None, livemode=False
    )
    assert len(await house.work.claim(["settlement"], 10, livemode=False)) == 1
    house.clock.advance(timedelta(minutes=16))
    assert [w.id for w in await house.work.claim(["settlement"], 1, livemode=False)] == [asked.id]


async def test_failed_work_is_queued_again_by_asking_again(house: House):
    day = business_date(house.clock.now()) - timedelta(days=1)
    asked = await house.settlements.request(day, None, livemode=False)
    await house.work.finish(asked.id, State.FAILED, {}, livemode=False)
    again = await house.settlements.request(day, None, livemode=False)
    assert (again.id, again.state) == (asked.id, "queued")
