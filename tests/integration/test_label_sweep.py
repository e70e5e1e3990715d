"""Time as a witness, on PostgreSQL: what is labelled good and what is not, by several workers at
once and by one that dies in the middle, each payment once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import NotFound
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.operations.verify import verify_books
from online.payments.domain import Payment
from online.payments.store import PAYMENTS
from online.risk.domain import RiskInput
from online.risk.labels import QUERIES, Reported
from online.risk.labels_sweep import Sweep
from online.risk.recording import activity
from tests.fakes import DECLINED
from tests.house import AGE, META, House, house_on

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


async def swept(house: House) -> int:
    """As the worker does it: until nothing is left; answers how many it went past."""
    passed = 0
    while found := await house.label_sweep.once():
        passed += found
    return passed


async def labelled(house: House) -> dict[Any, list[tuple[Any, ...]]]:
    rows = await house.rows("select payment_id, fraud, known_at from risk_labels order by known_at")
    found: dict[Any, list[tuple[Any, ...]]] = {}
    for payment, *label in rows:
        found.setdefault(payment, []).append(tuple(label))
    return found


async def report(house: House, payment: Payment, *, fraud: bool) -> None:
    said = Reported(payment_id=payment.id, fraud=fraud, reason="they called")
    await house.labels.report(said, merchant_id=payment.merchant_id, livemode=False, metadata=META)


async def test_what_was_paid_and_kept_becomes_good_at_its_age(house: House, owner_url: str):
    payment = await house.pay(await house.merchant(), 1_000)
    house.clock.advance(AGE)
    assert await swept(house) == 0, "it has the age a moment later"
    house.clock.advance(timedelta(milliseconds=1))
    now = house.clock.now()
    assert await swept(house) == 1
    assert await labelled(house) == {payment.id: [(False, now)]}
    events = await house.rows(
        "select data ->> 'source', data ->> 'fraud', metadata ->> 'actor', timestamp"
        " from payment_events where event_type = 'label.recorded'"
    )
    assert events == [("aged", "false", "worker:labels", now)]
    house.clock.advance(AGE)
    assert await swept(house) == 0
    assert (await verify_books(owner_url)).holds


async def test_what_proves_nothing_is_left_alone(house: House):
    """No money was taken, or all of it went back, or somebody has said something."""
    merchant = await house.merchant()
    house.rails["upi_hdfc"].next.append(DECLINED)
    await house.pay(merchant, 1_000)
    await house.pay(merchant, 1_000, method="card", capture=False)
    await house.refund(await house.pay(merchant, 1_000))
    part = await house.pay(merchant, 1_000)
    await house.refund(part, 400)
    fraud, good = await house.pay(merchant, 1_000), await house.pay(merchant, 1_000)
    await report(house, fraud, fraud=True)
    await report(house, good, fraud=False)
    house.clock.advance(AGE + timedelta(seconds=1))
    assert await swept(house) == 6
    found = await labelled(house)
    assert {payment: [fraud for fraud, _ in labels] for payment, labels in found.items()} == {
        fraud.id: [True],
        good.id: [False],
        part.id: [False],
    }


async def test_fraud_that_shows_after_that_is_a_label_of_its_own(house: House, owner_url: str):
    payment = await house.pay(await house.merchant(), 1_000)
    house.clock.advance(AGE + timedelta(seconds=1))
    await swept(house)
    house.clock.advance(timedelta(days=5))
    await report(house, payment, fraud=True)
    assert [fraud for fraud, _ in (await labelled(house))[payment.id]] == [False, True]
    assert (await verify_books(owner_url)).holds


async def test_what_is_said_while_the_worker_reads_stands(house: House, owner_url: str):
    """Between the worker's read and its commit somebody calls: the worker's word is refused."""
    payment = await house.pay(await house.merchant(), 1_000)
    other = await house.pay(await house.merchant(), 1_000)
    house.clock.advance(AGE + timedelta(seconds=1))

    class Slow(Writer):
        def __init__(self) -> None:
            return

        async def submit_all(self, changes: Any) -> Any:
            await report(house, payment, fraud=True)
            return await house.writer.submit_all(changes)

    sweep = Sweep(house.database, Slow(), house.clock, good_after=AGE)
    assert await sweep.once() == 2
    found = {p: [fraud for fraud, _ in labels] for p, labels in (await labelled(house)).items()}
    assert found == {payment.id: [True], other.id: [False]}
    assert (await verify_books(owner_url)).holds


# ── many ─────────────────────────────────────────────────────────────────────────────────


async def past(house: House, count: int) -> None:
    """So many captured payments of one merchant, a second apart, through the writer."""
    merchant = await house.merchant()
    start = house.clock.now() - timedelta(seconds=count)
    changes = []
    for n in range(count):
        at = start + timedelta(seconds=n)
        origin = Origin(id=ids.new(at), merchant_id=merchant.id, livemode=False)
        changes.append(_paid(origin, at))
    for refusal in await house.writer.submit_all(changes):
        assert refusal is None


def _paid(origin: Origin, at: Any) -> Change:
    amount, attempt = 500, ids.encode("att", ids.new(at))
    created = ev.PaymentCreated(
        merchant_id=ids.encode("mrc", origin.merchant_id),
        mcc="5814",
        amount=amount,
        currency="INR",
        method="upi",
        capture_method="automatic",
        priority="balanced",
        instrument=f"vpa-{origin.id.int % 997}",
        instrument_mask="a***@khata",
    )
    processing = ev.PaymentProcessing(
        attempt_id=attempt, route="upi_hdfc", rail="upi_hdfc", risk={"score": 0}
    )
    captured = ev.PaymentCaptured(
        attempt_id=attempt,
        rail="upi_hdfc",
        rail_reference=None,
        amount=amount,
        currency="INR",
        fee=0,
        tax=0,
        captured_total=amount,
    )
    moved = PAYMENTS.create(origin, [created, processing, captured], at, Metadata(actor="test"))
    facts = RiskInput(
        payment_id=origin.id,
        at=at,
        amount_minor=amount,
        currency="INR",
        method="upi",
        merchant_id=origin.merchant_id,
        instrument=created.instrument,
        customer_key=None,
        device_key=None,
        ip_key=None,
        livemode=False,
    )
    return Change(snapshots=(moved.row,), events=moved.events, appends=(activity(facts),))


async def doubles(house: House) -> tuple[int, int, int]:
    """Labels, payments that have one, events."""
    (counts,) = await house.rows(
        "select count(*), count(distinct payment_id), (select count(*) from payment_events"
        " where event_type = 'label.recorded') from risk_labels"
    )
    return counts  # type: ignore[return-value]


async def test_ten_thousand_by_three_workers_each_once(house: House, owner_url: str):
    many = 10_000
    await past(house, many)
    house.clock.advance(AGE + timedelta(seconds=1))

    async def worker() -> int:
        passed = idle = 0
        while idle < 3:
            found = await house.label_sweep.once()
            passed, idle = passed + found, 0 if found else idle + 1
            await asyncio.sleep(0 if found else 0.02)
        return passed

    passed = await asyncio.gather(worker(), worker(), worker())
    assert sum(passed) == many
    assert await doubles(house) == (many, many, many)
    assert (await verify_books(owner_url)).holds


async def test_a_worker_that_dies_before_it_keeps_its_place_labels_nothing_twice(
    house: House, owner_url: str
):
    """The labels are committed, the place is not: the next one meets the same page again."""
    await past(house, 1_500)
    house.clock.advance(AGE + timedelta(seconds=1))

    class Dying(Writer):
        def __init__(self) -> None:
            return

        async def submit_all(self, changes: Any) -> Any:
            await house.writer.submit_all(changes[: len(changes) // 2])
            raise SystemExit

    with pytest.raises(SystemExit):
        await Sweep(house.database, Dying(), house.clock, good_after=AGE).once()
    assert await doubles(house) == (500, 500, 500)
    assert await swept(house) == 1_500
    assert await doubles(house) == (1_500, 1_500, 1_500)
    assert (await verify_books(owner_url)).holds


async def test_every_page_is_found_by_the_index(house: House):
    """The plan of a page reads no table from its beginning."""
    await past(house, 3_000)
    async with house.database.connection() as connection:
        await connection.execute("analyze payments, risk_activity, risk_verdicts")
    after, upto = (
        ids.earliest(house.clock.now() - timedelta(seconds=30)),
        ids.new(house.clock.now()),
    )
    async with house.database.connection() as connection:
        cursor = await connection.execute(
            "explain " + QUERIES["aged"], {"after": after, "upto": upto}
        )
        plan = "\n".join(line for (line,) in await cursor.fetchall())
    assert "Seq Scan on payments" not in plan, plan
    assert "Seq Scan on risk_activity" not in plan, plan


async def test_a_report_about_no_payment_is_refused(house: House):
    payment = msgspec.structs.replace(
        await house.pay(await house.merchant(), 1_000), id=ids.new(house.clock.now())
    )
    with pytest.raises(NotFound):
        await report(house, payment, fraud=True)
