"""Refunds against PostgreSQL: caps, books and outcomes, with a rail that does as it is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from online.kernel.errors import IllegalMove, InsufficientFunds, InvalidRequest, OverRefund
from online.platform.idempotency import KeyTaken
from online.rails.domain import OutcomeKind
from tests.fakes import APPROVED, DECLINED, FAILED, NOT_FOUND, PENDING, UNKNOWN
from tests.house import META, House, house_on, pending_code

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


async def test_a_refund_takes_from_the_merchant_and_nets_with_the_rail(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    refund = await house.refund(payment, 4_000)
    assert (refund.status, refund.amount_minor) == ("succeeded", 4_000)
    payment = await house.payments.get(payment.id, merchant.id)
    assert (payment.status, payment.refunded_minor) == ("partially_refunded", 4_000)
    assert await house.books() == {
        pending_code(merchant.id): 6_000,
        "rail:upi_hdfc:receivable": -6_000,
    }
    await house.check_books()


async def test_the_rail_is_told_which_payment_and_which_refund(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    refund = await house.refund(payment)
    paid, given_back = house.rails["upi_hdfc"].asked
    assert given_back.original_reference == paid.reference
    assert given_back.amount_minor == 10_000
    (posted,) = await house.rows(
        "select cause, reference, metadata from ledger_transactions where kind = 'refund_confirmed'"
    )
    assert posted[:2] == (refund.attempt_id, given_back.reference)
    assert posted[2]["rail"] == "upi_hdfc"
    assert posted[2]["rail_reference"] == APPROVED.rail_reference
    (asked,) = await house.rows(
        "select cause from ledger_transactions where kind = 'refund_requested'"
    )
    assert asked == (refund.id,)


async def test_refunding_all_without_an_amount_ends_the_payment(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    await house.refund(payment, 1)
    refund = await house.refund(payment)
    assert refund.amount_minor == 9_999
    assert (await house.payments.get(payment.id, merchant.id)).status == "refunded"
    with pytest.raises(OverRefund):
        await house.refund(payment)


@pytest.mark.parametrize(
    ("amount", "refusal"), [(10_001, OverRefund), (0, InvalidRequest), (-1, InvalidRequest)]
)
async def test_more_than_was_captured_is_refused_and_leaves_nothing(house: House, amount, refusal):
    payment = await house.pay(await house.merchant(), 10_000)
    with pytest.raises(refusal):
        await house.refund(payment, amount)
    assert await house.count("refunds") == 0


async def test_what_was_never_captured_cannot_go_back(house: House):
    house.rails["upi_hdfc"].next.append(DECLINED)
    payment = await house.pay(await house.merchant(), 10_000)
    with pytest.raises(IllegalMove):
        await house.refund(payment, 1)


async def test_fifty_at_once_end_with_exactly_what_the_caps_allow(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    results = await asyncio.gather(
        *(house.refund(payment, 6_000) for _ in range(50)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 49
    assert {type(result) for result in refused} == {OverRefund}
    assert await house.count("refunds") == 1
    payment = await house.payments.get(payment.id, merchant.id)
    assert (payment.refunded_minor, payment.refund_open_minor) == (6_000, 0)
    await house.check_books()


async def test_many_small_ones_at_once_all_fit(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    results = await asyncio.gather(
        *(house.refund(payment, 500) for _ in range(25)), return_exceptions=True
    )
    assert sum(isinstance(result, OverRefund) for result in results) == 5
    assert (await house.payments.get(payment.id, merchant.id)).status == "refunded"
    assert await house.books() == {}
    await house.check_books()


async def test_an_open_refund_holds_its_amount(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    refund = await house.refund(payment, 6_000)
    assert refund.status == "unknown"
    with pytest.raises(OverRefund):
        await house.refund(payment, 4_001)
    assert (await house.books())["refunds:upi_hdfc:payable"] == 6_000


@pytest.mark.parametrize(
    ("said", "status", "payment_status", "pending"),
    [
        (APPROVED, "succeeded", "partially_refunded", 4_000),
        (DECLINED, "failed", "captured", 10_000),
        (FAILED, "failed", "captured", 10_000),
        (UNKNOWN, "unknown", "captured", 4_000),
        (NOT_FOUND, "unknown", "captured", 4_000),
    ],
)
async def test_recovery_asks_and_records(house: House, said, status, payment_status, pending):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    await house.refund(payment, 6_000)
    house.rails["upi_hdfc"].enquiries.append(said)
    refund = await house.refunds.resolve(await house.open_attempt("refund"), META)
    assert refund is not None
    assert refund.status == status
    payment = await house.payments.get(payment.id, merchant.id)
    assert payment.status == payment_status
    assert payment.refund_open_minor == (6_000 if status == "unknown" else 0)
    assert (await house.books())[pending_code(merchant.id)] == pending
    await house.check_books()


async def test_two_recoveries_at_once_post_once(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    await house.refund(payment, 6_000)
    house.rails["upi_hdfc"].enquiries.extend([APPROVED, APPROVED])
    attempt = await house.open_attempt("refund")
    both = await asyncio.gather(
        *(house.refunds.resolve(attempt, META) for _ in range(2)), return_exceptions=True
    )
    assert [refund.status for refund in both] == ["succeeded", "succeeded"]
    assert (await house.books())[pending_code(merchant.id)] == 4_000


async def test_a_declined_refund_gives_the_money_back_to_the_merchant(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(DECLINED)
    refund = await house.refund(payment, 6_000)
    assert (refund.status, refund.failure_code) == ("failed", "do_not_honor")
    assert (await house.books())[pending_code(merchant.id)] == 10_000
    assert (await house.refund(payment, 10_000)).status == "succeeded"


async def test_a_rail_that_takes_its_time_leaves_the_refund_pending(house: House):
    payment = await house.pay(await house.merchant(), 10_000)
    house.rails["upi_hdfc"].next.append(PENDING)
    refund = await house.refund(payment, 6_000)
    assert refund.status == "pending"
    assert (await house.open_attempt("refund")).status == OutcomeKind.PENDING.value


async def test_the_exposure_limit_is_a_floor(house: House):
    merchant = await house.merchant(exposure_limit_minor=100)
    payment = await house.pay(merchant, 10_000, method="card")  # MDR 1.8 %: 180 are gone
    with pytest.raises(InsufficientFunds):
        await house.refund(payment, 10_000)
    assert await house.count("refunds") == 0
    assert (await house.refund(payment, 9_920)).status == "succeeded"
    assert (await house.books())[pending_code(merchant.id)] == -100


async def test_the_key_is_reserved_first_and_answered_with_the_outcome(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    key = house.key(merchant, "refund-1")
    refund = await house.refund(payment, 1_000, key)
    with pytest.raises(KeyTaken) as taken:
        await house.refund(payment, 1_000, key)
    stored = taken.value.stored
    assert stored is not None
    assert (stored.resource_id, stored.status) == (refund.id, 201)
    assert stored.body == b'{"status": "succeeded"}'


async def test_a_repeated_refund_of_everything_is_known_by_its_key(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    key = house.key(merchant, "refund-1")
    refund = await house.refund(payment, None, key)
    with pytest.raises(KeyTaken) as taken:  # though nothing is left to refund
        await house.refund(payment, None, key)
    stored = taken.value.stored
    assert stored is not None
    assert stored.resource_id == refund.id


async def test_the_answer_of_an_open_refund_is_not_stored(house: House):
    merchant = await house.merchant()
    payment = await house.pay(merchant, 10_000)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    key = house.key(merchant, "refund-1")
    refund = await house.refund(payment, 1_000, key)
    with pytest.raises(KeyTaken) as taken:
        await house.refund(payment, 1_000, key)
    stored = taken.value.stored
    assert stored is not None
    assert (stored.resource_id, stored.status) == (refund.id, None)
