"""Disputes against PostgreSQL: books after every step, news from everywhere at once, evidence."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from online.disputes.domain import Dispute, EvidenceLate, News
from online.disputes.service import Call
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import IllegalMove, InsufficientFunds, NotFound
from online.operations.verify import verify_books
from online.payments.domain import Payment
from online.platform.idempotency import Answer, KeyTaken
from online.rails.domain import RailDispute
from tests.fakes import DECLINED
from tests.house import META, House, house_on, pending_code

pytestmark = pytest.mark.anyio

RAIL = "card_a"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


def news(payment: Payment, **changes: Any) -> News:
    """The whole payment, for fraud, not decided."""
    told: dict[str, Any] = {
        "rail": payment.rail,
        "reference": "CB1",
        "original_reference": ids.encode("att", payment.attempt),
        "amount_minor": payment.amount_minor,
        "currency": "INR",
        "reason_code": "10.4",
        "status": "open",
    }
    return News(**told | changes)


async def take(house: House, *told: News) -> list[str]:
    taken = await house.disputes.take_in(told, livemode=False, metadata=META)
    return [each.status for each in taken]


async def the_dispute(house: House, payment: Payment) -> Dispute:
    (only,) = await house.disputes.of_payment(payment.id)
    return only


def tell(house: House, told: News) -> None:
    """From here on the rail itself says so."""
    house.rails[told.rail].disputes[told.reference] = RailDispute(
        reference=told.reference,
        original_reference=told.original_reference,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason_code=told.reason_code,
        status=told.status,
        respond_by=house.clock.now() + timedelta(days=7),
    )


async def hear(house: House, reference: str = "CB1", rail: str = RAIL) -> str | None:
    taken = await house.disputes.hear(rail, reference, META)
    return taken.status if taken else None


def disputed_code(payment: Payment) -> str:
    return pending_code(payment.merchant_id).replace(":pending", ":disputed")


async def card_payment(house: House, amount_minor: int = 10_000, **merchant: Any) -> Payment:
    """₹100.00 by card: MDR of 1.8 % leaves 9,820 (no GST on the fee of so small a sale)."""
    return await house.pay(await house.merchant(**merchant), amount_minor, method="card")


# ── books ────────────────────────────────────────────────────────────────────────────────


async def test_books_when_opened_and_won(house: House, owner_url: str):
    payment = await card_payment(house)
    pending = pending_code(payment.merchant_id)
    before = await house.books()
    assert await take(house, news(payment)) == ["posted"]
    assert await house.books() == before | {
        pending: before[pending] - 10_000,
        disputed_code(payment): 10_000,
    }
    assert await take(house, news(payment, status="won")) == ["posted"]
    assert await house.books() == before
    dispute = await the_dispute(house, payment)
    assert (dispute.status, dispute.fee_minor, dispute.closed_at) == ("won", 0, house.clock.now())
    await house.check_books()
    assert (await verify_books(owner_url)).holds


async def test_books_when_opened_and_lost(house: House, owner_url: str):
    payment = await card_payment(house)
    pending = pending_code(payment.merchant_id)
    before = await house.books()
    await take(house, news(payment, amount_minor=4_000))
    assert await take(house, news(payment, amount_minor=4_000, status="lost")) == ["posted"]
    assert await house.books() == before | {
        pending: before[pending] - 4_000 - 500_00 - 90_00,
        "rail:card_a:receivable": before["rail:card_a:receivable"] + 4_000,
        "fees:dispute": 500_00,
        "tax:igst": before.get("tax:igst", 0) + 90_00,
    }
    dispute = await the_dispute(house, payment)
    assert (dispute.status, dispute.fee_minor, dispute.tax_minor) == ("lost", 500_00, 90_00)
    await house.check_books()
    assert (await verify_books(owner_url)).holds


async def test_what_is_posted_says_what_it_is_about_and_when(house: House):
    payment = await card_payment(house)
    day = business_date(house.clock.now())
    await take(house, news(payment))
    house.clock.advance(timedelta(days=1))
    await take(house, news(payment, status="lost"))
    dispute = await the_dispute(house, payment)
    rows = await house.rows(
        "select kind, cause, reference, business_date, metadata ->> 'payment_id'"
        " from ledger_transactions where kind like 'dispute%%' order by kind"
    )
    own, after, pay = dispute.reference, day + timedelta(days=1), ids.encode("pay", payment.id)
    assert rows == [
        ("dispute_fee", dispute.id, own, after, pay),
        ("dispute_lost", dispute.id, "CB1", after, pay),
        ("dispute_opened", dispute.id, own, day, pay),
    ]


@pytest.mark.parametrize(
    ("told", "posted"),
    [
        ("won", {"dispute_opened", "dispute_won"}),
        ("lost", {"dispute_opened", "dispute_lost", "dispute_fee"}),
    ],
)
async def test_news_that_is_over_when_it_comes_posts_every_step(house: House, told, posted):
    payment = await card_payment(house)
    assert await take(house, news(payment, status=told)) == ["posted"]
    assert (await the_dispute(house, payment)).status == told
    kinds = await house.rows("select kind from ledger_transactions where kind like 'dispute%%'")
    assert {kind for (kind,) in kinds} == posted
    await house.check_books()


async def test_a_bank_that_took_the_money_is_not_refused_for_want_of_it(house: House):
    """Below the exposure limit, though nothing that the merchant asks for goes there."""
    merchant = await house.merchant(exposure_limit_minor=100)
    first = await house.pay(merchant, 10_000)
    await house.refund(first, 9_000)
    second = await house.pay(merchant, 2_000)
    assert await take(house, news(first)) == ["posted"]
    assert (await house.books())[pending_code(merchant.id)] == 3_000 - 10_000
    with pytest.raises(InsufficientFunds):
        await house.refund(second, 1)
    assert await take(house, news(first, status="lost")) == ["posted"]
    assert (await house.books())[pending_code(merchant.id)] == 3_000 - 10_000 - 250_00 - 45_00
    await house.check_books()
    # Money that comes in is taken, and once there is enough a refund goes through again.
    third = await house.pay(merchant, 100_000)
    assert (await house.refund(third, 1_000)).status == "succeeded"


async def test_the_state_of_the_payment_does_not_matter(house: House):
    payment = await card_payment(house, exposure_limit_minor=10**9)
    await house.refund(payment)
    assert await take(house, news(payment)) == ["posted"]
    house.rails[RAIL].next.append(DECLINED)
    declined = await card_payment(house)
    assert declined.status == "failed"
    assert await take(house, news(declined, reference="CB2")) == ["posted"]
    await house.check_books()


async def test_one_payment_may_be_disputed_several_times(house: House):
    payment = await card_payment(house)
    told = [news(payment, reference=f"CB{n}", amount_minor=3_000) for n in range(3)]
    assert await take(house, *told) == ["posted"] * 3
    assert (await house.books())[disputed_code(payment)] == 9_000
    found = await house.disputes.of_payment(payment.id)
    assert {each.rail_reference for each in found} == {"CB0", "CB1", "CB2"}


# ── news ─────────────────────────────────────────────────────────────────────────────────


async def test_a_file_may_be_sent_again(house: House):
    payment = await card_payment(house)
    lines = (news(payment), news(payment, status="lost"))
    assert await take(house, *lines) == ["posted", "posted"]
    after = await house.books()
    assert await take(house, *lines) == ["exists", "exists"]
    assert await house.books() == after
    assert await house.count("disputes") == 1


async def test_news_in_the_wrong_order_changes_nothing(house: House):
    payment = await card_payment(house)
    await take(house, news(payment, status="lost"))
    after = await house.books()
    assert await take(house, news(payment)) == ["exists"]
    (late,) = await house.disputes.take_in(
        [news(payment, status="won")], livemode=False, metadata=META
    )
    assert late.status == "conflict"
    assert late.dispute is not None
    assert late.dispute.status == "lost"
    assert await house.books() == after
    assert (await the_dispute(house, payment)).version == 2


async def test_the_same_reference_with_another_amount_is_a_conflict(house: House):
    payment = await card_payment(house)
    assert await take(house, news(payment), news(payment, amount_minor=1)) == ["posted", "conflict"]
    assert (await the_dispute(house, payment)).amount_minor == 10_000


async def test_a_line_that_is_about_nothing_of_ours_is_refused_and_the_others_are_not(house: House):
    payment = await card_payment(house)
    refund = await house.refund(payment, 1_000)
    assert refund.attempt_id is not None
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"original_reference": "att_nonsense"}, "original_reference"),
        ({"original_reference": ids.encode("att", refund.id)}, "original_reference"),
        ({"original_reference": ids.encode("att", refund.attempt_id)}, "original_reference"),
        ({"rail": "upi_hdfc"}, "original_reference"),
        ({"currency": "USD"}, "currency"),
        ({"amount_minor": 10_001}, "amount"),
        ({"amount_minor": 0}, "amount"),
    ]
    lines = [news(payment, reference=f"X{n}", **bad) for n, (bad, _) in enumerate(wrong)]
    before = await house.books()
    taken = await house.disputes.take_in(lines, livemode=False, metadata=META)
    assert [each.status for each in taken] == ["refused"] * len(wrong)
    assert [each.refusal.param for each in taken if each.refusal] == [param for _, param in wrong]
    assert await house.count("disputes") == 0
    assert await house.books() == before
    assert await take(house, lines[0], news(payment)) == ["refused", "posted"]


async def test_whoever_speaks_for_the_other_mode_is_refused(house: House):
    payment = await card_payment(house)
    for expected in (0, 1):
        (taken,) = await house.disputes.take_in([news(payment)], livemode=True, metadata=META)
        assert taken.status == "refused"
        assert await house.count("disputes") == expected
        await take(house, news(payment))


async def test_a_hint_is_not_believed_but_looked_into(house: House):
    payment = await card_payment(house)
    assert await hear(house) is None  # the rail knows nothing of it
    assert await house.count("disputes") == 0
    tell(house, news(payment))
    assert [await hear(house), await hear(house)] == ["posted", "exists"]
    tell(house, news(payment, status="lost"))
    assert [await hear(house), await hear(house)] == ["posted", "exists"]
    tell(house, news(payment, status="won"))
    assert await hear(house) == "conflict"
    assert (await the_dispute(house, payment)).status == "lost"
    with pytest.raises(NotFound):
        await hear(house, rail="no_such_rail")


async def test_a_hint_and_a_file_at_once_post_once(house: House):
    payment = await card_payment(house)
    tell(house, news(payment))
    results = await asyncio.gather(hear(house), take(house, news(payment)))
    assert {results[0], results[1][0]} == {"posted", "exists"}
    assert (await house.books())[disputed_code(payment)] == 10_000


async def test_twenty_openings_at_once_are_one_dispute(house: House, owner_url: str):
    payment = await card_payment(house)
    results = await asyncio.gather(*(take(house, news(payment)) for _ in range(20)))
    assert sorted(status for (status,) in results) == ["exists"] * 19 + ["posted"]
    assert await house.count("disputes") == 1
    assert (await house.books())[disputed_code(payment)] == 10_000
    opened = await house.rows("select 1 from ledger_transactions where kind = 'dispute_opened'")
    assert len(opened) == 1
    assert (await verify_books(owner_url)).holds


async def test_won_and_lost_at_once_end_as_one_of_them(house: House, owner_url: str):
    payment = await card_payment(house)
    before = await house.books()
    await take(house, news(payment))
    told = [news(payment, status=status) for status in ("won", "lost") * 10]
    results = await asyncio.gather(*(take(house, each) for each in told))
    statuses = sorted(status for (status,) in results)
    assert statuses == ["conflict"] * 10 + ["exists"] * 9 + ["posted"]
    dispute = await the_dispute(house, payment)
    books = await house.books()
    assert disputed_code(payment) not in books
    assert (books == before) is (dispute.status == "won")
    assert (await verify_books(owner_url)).holds


async def test_two_hundred_disputes_in_one_file(house: House):
    merchant = await house.merchant()
    payments = await asyncio.gather(*(house.pay(merchant, 1_000) for _ in range(50)))
    lines = [
        news(p, reference=f"CB-{n}-{p.id}", amount_minor=200) for p in payments for n in range(4)
    ]
    assert await take(house, *lines) == ["posted"] * 200
    assert await take(house, *lines) == ["exists"] * 200
    assert (await house.books())[disputed_code(payments[0])] == 40_000
    await house.check_books()


# ── what risk learns ─────────────────────────────────────────────────────────────────────


async def test_fraud_is_told_to_risk_and_taken_back_when_it_was_none(house: House):
    payment = await card_payment(house)
    await take(house, news(payment), news(payment, reference="CB2", reason_code="13.1"))
    sql = "select payment_id, instrument, fraud, known_at from risk_labels order by known_at"
    now = house.clock.now()
    assert await house.rows(sql) == [(payment.id, payment.instrument, True, now)]
    house.clock.advance(timedelta(days=3))
    await take(house, news(payment, status="won"), news(payment, reference="CB2", status="won"))
    assert [fraud for *_, fraud, _ in await house.rows(sql)] == [True, False]
    events = await house.rows(
        "select data ->> 'fraud', data ->> 'source', timestamp from payment_events"
        " where event_type = 'label.recorded' order by timestamp"
    )
    assert events == [
        ("true", "dispute", now),
        ("false", "dispute", house.clock.now()),
    ]


# ── evidence ─────────────────────────────────────────────────────────────────────────────


async def submit(
    house: House, dispute: Dispute, text: str = '{"explanation":"here it is"}', name: str = ""
) -> Dispute:
    merchant = await house.merchants.get(dispute.merchant_id)
    call = Call(
        key=house.key(merchant, name or None),
        check=lambda _: None,
        render=lambda d: Answer(200, json.dumps([d.status, d.version]).encode()),
    )
    return await house.disputes.submit_evidence(dispute, text, call, META)


async def opened(house: House, **changes: Any) -> Dispute:
    payment = await card_payment(house)
    due = house.clock.now() + timedelta(days=7)
    await take(house, news(payment, respond_by=due, **changes))
    return await the_dispute(house, payment)


async def test_evidence_is_committed_and_then_handed_over(house: House, owner_url: str):
    dispute = await submit(house, await opened(house))
    assert (dispute.status, dispute.evidence_sent_at) == ("under_review", house.clock.now())
    assert house.rails[RAIL].contested == [("CB1", '{"explanation":"here it is"}')]
    ((body, digest),) = await house.rows("select body, sha256 from dispute_evidence")
    assert (body, digest) == ('{"explanation":"here it is"}', dispute.evidence_sha256)
    told = await house.rows(
        "select data::text from payment_events where event_type like 'dispute.%%'"
    )
    assert any(digest in data for (data,) in told)
    assert not any("here it is" in data for (data,) in told), "it may name people"
    assert await house.disputes.send_due() == 0
    assert (await verify_books(owner_url)).holds


async def test_evidence_that_the_rail_does_not_take_is_sent_again(house: House):
    rail = house.rails[RAIL]
    rail.takes_evidence = False
    dispute = await submit(house, await opened(house))
    assert (dispute.status, dispute.evidence_sent_at) == ("under_review", None)
    assert await house.disputes.send_due() == 0, "it was tried a moment ago"
    house.clock.advance(timedelta(minutes=5))
    assert await house.disputes.send_due() == 1
    assert await house.disputes.send_due() == 0
    rail.takes_evidence = True
    house.clock.advance(timedelta(minutes=5))
    assert await house.disputes.send_due() == 1
    assert len(rail.contested) == 3
    assert len(set(rail.contested)) == 1
    found = await house.disputes.get(dispute.id, dispute.merchant_id, livemode=False)
    assert found.evidence_sent_at == house.clock.now()
    house.clock.advance(timedelta(minutes=5))
    assert await house.disputes.send_due() == 0


async def test_two_workers_send_the_same_evidence_once(house: House):
    rail = house.rails[RAIL]
    rail.takes_evidence = False
    await submit(house, await opened(house))
    rail.takes_evidence = True
    house.clock.advance(timedelta(minutes=5))
    assert sum(await asyncio.gather(*(house.disputes.send_due() for _ in range(5)))) == 1
    assert len(rail.contested) == 2


async def test_a_dispute_that_is_decided_needs_no_evidence_sent(house: House):
    rail = house.rails[RAIL]
    rail.takes_evidence = False
    dispute = await submit(house, await opened(house))
    payment = await house.payments.get(dispute.payment_id, dispute.merchant_id)
    await take(house, news(payment, status="lost"))
    house.clock.advance(timedelta(hours=1))
    assert await house.disputes.send_due() == 0


async def test_evidence_once_and_in_time(house: House):
    dispute = await opened(house)
    await submit(house, dispute)
    with pytest.raises(IllegalMove):
        await submit(house, dispute)
    late = await opened(house, reference="CB2")
    house.clock.advance(timedelta(days=7))
    with pytest.raises(EvidenceLate):
        await submit(house, late)
    assert await house.count("dispute_evidence") == 1


async def test_the_same_key_again_is_known_even_after_the_deadline(house: House):
    dispute = await opened(house)
    done = await submit(house, dispute, name="evidence-1")
    house.clock.advance(timedelta(days=30))
    with pytest.raises(KeyTaken) as taken:
        await submit(house, dispute, name="evidence-1")
    stored = taken.value.stored
    assert stored is not None
    assert (stored.resource_id, stored.status) == (dispute.id, 200)
    assert stored.body == json.dumps(["under_review", done.version]).encode()


async def test_evidence_twice_at_once_is_taken_once(house: House):
    dispute = await opened(house)
    results = await asyncio.gather(
        *(submit(house, dispute, f'{{"n":{n}}}') for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, Dispute) for result in results) == 1
    assert sum(isinstance(result, IllegalMove) for result in results) == 9
    assert len(house.rails[RAIL].contested) == 1


# ── sweeps ───────────────────────────────────────────────────────────────────────────────


async def test_a_deadline_that_passes_is_recorded_once(house: House, owner_url: str):
    dispute = await opened(house)
    assert await house.disputes.expire_due() == 0
    house.clock.advance(timedelta(days=7))
    assert sum(await asyncio.gather(*(house.disputes.expire_due() for _ in range(3)))) == 1
    found = await house.disputes.get(dispute.id, dispute.merchant_id, livemode=False)
    assert (found.status, found.version, found.evidence_sha256) == ("under_review", 2, None)
    assert await house.disputes.send_due() == 0, "there is nothing to send"
    payment = await house.payments.get(dispute.payment_id, dispute.merchant_id)
    assert await take(house, news(payment, status="lost")) == ["posted"]
    assert (await verify_books(owner_url)).holds


async def test_what_no_hint_told_is_asked_for(house: House):
    dispute = await opened(house)
    payment = await house.payments.get(dispute.payment_id, dispute.merchant_id)
    tell(house, news(payment, status="won"))
    assert await house.disputes.refresh_due() == 0, "it came a moment ago"
    house.clock.advance(timedelta(hours=6))
    assert sum(await asyncio.gather(*(house.disputes.refresh_due() for _ in range(3)))) == 1
    found = await house.disputes.get(dispute.id, dispute.merchant_id, livemode=False)
    assert found.status == "won"
    house.clock.advance(timedelta(hours=6))
    assert await house.disputes.refresh_due() == 0
