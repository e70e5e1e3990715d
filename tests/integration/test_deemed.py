"""Deemed approvals, against PostgreSQL: told as a success, then confirmed (TCC) or returned (RET),
whatever has become of the payment meanwhile and however often the bank says so."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from online.attempts.domain import Status as AttemptStatus
from online.kernel.clock import business_date
from online.operations.verify import verify_books
from online.payments.domain import Payment
from online.payments.orders import Call
from online.platform.idempotency import Answer
from online.rails.codes import read_outcome
from online.rails.domain import Outcome, OutcomeKind
from tests.fakes import APPROVED, DECLINED, NOT_FOUND, UNKNOWN
from tests.house import META, PAYOUT_RAIL, House, house_on, pending_code
from tests.integration.test_late_money import KnowingRail, again, one_of, resolve
from tests.integration.test_settlements import SUMS, batch

pytestmark = pytest.mark.anyio

K = OutcomeKind
DAY = timedelta(days=1)
DEEMED = read_outcome("upi", K.FAILED, "RB", rail_reference="632618000001")
TCC = read_outcome("upi", K.APPROVED, "TCC", rail_reference="632618000001")
RET = read_outcome("upi", K.FAILED, "RET", rail_reference="632618000001")
RECEIVABLE = "rail:upi_hdfc:receivable"
SUSPENSE = "suspense:upi_hdfc"


@pytest.fixture
async def house(database_url: str, owner_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        for name in ("upi_hdfc", "card_a", PAYOUT_RAIL):
            built.rails[name] = KnowingRail(name)
        yield built
        await built.check_books()
        report = await verify_books(owner_url)
        assert report.holds, report


async def deemed(house: House, said: Outcome = DEEMED, **order: Any) -> Payment:
    house.rails["upi_hdfc"].next.append(said)
    return await house.pay(await house.merchant(), 10_000, **order)


async def told(house: House, payment: Payment, said: Outcome | None) -> Payment:
    await resolve(house, await one_of(house, payment, "authorize"), said)
    return await again(house, payment)


async def kinds(house: House) -> set[str]:
    return {kind for (kind,) in await house.rows("select kind from ledger_transactions")}


async def test_it_is_told_as_a_success(house: House):
    payment = await deemed(house)
    assert (payment.status, payment.deemed, payment.captured_minor) == (
        "captured",
        "deemed",
        10_000,
    )
    assert payment.rail_reference == "632618000001"
    attempt = await one_of(house, payment, "authorize")
    assert (attempt.status, attempt.is_open, attempt.code) == (AttemptStatus.DEEMED, True, "RB")
    assert await house.books() == {RECEIVABLE: -10_000, pending_code(payment.merchant_id): 10_000}


@pytest.mark.parametrize("said", [TCC, None], ids=["told", "asked"])
async def test_the_credit_is_confirmed(house: House, said: Outcome | None):
    payment = await deemed(house)
    attempt = await one_of(house, payment, "authorize")
    house.rails["upi_hdfc"].truth[attempt.reference] = TCC
    payment = await told(house, payment, said)
    assert (payment.status, payment.deemed) == ("captured", "confirmed")
    assert (await one_of(house, payment, "authorize")).status == "succeeded"
    assert await kinds(house) == {"capture"}
    version = payment.version
    for late in (TCC, RET):  # a credit is never taken back by itself
        assert (await told(house, payment, late)).version == version


@pytest.mark.parametrize("said", [RET, None], ids=["told", "asked"])
async def test_the_money_goes_back(house: House, said: Outcome | None):
    payment = await deemed(house, replace(DEEMED, funding="rupay_credit"))
    assert payment.fee_minor > 0
    attempt = await one_of(house, payment, "authorize")
    house.rails["upi_hdfc"].truth[attempt.reference] = RET
    payment = await told(house, payment, said)
    assert (payment.status, payment.deemed, payment.reversed_minor) == (
        "reversed", "returned", 10_000,
    )  # fmt: skip
    assert await house.books() == {}  # its fee and the tax on it, too
    assert await kinds(house) == {"capture", "reversal"}
    (reference,) = (await house.rows("select distinct reference from ledger_transactions"))[0]
    assert reference == attempt.reference
    version = payment.version
    assert (await told(house, payment, RET)).version == version  # twice


async def test_what_says_nothing_leaves_it_a_success(house: House):
    """Not even a rail that has never heard of it: it told us so itself."""
    payment = await deemed(house)
    for said in (UNKNOWN, NOT_FOUND, DEEMED, read_outcome("upi", K.PENDING, "01")):
        payment = await told(house, payment, said)
        assert (payment.status, payment.deemed) == ("captured", "deemed")
        assert (await one_of(house, payment, "authorize")).status == "deemed"


async def test_a_return_that_is_taken_back_is_nobody_s(house: House):
    """The payer has their money again, and now we have it too: finance has to ask."""
    payment = await told(house, await deemed(house), RET)
    payment = await told(house, payment, TCC)
    assert (payment.status, payment.deemed, payment.late_minor) == ("reversed", "returned", 0)
    assert await house.books() == {RECEIVABLE: -10_000, SUSPENSE: 10_000}
    assert await kinds(house) == {"capture", "reversal", "unplaced_capture"}
    for said in (TCC, RET):
        assert (await told(house, payment, said)).version == payment.version


async def test_a_return_after_its_day_is_settled_and_paid_out(house: House):
    payment = await deemed(house)
    merchant = await house.merchants.get(payment.merchant_id)
    day = business_date(house.clock.now())
    house.clock.advance(DAY)
    sums = replace(SUMS, gross_minor=10_000, fees_minor=0, tax_minor=0)
    (receipt,) = await house.settlements.take_in([batch(merchant, day, sums, count=1)], META)
    assert receipt.status == "accepted", receipt
    payment = await told(house, payment, RET)
    assert payment.status == "reversed"
    books = await house.books()
    assert books[pending_code(merchant.id)] == -10_000  # carried into the next settlement
    assert books[f"payouts:{PAYOUT_RAIL}:in_transit"] == 10_000


@pytest.mark.parametrize("refunded", [4_000, 10_000])
async def test_a_return_of_what_was_refunded(house: House, refunded: int):
    """The payer has it twice. What the merchant has still goes back; the rest waits in suspense."""
    payment = await deemed(house)
    await house.refund(payment, refunded)
    payment = await told(house, await again(house, payment), RET)
    left = 10_000 - refunded
    assert (payment.refunded_minor, payment.reversed_minor) == (refunded, left)
    assert payment.refundable_minor == 0
    assert payment.status == ("reversed" if left else "refunded")
    assert await house.books() == {RECEIVABLE: refunded, SUSPENSE: -refunded}
    kind = "reversal" if left else "unplaced_reversal"
    assert kind in await kinds(house)


@pytest.mark.parametrize("ends", [APPROVED, DECLINED], ids=["refunded", "refused"])
async def test_a_return_while_a_refund_is_under_way(house: House, ends: Outcome):
    payment = await deemed(house)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    await house.refund(payment, 4_000)
    payment = await told(house, await again(house, payment), RET)
    assert (payment.status, payment.reversed_minor, payment.refund_open_minor) == (
        "reversed", 6_000, 4_000,
    )  # fmt: skip
    refund = await house.open_attempt("refund")
    await resolve(house, refund, ends)
    payment = await again(house, payment)
    assert (payment.status, payment.refund_open_minor) == ("reversed", 0)
    books = await house.books()
    if ends is APPROVED:
        assert payment.refunded_minor == 4_000
        assert books == {RECEIVABLE: 4_000, SUSPENSE: -4_000}
    else:  # the merchant has it, the bank took it: finance moves it
        assert books == {pending_code(payment.merchant_id): 4_000, SUSPENSE: -4_000}


@pytest.mark.parametrize("ends", [APPROVED, DECLINED], ids=["reversed", "refused"])
async def test_a_return_takes_over_what_a_reversal_holds(house: House, ends: Outcome):
    payment = await deemed(house)
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    merchant = await house.merchants.get(payment.merchant_id)
    call = Call(key=house.key(merchant), render=lambda *_: Answer(200, b"{}"))
    await house.payments.reverse(payment.id, merchant.id, call, META)
    payment = await told(house, await again(house, payment), RET)
    assert (payment.status, payment.reversed_minor, payment.refund_open_minor) == (
        "reversed", 10_000, 0,
    )  # fmt: skip
    assert await house.books() == {}
    await resolve(house, await house.open_attempt("reverse"), ends)
    again_ = {RECEIVABLE: 10_000, SUSPENSE: -10_000}
    assert await house.books() == (again_ if ends is APPROVED else {})


async def test_a_return_of_what_was_reversed_already(house: House):
    payment = await deemed(house)
    merchant = await house.merchants.get(payment.merchant_id)
    call = Call(key=house.key(merchant), render=lambda *_: Answer(200, b"{}"))
    await house.payments.reverse(payment.id, merchant.id, call, META)
    payment = await told(house, await again(house, payment), RET)
    assert (payment.status, payment.reversed_minor) == ("reversed", 10_000)
    assert await house.books() == {RECEIVABLE: 10_000, SUSPENSE: -10_000}


@pytest.mark.parametrize(
    ("ends", "status"), [(TCC, "authorized"), (RET, "failed")], ids=["credited", "returned"]
)
async def test_one_that_would_only_hold_the_money_waits(house: House, ends: Outcome, status: str):
    payment = await deemed(house, capture=False)
    assert (payment.status, payment.deemed) == ("unknown", None)
    assert await house.books() == {}
    assert (await told(house, payment, ends)).status == status


async def test_it_may_come_after_nobody_knew(house: House):
    payment = await deemed(house, UNKNOWN)
    assert payment.status == "unknown"
    payment = await told(house, payment, DEEMED)
    assert (payment.status, payment.deemed) == ("captured", "deemed")
    assert (await told(house, payment, TCC)).deemed == "confirmed"


async def test_a_refund_is_never_deemed(house: House):
    """Nobody told the payer that they had it."""
    payment = await house.pay(await house.merchant(), 10_000)
    house.rails["upi_hdfc"].next.append(DEEMED)
    refund = await house.refund(payment, 4_000)
    assert refund.status == "unknown"
    attempt = await house.open_attempt("refund")
    assert attempt.status == "unknown"
    await resolve(house, attempt, APPROVED)
    assert (await again(house, payment)).refunded_minor == 4_000
