"""Refunds under a merchant's contract: what goes back of the fee, and money already settled."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from online.kernel.clock import business_date
from online.kernel.errors import InsufficientFunds
from online.ledger.charged import Charged, charged, returned
from online.ledger.pending import Sums
from online.ledger.recipes import Tax
from online.merchants.domain import Merchant, NewTerms
from online.settlements.domain import Batch
from tests.fakes import APPROVED, DECLINED, NOT_FOUND, PENDING, UNKNOWN
from tests.house import META, House, house_on, pending_code

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


async def change(house: House, merchant: Merchant, **terms: Any) -> Merchant:
    return await house.merchants.change_terms(
        merchant.id, NewTerms(**terms), lambda _: None, "admin:test"
    )


async def balance(house: House, merchant: Merchant) -> int:
    return (await house.books()).get(pending_code(merchant.id), 0)


# ── the fee goes back ────────────────────────────────────────────────────────────────────


async def test_a_kept_fee_stays_ours(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 3_000_00, method="card")
    refund = await house.refund(payment)
    assert (refund.mdr_on_refund, refund.fee_returned_minor, refund.tax_returned_minor) == (
        "kept", 0, 0,
    )  # fmt: skip
    assert await house.books() == {
        pending_code(merchant.id): -63_72, "fees:mdr": 54_00, "tax:igst": 9_72,
    }  # fmt: skip


@pytest.mark.parametrize("state_code", ["27", "29"])
async def test_a_returned_fee_leaves_nothing_on_the_books(house: House, state_code):
    merchant = await house.merchant(mdr_on_refund="returned", state_code=state_code)
    payment = await house.pay(merchant, 3_000_01, method="card")
    for amount in (1, 999_99, 1_234_56, None):
        await house.refund(payment, amount)
        house.clock.advance(timedelta(seconds=1))
    assert await house.books() == {}
    found = await house.refunds.of_payment(payment.id)
    assert sum(each.fee_returned_minor for each in found) == payment.fee_minor == 54_00
    assert sum(each.tax_returned_minor for each in found) == payment.tax_minor == 9_72
    assert [each.amount_minor for each in found] == [1, 999_99, 1_234_56, 765_45]
    await house.check_books()


async def test_it_goes_back_when_the_refund_is_sure_and_not_before(house: House):
    merchant = await house.merchant(mdr_on_refund="returned")
    payment = await house.pay(merchant, 3_000_00, method="card")
    house.rails["card_a"].next.append(PENDING)
    refund = await house.refund(payment, 1_500_00)
    assert (refund.status, refund.fee_returned_minor) == ("pending", 0)
    assert await balance(house, merchant) == 3_000_00 - 63_72 - 1_500_00
    house.rails["card_a"].enquiries.append(APPROVED)
    done = await house.refunds.resolve(await house.open_attempt("refund"), META)
    assert done is not None
    assert (done.status, done.fee_returned_minor, done.tax_returned_minor) == (
        "succeeded", 27_00, 4_86,
    )  # fmt: skip
    assert await balance(house, merchant) == 1_500_00 - 31_86
    (back,) = await house.rows(
        "select cause, metadata from ledger_transactions where kind = 'fee_returned'"
    )
    assert back[0] == refund.attempt_id
    assert back[1]["refund_id"].startswith("rfd_")


async def test_a_refund_that_fails_returns_no_fee(house: House):
    merchant = await house.merchant(mdr_on_refund="returned")
    payment = await house.pay(merchant, 3_000_00, method="card")
    house.rails["card_a"].next.append(DECLINED)
    assert (await house.refund(payment)).status == "failed"
    assert await balance(house, merchant) == 3_000_00 - 63_72
    await house.refund(payment)
    assert await house.books() == {}


async def test_many_at_once_return_what_was_charged_once(house: House):
    merchant = await house.merchant(mdr_on_refund="returned")
    payment = await house.pay(merchant, 3_000_07, method="card")
    await asyncio.gather(*(house.refund(payment, 428_57 + (n == 0) * 8) for n in range(7)))
    assert (await house.payments.get(payment.id, merchant.id)).status == "refunded"
    assert await house.books() == {}
    await house.check_books()


async def test_captures_in_parts_return_what_each_was_charged(house: House):
    """The first capture is exempt from GST, the second is not: all of it is returned."""
    merchant = await house.merchant(mdr_on_refund="returned")
    payment = await house.pay(merchant, 5_000_00, method="card", capture=False)
    await house.capture(payment, 1_500_00)
    first = await house.refund(payment, 1_000_00)
    assert (first.fee_returned_minor, first.tax_returned_minor) == (18_00, 0)
    payment = await house.capture(payment, 3_500_00)
    assert (payment.fee_minor, payment.tax_minor) == (27_00 + 63_00, 11_34)
    last = await house.refund(payment)
    assert last.amount_minor == 4_000_00
    assert (last.fee_returned_minor, last.tax_returned_minor) == (72_00, 11_34)
    assert await house.books() == {}


async def test_the_contract_of_the_day_it_was_asked_for_holds(house: House):
    merchant = await house.merchant(mdr_on_refund="kept")
    payment = await house.pay(merchant, 3_000_00, method="card")
    await house.refund(payment, 1_000_00)
    house.rails["card_a"].next.append(UNKNOWN)
    await house.refund(payment, 500_00)
    await change(house, merchant, mdr_on_refund="returned")
    last = await house.refund(payment, 1_500_00)
    # Its own half; what refunds under the old contract left with us stays.
    assert (last.fee_returned_minor, last.tax_returned_minor) == (27_00, 4_86)
    house.rails["card_a"].enquiries.append(APPROVED)
    earlier = await house.refunds.resolve(await house.open_attempt("refund"), META)
    assert earlier is not None
    assert (earlier.status, earlier.fee_returned_minor) == ("succeeded", 0)


async def test_what_captures_were_charged_is_read_from_the_books(house: House):
    merchant = await house.merchant(mdr_on_refund="returned", state_code="29")
    payment = await house.pay(merchant, 3_000_00, method="card")
    await house.pay(merchant, 9_000_00, method="card")  # somebody else's
    refund = await house.refund(payment, 1_000_00)
    async with house.database.connection() as connection:
        attempts = await house.attempts.of_payment(connection, payment.id)
        causes = [attempt.id for attempt in attempts]
        taken = await charged(connection, causes)
        back = await returned(connection, causes)
        nothing = await charged(connection, [])
    assert taken == Charged(
        amount_minor=3_000_00, fee_minor=54_00, tax=Tax(cgst_minor=4_86, sgst_minor=4_86)
    )
    assert back == Charged(
        amount_minor=refund.fee_returned_minor + refund.tax_returned_minor,
        fee_minor=18_00,
        tax=Tax(cgst_minor=1_62, sgst_minor=1_62),
    )
    assert nothing == Charged()


# ── the rail takes its time ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "status", "pending"),
    [
        (APPROVED, "succeeded", 4_000),
        (DECLINED, "failed", 10_000),
        (PENDING, "pending", 4_000),
        (UNKNOWN, "unknown", 4_000),
        (NOT_FOUND, "unknown", 4_000),
    ],
)
async def test_a_pending_refund_is_asked_about(house: House, said, status, pending):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(PENDING)
    assert (await house.refund(payment, 6_000)).status == "pending"
    house.rails["upi_hdfc"].enquiries.append(said)
    refund = await house.refunds.resolve(await house.open_attempt("refund"), META)
    assert refund is not None
    assert refund.status == status
    assert await balance(house, merchant) == pending
    assert len(house.rails["upi_hdfc"].asked) == 2  # the payment and the refund, once each
    await house.check_books()


# ── money that is settled already ────────────────────────────────────────────────────────


async def settle_today(house: House, merchant: Merchant, amount: int) -> None:
    """The day's only capture, of `amount` by UPI, is settled and paid out the next day."""
    day = business_date(house.clock.now())
    house.clock.advance(timedelta(days=1))
    sums = Sums(gross_minor=amount)
    batch = Batch(
        merchant_id=merchant.id, business_date=day, currency="INR", sums=sums,
        net_minor=amount, count=1, snapshot=1,
    )  # fmt: skip
    (receipt,) = await house.settlements.take_in([batch], META)
    assert receipt.status == "accepted"
    assert await balance(house, merchant) == 0


async def test_a_settled_payment_is_refunded_from_what_comes_next(house: House):
    merchant = await house.merchant(exposure_limit_minor=7_000)
    payment = await house.pay(merchant, 10_000)
    await settle_today(house, merchant, 10_000)
    assert (await house.refund(payment, 4_000)).status == "succeeded"
    assert await balance(house, merchant) == -4_000
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 3_001)
    assert (await house.refund(payment, 3_000)).status == "succeeded"
    assert await balance(house, merchant) == -7_000
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 1)
    assert await house.count("refunds") == 2
    await house.pay(merchant, 5_000)
    assert (await house.refund(payment, 3_000)).status == "succeeded"
    assert await balance(house, merchant) == -5_000
    await house.check_books()


async def test_without_an_exposure_limit_a_settled_payment_waits_for_new_money(house: House):
    merchant = await house.merchant(exposure_limit_minor=0)
    payment = await house.pay(merchant, 10_000)
    await settle_today(house, merchant, 10_000)
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 1)
    payment_now = await house.payments.get(payment.id, merchant.id)
    assert (payment_now.refund_open_minor, payment_now.refunded_minor) == (0, 0)


async def test_at_once_they_stop_at_the_limit_together(house: House):
    merchant = await house.merchant(exposure_limit_minor=2_500)
    payment = await house.pay(merchant, 10_000)
    await settle_today(house, merchant, 10_000)
    results = await asyncio.gather(
        *(house.refund(payment, 500) for _ in range(12)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert {type(result) for result in refused} == {InsufficientFunds}
    assert len(refused) == 7
    assert await balance(house, merchant) == -2_500


# ── the limit changes ────────────────────────────────────────────────────────────────────


async def floor_of(house: House, merchant: Merchant) -> tuple[int, int]:
    (row,) = await house.rows(
        "select floor, forced from ledger_accounts where code = %s", pending_code(merchant.id)
    )
    return row[0], row[1]


async def test_a_higher_limit_opens_the_account_further(house: House):
    merchant = await house.merchant(exposure_limit_minor=0)
    payment = await house.pay(merchant, 10_000)
    await settle_today(house, merchant, 10_000)
    merchant = await change(house, merchant, exposure_limit_minor=4_000)
    assert (merchant.version, await floor_of(house, merchant)) == (2, (-4_000, 0))
    assert (await house.refund(payment, 4_000)).status == "succeeded"
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 1)


async def test_a_limit_below_what_is_used_takes_nothing_back_and_lets_money_in(house: House):
    merchant = await house.merchant(exposure_limit_minor=6_000)
    payment = await house.pay(merchant, 10_000)
    await settle_today(house, merchant, 10_000)
    await house.refund(payment, 6_000)
    merchant = await change(house, merchant, exposure_limit_minor=1_000)
    assert await floor_of(house, merchant) == (-1_000, 5_000)
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 1)
    await house.pay(merchant, 2_000)
    assert await floor_of(house, merchant) == (-1_000, 3_000)
    held = await house.pay(merchant, 1_500, capture=False)
    assert (await house.capture(held, 1_500)).status == "captured"
    await house.pay(merchant, 2_500)
    assert await floor_of(house, merchant) == (-1_000, 0)
    assert await balance(house, merchant) == 0
    assert (await house.refund(payment, 1_000)).status == "succeeded"
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 1)
    await house.check_books()


async def test_a_limit_that_changes_before_the_first_posting_holds(house: House):
    merchant = await house.merchant(exposure_limit_minor=9_999)
    await change(house, merchant, exposure_limit_minor=10)
    house.merchants._known.put(merchant.id, merchant)  # another process, with the old terms
    await house.pay(merchant, 10_000)
    assert await floor_of(house, merchant) == (-10, 0)


async def test_while_refunds_run_the_limit_can_change(house: House):
    merchant = await house.merchant(exposure_limit_minor=100_000)
    payment = await house.pay(merchant, 100_000)
    await settle_today(house, merchant, 100_000)

    async def tighten() -> None:
        for limit in (50_000, 20_000, 30_000):
            await change(house, merchant, exposure_limit_minor=limit)

    results = await asyncio.gather(
        *(house.refund(payment, 1_000) for _ in range(100)), tighten(), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert {type(result) for result in refused} <= {InsufficientFunds}
    owed = -await balance(house, merchant)
    assert await floor_of(house, merchant) == (-30_000, max(0, owed - 30_000))
    await house.check_books()


async def test_terms_are_kept_with_who_agreed_and_when(house: House):
    merchant = await house.merchant(exposure_limit_minor=0)
    await change(house, merchant, settlement_days=2, mdr_on_refund="returned", size="small")
    same = await change(house, merchant, settlement_days=2)
    assert same.version == 2  # nothing new, nothing written
    assert same == await house.merchants.get(merchant.id)
    kept = await house.rows(
        "select version, settlement_days, mdr_on_refund, size, actor from merchant_terms"
        " where merchant_id = %s", merchant.id,
    )  # fmt: skip
    assert kept == [(2, 2, "returned", "small", "admin:test")]
