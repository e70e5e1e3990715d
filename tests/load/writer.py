"""How many payments a second the writer commits: 2 events, 1 transaction, 4 entries, balances,
a snapshot and an idempotency key each, in one process."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from time import perf_counter
from uuid import UUID

import psycopg
import uvloop

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.writer import Writer
from online.payments.store import PAYMENTS
from online.platform.db import Database
from online.platform.idempotency import IdempotencyKey
from tests.load.baseline import ACCOUNTS
from tests.load.stage import Stage

_CALLERS = 512
_BODY = b'{"id":"pay_01h455vb4pex5vsknk084sn02q","status":"captured","amount":10000}'


def payments_per_s(stage: Stage, seconds: int) -> float:
    url, owner = stage.database("bench_writer")
    done = uvloop.run(_drive(url, seconds))
    with psycopg.connect(owner) as connection:
        row = connection.execute("select count(*) from payments").fetchone()
    if row is None or row[0] < done:
        raise RuntimeError(f"{done} were acknowledged, {row} are there")
    return done / seconds


async def _drive(url: str, seconds: int) -> int:
    database = Database(url)
    await database.open()
    writer = Writer(database)
    await writer.start()
    merchants = [ids.derived("bench", str(n)) for n in range(ACCOUNTS)]
    numbers, done = count(), 0
    end = perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while perf_counter() < end:
            number = next(numbers)
            await writer.submit(_payment(merchants[number % ACCOUNTS], number))
            done += perf_counter() < end

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    await writer.stop()
    await database.close()
    return done


def _payment(merchant: UUID, number: int) -> Change:
    now = datetime.now(UTC)
    origin = Origin(id=ids.new(now), merchant_id=merchant, livemode=False)
    attempt = ids.encode("att", origin.id)
    created = ev.PaymentCreated(
        merchant_id=ids.encode("mrc", merchant),
        mcc="5812",
        amount=10_000,
        currency="INR",
        method="upi",
        capture_method="automatic",
        priority="balanced",
        instrument="0011223344556677",
        instrument_mask="ra***@ybl",
    )
    captured = ev.PaymentProcessing(attempt_id=attempt, route="upi_hdfc", rail="upi_hdfc", risk={})
    moved = PAYMENTS.create(origin, [created, captured], now, Metadata(actor="bench"))
    journal = Journal(
        cause=origin.id,
        kind="capture",
        currency="INR",
        postings=recipes.capture(
            "upi_hdfc", chart.merchant_pending(merchant), 10_000, 118, recipes.Tax()
        ),
        business_date=business_date(now),
        effective_at=now,
        livemode=False,
        reference=attempt,
        merchant_id=merchant,
    )
    key = IdempotencyKey(
        merchant_id=merchant,
        key=f"{number}-{attempt}",
        request_hash=b"\x00" * 32,
        created_at=now,
        livemode=False,
        resource_id=origin.id,
        status=201,
        body=_BODY,
    )
    return Change(snapshots=(moved.row,), events=moved.events, journals=(journal,), reserve=key)
