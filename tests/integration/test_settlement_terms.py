"""Settlement by a merchant's terms: carry-forward, reserve, TDS, minimum, schedules, payouts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from online.attempts.returned import Returned
from online.kernel import ids
from online.kernel.bank_days import BankDays
from online.kernel.clock import IST, business_date
from online.kernel.errors import IllegalMove, InvalidRequest, NotFound
from online.ledger.pending import Sums
from online.merchants.domain import Merchant, NewTerms
from online.platform.lists import window
from online.rails.domain import Beneficiary
from online.settlements.domain import Batch, Settlement
from tests.fakes import APPROVED, DECLINED, UNKNOWN
from tests.house import META, PAYOUT_RAIL, House, house_on, payable_code, pending_code

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


async def merchant_with(house: House, **terms: Any) -> Merchant:
    made = await house.merchant()
    given = NewTerms(**terms)
    return await house.merchants.change_terms(made.id, given, lambda _: None, "admin:test")


def batch(merchant: Merchant, day: date, sums: Sums, **said: Any) -> Batch:
    return Batch(
        merchant_id=merchant.id,
        business_date=day,
        currency="INR",
        sums=sums,
        net_minor=sums.net_minor,
        count=1,
        **said,
    )


async def settle(
    house: House, merchant: Merchant, day: date, sums: Sums, **said: Any
) -> Settlement:
    (receipt,) = await house.settlements.take_in([batch(merchant, day, sums, **said)], META)
    assert receipt.status == "accepted", receipt
    assert receipt.settlement_id is not None
    return await house.settlements.get(receipt.settlement_id, merchant.id)


async def traded(house: House, merchant: Merchant, amount: int) -> date:
    """A day with one capture, and the next day come."""
    await house.pay(merchant, amount)
    day = business_date(house.clock.now())
    house.clock.advance(DAY)
    return day


# ── what is deducted, held, carried ──────────────────────────────────────────────────────


async def test_reserve_and_tax_are_taken_and_the_reserve_comes_back_on_its_day(house: House):
    merchant = await merchant_with(
        house, reserve_bps=1_000, reserve_days=3, tds_section="194-O", tds_bps=100
    )
    day = await traded(house, merchant, 10_000)
    found = await settle(
        house,
        merchant,
        day,
        Sums(gross_minor=10_000),
        carried_minor=0,
        reserve_minor=1_000,
        tds_minor=100,
        payout_minor=8_900,
    )
    assert (found.reserve_minor, found.tds_minor, found.payout_minor) == (1_000, 100, 8_900)
    tranche = f"merchant:{pending_code(merchant.id).split(':')[1]}:reserve:{found.reference}"
    books = await house.books()
    assert (books[tranche], books["tax:tds"]) == (1_000, 100)
    house.clock.advance(DAY)
    assert await house.settlements.run_due(META) == 0  # two days of three
    house.clock.advance(DAY)
    assert sum(await asyncio.gather(*(house.settlements.run_due(META) for _ in range(5)))) == 1
    books = await house.books()
    assert (tranche in books, books[pending_code(merchant.id)]) == (False, 1_000)
    released_on = business_date(house.clock.now())
    assert released_on == found.release_on
    house.clock.advance(DAY)
    later = await settle(house, merchant, released_on, Sums(released_minor=1_000))
    assert (later.released_minor, later.reserve_minor, later.payout_minor) == (1_000, 0, 1_000)
    await house.check_books()


async def test_the_rate_of_the_law_holds_where_terms_say_none(house: House):
    merchant = await merchant_with(house, tds_section="194-O")
    day = await traded(house, merchant, 1_000_050)
    found = await settle(house, merchant, day, Sums(gross_minor=1_000_050))
    assert (found.tds_minor, found.payout_minor) == (1_000, 999_050)  # 0.1 %, half to even


async def test_what_is_due_of_an_unpaid_period_is_taken_with_the_next_payout(house: House):
    merchant = await merchant_with(
        house, min_payout_minor=9_000, reserve_bps=1_000, reserve_days=30, tds_section="194-O",
        tds_bps=100,
    )  # fmt: skip
    day = await traded(house, merchant, 5_000)
    first = await settle(house, merchant, day, Sums(gross_minor=5_000), payout_minor=4_450)
    assert (first.status, first.carried_out_minor) == ("carried", 5_000)
    assert (first.reserve_due_minor, first.tds_due_minor) == (500, 50)
    assert (first.reserve_minor, first.tds_minor, first.payout_minor) == (0, 0, 0)
    assert (await house.books())[pending_code(merchant.id)] == 5_000
    day = await traded(house, merchant, 6_000)
    second = await settle(house, merchant, day, Sums(gross_minor=6_000))
    assert (second.carried_minor, second.reserve_minor, second.tds_minor) == (5_000, 1_100, 110)
    assert second.payout_minor == 11_000 - 1_210
    assert pending_code(merchant.id) not in await house.books()


async def test_refunds_after_the_period_are_not_paid_out_twice(house: House):
    """The merchant may not go below zero: today's refund already used yesterday's money."""
    merchant = await house.merchant(exposure_limit_minor=0)
    payment = await house.pay(merchant, 10_000)
    day = business_date(house.clock.now())
    house.clock.advance(DAY)
    await house.refund(payment, 4_000)
    found = await settle(house, merchant, day, Sums(gross_minor=10_000), payout_minor=10_000)
    assert (found.withheld_minor, found.payout_minor) == (4_000, 6_000)
    assert found.carried_out_minor == 4_000
    house.clock.advance(DAY)
    next_one = await settle(house, merchant, day + DAY, Sums(refunds_minor=4_000))
    assert (next_one.carried_minor, next_one.payout_minor) == (4_000, 0)
    assert next_one.carried_out_minor == 0
    await house.check_books()


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"carried_minor": 1}, "carried by 1"),
        ({"reserve_minor": 5}, "reserve by 5"),
        ({"tds_minor": 5}, "tds by 5"),
        ({"payout_minor": 9_999}, "payout by -1"),
    ],
)
async def test_each_number_that_differs_from_the_books_is_named(house: House, said, named):
    merchant = await house.merchant()
    day = await traded(house, merchant, 10_000)
    wrong = batch(merchant, day, Sums(gross_minor=10_000), **said)
    (receipt,) = await house.settlements.take_in([wrong], META)
    assert receipt.status == "refused"
    assert named in (receipt.detail or "")


# ── periods ──────────────────────────────────────────────────────────────────────────────


async def test_periods_follow_each_other_without_a_gap(house: House):
    merchant = await house.merchant()
    first = await traded(house, merchant, 1_000)
    second = await traded(house, merchant, 2_000)
    late = await settle(house, merchant, second, Sums(gross_minor=3_000))
    assert (late.starts_at, late.gross_minor) == (None, 3_000)
    (receipt,) = await house.settlements.take_in(
        [batch(merchant, first, Sums(gross_minor=1_000))], META
    )
    assert (receipt.status, receipt.param) == ("refused", "business_date")
    third = await traded(house, merchant, 4_000)
    begins = late.ends_at - timedelta(hours=1)
    gap = batch(merchant, third, Sums(gross_minor=4_000), starts_at=begins)
    (receipt,) = await house.settlements.take_in([gap], META)
    assert (receipt.status, receipt.param) == ("refused", "starts_at")
    next_one = await settle(house, merchant, third, Sums(gross_minor=4_000), starts_at=late.ends_at)
    assert next_one.starts_at == late.ends_at


async def test_a_week_is_one_settlement(house: House):
    today = business_date(house.clock.now())
    merchant = await merchant_with(
        house, settlement_schedule="weekly", settlement_weekday=(today + DAY).isoweekday()
    )
    first = await traded(house, merchant, 1_000)
    early = batch(merchant, first, Sums(gross_minor=1_000))
    (receipt,) = await house.settlements.take_in([early], META)
    assert (receipt.status, receipt.param) == ("refused", "business_date")
    second = await traded(house, merchant, 2_000)
    found = await settle(house, merchant, second, Sums(gross_minor=3_000))
    assert (found.business_date, found.payout_minor) == (second, 3_000)


async def test_cycles_of_a_day_are_settled_on_that_day(house: House):
    merchant = await merchant_with(
        house,
        settlement_days=0,
        settlement_schedule="cycles",
        settlement_cycles=("11:00", "15:00"),
        cutoff="19:00",
    )
    day = business_date(house.clock.now())

    def at(hour: int) -> datetime:
        return datetime(day.year, day.month, day.day, hour, tzinfo=IST)

    await house.pay(merchant, 1_000)  # at ten
    house.clock.at = at(12)
    await house.pay(merchant, 2_000)
    one = await settle(house, merchant, day, Sums(gross_minor=1_000), ends_at=at(11))
    assert (one.status, one.pay_on, one.payout_minor) == ("paid", day, 1_000)
    too_soon = batch(merchant, day, Sums(gross_minor=2_000), ends_at=at(15))
    (receipt,) = await house.settlements.take_in([too_soon], META)
    assert receipt.detail == "this business day is not over"
    house.clock.at = at(20)
    await house.pay(merchant, 4_000)  # after the cut-off: tomorrow's
    both = [
        batch(merchant, day, Sums(), ends_at=at(19)),
        batch(merchant, day, Sums(gross_minor=2_000), ends_at=at(15)),
    ]
    last, middle = await house.settlements.take_in(both, META)
    assert (last.status, middle.status) == ("accepted", "accepted")
    assert (last.payout_minor, middle.payout_minor) == (0, 2_000)
    other = batch(merchant, day, Sums(), ends_at=at(17))
    (receipt,) = await house.settlements.take_in([other], META)
    assert receipt.detail == "no period of this merchant ends there"
    assert (await house.books())[pending_code(merchant.id)] == 4_000


async def test_a_settlement_waits_for_the_bank_day_it_is_paid_on(house: House):
    merchant = await house.merchant()
    day = business_date(house.clock.now())
    rest = frozenset(day + n * DAY for n in (1, 2))
    rules = house.settlements._with.rules
    house.settlements._intake._with = replace(
        house.settlements._intake._with, rules=replace(rules, bank_days=BankDays(rest))
    )
    await traded(house, merchant, 1_000)
    found = await settle(house, merchant, day, Sums(gross_minor=1_000))
    assert (found.status, found.pay_on > day + 2 * DAY) == ("created", True)
    assert (await house.books())[payable_code(merchant.id)] == 1_000
    while business_date(house.clock.now()) < found.pay_on:
        assert await house.settlements.run_due(META) == 0
        house.clock.advance(DAY)
    assert sum(await asyncio.gather(*(house.settlements.run_due(META) for _ in range(5)))) == 1
    paid = await house.settlements.get(found.id, None)
    assert (paid.status, paid.utr) == ("paid", APPROVED.rail_reference)
    assert len(house.rails[PAYOUT_RAIL].asked) == 1


async def test_fifty_calls_at_once_settle_each_day_once(house: House):
    merchants = [await house.merchant() for _ in range(3)]
    days = []
    for amount in (1_000, 2_000):
        for merchant in merchants:
            await house.pay(merchant, amount)
        days.append(business_date(house.clock.now()))
        house.clock.advance(DAY)
    batches = [
        batch(merchant, day, Sums(gross_minor=amount))
        for merchant in merchants
        for day, amount in zip(days, (1_000, 2_000), strict=True)
    ]
    answers = await asyncio.gather(*(house.settlements.take_in(batches, META) for _ in range(50)))
    statuses = [receipt.status for receipts in answers for receipt in receipts]
    assert (statuses.count("accepted"), statuses.count("exists")) == (6, 294)
    assert await house.count("settlements") == 6
    assert sum(asked.amount_minor for asked in house.rails[PAYOUT_RAIL].asked) == 9_000
    await house.check_books()


# ── the lines ────────────────────────────────────────────────────────────────────────────


async def test_lines_sum_to_the_net_and_page(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 300_000, method="card")
    await house.refund(payment, 1_000)
    day = await traded(house, merchant, 10_000)
    await house.pay(merchant, 77_000)  # the next day's
    sums = Sums(gross_minor=310_000, refunds_minor=1_000, fees_minor=5_400, tax_minor=972)
    found = await settle(house, merchant, day, sums)
    after, seen = None, []
    while True:
        asked = window("ent", 2, after)
        rows = await house.settlements.lines(found.id, merchant.id, asked)
        seen += rows[:2]
        if len(rows) < 3:
            break
        after = ids.encode("ent", rows[1].id)
    assert sum(line.amount_minor for line in seen) == found.net_minor
    assert len({line.id for line in seen}) == len(seen) == 4
    with pytest.raises(NotFound):
        await house.settlements.lines(found.id, payment.id, window("ent", 2, None))
    listed = await house.settlements.list(merchant.id, window("stl", 5, None))
    assert [each.id for each in listed] == [found.id]


# ── payouts that fail, come back, are sent again ─────────────────────────────────────────


async def test_a_payout_that_failed_is_sent_again_once(house: House):
    merchant = await house.merchant()
    day = await traded(house, merchant, 1_000)
    house.rails[PAYOUT_RAIL].next.append(DECLINED)
    failed = await settle(house, merchant, day, Sums(gross_minor=1_000))
    assert failed.status == "payout_failed"
    calls = [house.settlements.pay_again(failed.id, lambda _: None, META) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, Settlement) for each in answers) == 1, answers
    again = await house.settlements.get(failed.id, None)
    assert (again.status, again.utr) == ("paid", APPROVED.rail_reference)
    assert again.payout_attempt_id != failed.payout_attempt_id
    with pytest.raises(IllegalMove):
        await house.settlements.pay_again(failed.id, lambda _: None, META)
    assert len(house.rails[PAYOUT_RAIL].asked) == 2
    assert (await house.books())[f"payouts:{PAYOUT_RAIL}:in_transit"] == 1_000
    await house.check_books()


async def test_a_payout_that_comes_back_after_it_was_paid_is_payable_again(house: House):
    merchant = await house.merchant()
    day = await traded(house, merchant, 1_000)
    paid = await settle(house, merchant, day, Sums(gross_minor=1_000))
    assert paid.payout_attempt_id is not None
    back = Returned(
        attempt_id=paid.payout_attempt_id, amount_minor=1_000, returned_on=day + DAY, code="R03"
    )
    with pytest.raises(InvalidRequest):
        await house.returns.record(replace(back, amount_minor=999), META)
    told = await asyncio.gather(*(house.returns.record(back, META) for _ in range(5)))
    assert sum(each is not None for each in told) == 1
    books = await house.books()
    assert books[payable_code(merchant.id)] == 1_000
    assert f"payouts:{PAYOUT_RAIL}:in_transit" not in books
    again = await house.settlements.pay_again(paid.id, lambda _: None, META)
    assert again.status == "paid"
    assert await house.returns.record(back, META) is None  # the old one, told once more
    assert payable_code(merchant.id) not in await house.books()
    await house.check_books()


async def test_the_answer_of_a_call_counts_though_an_enquiry_came_between(house: House):
    merchant = await house.merchant()
    day = await traded(house, merchant, 1_000)
    rail = house.rails[PAYOUT_RAIL]
    original = rail.payout

    async def slow(request: Any) -> Any:
        outcome = await original(request)
        rail.enquiries.append(UNKNOWN)
        attempt = await house.open_attempt("payout")
        await house.payouts.resolve(attempt, META)
        return outcome

    rail.payout = slow  # type: ignore[method-assign]
    found = await settle(house, merchant, day, Sums(gross_minor=1_000))
    assert (found.status, found.utr) == ("paid", APPROVED.rail_reference)


async def test_a_new_account_is_paid_into_after_a_while(house: House):
    merchant = await house.merchant()
    old = Beneficiary(account="123456789012", ifsc="HDFC0000123", name="CHAI POINT")
    new = Beneficiary(account="999999999999", ifsc="ICIC0000123", name="CHAI POINT")
    first = await house.settlements.change_beneficiary(merchant.id, old, actor="admin:test")
    assert first.usable_from == house.clock.now()
    await traded(house, merchant, 1_000)
    second = await house.settlements.change_beneficiary(merchant.id, new, actor="admin:test")
    assert second.usable_from == house.clock.now() + DAY
    assert second.masked == "XXXXXXXX9999"
    assert await house.settlements.change_beneficiary(merchant.id, new, actor="x") == second
    day = business_date(house.clock.now()) - DAY
    await settle(house, merchant, day, Sums(gross_minor=1_000))
    day = await traded(house, merchant, 2_000)
    await settle(house, merchant, day, Sums(gross_minor=2_000))
    paid_to = [asked.beneficiary.account for asked in house.rails[PAYOUT_RAIL].asked]
    assert paid_to == [old.account, new.account]


async def test_what_is_settled_for_a_merchant_that_pays_out_itself_stays_payable(house: House):
    merchant = await merchant_with(
        house, payouts="on_demand", reserve_bps=1_000, reserve_days=3, settlement_days=3
    )
    day = await traded(house, merchant, 1_000)
    settled = await settle(house, merchant, day, Sums(gross_minor=1_000), reserve_minor=100)
    assert (settled.status, settled.payout_attempt_id) == ("payable", None)
    assert (await house.books())[payable_code(merchant.id)] == 900
    house.clock.advance(3 * DAY)
    assert await house.settlements.run_due(META) == 1  # the reserve, and nothing is sent
    assert house.rails[PAYOUT_RAIL].asked == []
    found = await house.settlements.get(settled.id, merchant.id)
    assert (found.status, found.reserve_released_on is None) == ("payable", False)
    with pytest.raises(IllegalMove):
        await house.settlements.pay_again(settled.id, lambda _: None, META)
    await house.check_books()


async def test_what_waits_for_its_day_stays_payable_once_the_contract_says_so(house: House):
    merchant = await merchant_with(house, settlement_days=3)
    day = await traded(house, merchant, 1_000)
    settled = await settle(house, merchant, day, Sums(gross_minor=1_000))
    assert settled.status == "created"
    terms = NewTerms(payouts="on_demand")
    await house.merchants.change_terms(merchant.id, terms, lambda _: None, "test")
    house.clock.advance(3 * DAY)
    assert await house.settlements.run_due(META) == 0
    found = await house.settlements.get(settled.id, merchant.id)
    assert (found.status, found.payout_attempt_id) == ("payable", None)
    assert (await house.books())[payable_code(merchant.id)] == 1_000
