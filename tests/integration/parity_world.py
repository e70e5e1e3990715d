"""A day of crowded traffic against a real database: decided while others are being written.

Everything goes the way of the service: features are read by `Risk.assess`, payments and labels are
written by `Writer`s. A second of the world's clock is a few milliseconds, and the clock ticks in
whole seconds, so that hundreds of payments share a microsecond and windows end at full hours. Some
transactions stay open for long, and some of them end in nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import VersionConflict
from online.kernel.events import Metadata
from online.ledger.batch import Batch
from online.ledger.change import Change, NewEvent
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.sql import copy_rows
from online.risk.domain import RiskInput
from online.risk.labels import Subject, Verdict, Word, change, told
from online.risk.recording import activity
from online.risk.service import Risk

DAY = date(2026, 9, 20)
START = datetime(2026, 9, 19, 19, 0, tzinfo=UTC)  # half past midnight in India
_LONGEST = timedelta(hours=23)
_SPEED = 300  # seconds of the world in a second
T = TypeVar("T")
_MERCHANTS = [ids.derived("shop", str(n)) for n in range(100)]


@dataclass(frozen=True)
class Sizes:
    past: int  # payments of the ninety days before
    crowd: int  # payments of the day that nobody asks about
    decided: int
    labels: int
    slow: int  # transactions that stay open


@dataclass
class World:
    database: Database
    risk: Risk
    writers: Sequence[Writer]
    rng: random.Random
    paid: list[RiskInput] = field(default_factory=list)
    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    decided: list[RiskInput] = field(default_factory=list)
    rolled_back: int = 0
    begun: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """Ticks in seconds, and stands still before the day ends."""
        seconds = int((time.monotonic() - self.begun) * _SPEED)
        return START + min(timedelta(seconds=seconds), _LONGEST)

    def payment(self, at: datetime) -> RiskInput:
        """Of few entities, some of them in a third of all payments."""
        rng = self.rng
        customer = 0 if rng.random() < 0.04 else rng.randrange(2_000)
        method = rng.choice(("card", "upi"))
        device = rng.choice((None, "dev_kiosk", f"dev_{customer}", f"dev_{customer}"))
        merchant = _MERCHANTS[0 if rng.random() < 0.3 else rng.randrange(100)]
        return RiskInput(
            payment_id=ids.new(at),
            at=at,
            amount_minor=rng.choice((rng.randint(1, 500_000), rng.randint(1, 10**12))),
            currency="INR",
            method=method,
            merchant_id=merchant,
            instrument=f"{method}_{customer}_{rng.randrange(2)}",
            customer_key=None if rng.random() < 0.1 else f"cus_{customer}",
            device_key=device,
            ip_key=rng.choice((None, "ip_nat", f"ip_{customer % 500}", f"ip_{customer % 500}")),
            livemode=rng.random() < 0.1,
        )

    def of_live_mode(self) -> list[RiskInput]:
        return [payment for payment in self.decided if payment.livemode]

    async def write(self, made: Change) -> None:
        await self.rng.choice(self.writers).submit(made)

    # ── what happens ─────────────────────────────────────────────────────────────────────

    async def live(self, sizes: Sizes) -> None:
        """The past, then the day with everything at once."""
        past = [self.payment(self._earlier()) for _ in range(sizes.past)]
        await self._crowd(past)
        await asyncio.gather(*self._tasks(8, sizes.labels // 3, self._label_of_the_past))
        self.begun = time.monotonic()
        await asyncio.gather(
            *self._tasks(8, sizes.crowd // 8, self._few),
            *self._tasks(12, sizes.decided, self._decide),
            *self._tasks(3, sizes.labels, self._label),
            *self._tasks(3, sizes.slow, self._slow),
        )

    def _earlier(self) -> datetime:
        return START - timedelta(minutes=self.rng.randrange(1, 92 * 24 * 60))

    def _tasks(
        self, tasks: int, times: int, act: Callable[[], Awaitable[None]]
    ) -> list[Coroutine[Any, Any, None]]:
        left = iter(range(times))

        async def repeat() -> None:
            for _ in left:
                await act()

        return [repeat() for _ in range(tasks)]

    async def _crowd(self, payments: Sequence[RiskInput]) -> None:
        changes = [_written(few) for few in _parts(payments, 25)]
        for some in _parts(changes, 64):
            writer = self.rng.choice(self.writers)
            assert not any(await writer.submit_all(some))
        self.paid += payments

    async def _few(self) -> None:
        at = self.now()
        payments = [self.payment(at) for _ in range(8)]
        await self.write(_written(payments))
        self.paid += payments

    async def _decide(self) -> None:
        payment = self.payment(self.now())
        found = await self.risk.assess(payment)
        assert found.failure is None, found.failure
        risk = found.as_event_data()
        if found.decision == "block":
            event: ev.Event = ev.PaymentBlocked(risk=risk)
        else:
            event = ev.PaymentProcessing(attempt_id="att_1", route="r", rail="r", risk=risk)
        made = _written([payment])
        decided = _event(payment, 2, event)
        await self.write(Change(events=(*made.events, decided), appends=made.appends))
        self.paid.append(payment)
        self.decided.append(payment)

    async def _label(self) -> None:
        payment = self.rng.choice(self.paid)
        await self._known(payment, max(self.now(), payment.at))

    async def _label_of_the_past(self) -> None:
        payment = self.rng.choice(self.paid)
        await self._known(payment, payment.at + (START - payment.at) * self.rng.random())

    async def _known(self, payment: RiskInput, at: datetime) -> None:
        """Fraud, good, or another word than last time."""
        subject = _subject(payment, self.verdicts.get(payment.payment_id))
        word = Word(fraud=self.rng.random() < 0.6, source="report", at=at, metadata=Metadata())
        recorded = told(subject, word)
        try:
            await self.write(change(recorded))
        except VersionConflict:
            return  # two labels of one payment at the same time
        self.verdicts[payment.payment_id] = recorded.verdict

    async def _slow(self) -> None:
        """Takes its time, then waits with what it wrote, and may take it back."""
        payments = [self.payment(self.now()) for _ in range(2)]
        made = _written(payments)
        keep = self.rng.random() < 0.7
        batch = Batch([made], stripe=0)
        batch.decide()
        async with self.database.connection() as connection:
            await connection.execute("begin")
            for table, rows in batch._copies.values():
                await copy_rows(connection, table, rows)
            await asyncio.sleep(self.rng.uniform(0.01, 0.3))
            await connection.execute("commit" if keep else "rollback")
        if keep:
            self.paid += payments
        else:
            self.rolled_back += 1


def _parts(things: Sequence[T], size: int) -> list[Sequence[T]]:
    return [things[at : at + size] for at in range(0, len(things), size)]


def _written(payments: Sequence[RiskInput]) -> Change:
    """Payments as they are created: the events, and what later ones are compared with."""
    return Change(
        events=tuple(_event(payment, 1, _created(payment)) for payment in payments),
        appends=tuple(activity(payment) for payment in payments),
    )


def _event(payment: RiskInput, version: int, event: ev.Event) -> NewEvent:
    return NewEvent(
        aggregate_id=payment.payment_id,
        version=version,
        event=event,
        at=payment.at,
        livemode=payment.livemode,
        merchant_id=payment.merchant_id,
    )


def _created(payment: RiskInput) -> ev.PaymentCreated:
    return ev.PaymentCreated(
        merchant_id=ids.encode("mrc", payment.merchant_id),
        mcc="5411",
        amount=payment.amount_minor,
        currency=payment.currency,
        method=payment.method,
        capture_method="automatic",
        priority="cost",
        instrument=payment.instrument or "",
        instrument_mask="x",
        customer_id=payment.customer_key,
        device_id=payment.device_key,
        ip_hash=payment.ip_key,
    )


def _subject(payment: RiskInput, verdict: Verdict | None) -> Subject:
    known = verdict and {
        "fraud": verdict.fraud,
        "source": verdict.source,
        "known_at": verdict.known_at,
        "version": verdict.version,
    }
    return Subject(
        payment_id=payment.payment_id,
        merchant_id=payment.merchant_id,
        card_key=payment.card_key,
        vpa_key=payment.vpa_key,
        customer_key=payment.customer_key,
        device_key=payment.device_key,
        ip_key=payment.ip_key,
        amount_minor=payment.amount_minor,
        livemode=payment.livemode,
        **(known or {}),
    )
