"""Random weeks of several merchants, settled by the real pipeline into the real service.

Postings by the real recipes, copied by the real ingestion, summed by the warehouse, judged by
online: whatever happens on whichever terms, every rupee is paid, carried, held back or taxed once.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest

from online.attempts.returned import Returned
from online.kernel import ids
from online.kernel.clock import IST, business_date
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.recipes import Legs, Tax
from online.merchants.domain import Merchant, NewTerms
from online.settlements.intake import Receipt
from online.settlements.views import BatchLine
from tests.fakes import APPROVED, DECLINED, UNKNOWN
from tests.house import META, PAYOUT_RAIL, House, house_on
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest
from warehouse.settlement import Batch, settle_day

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RAIL: Final = "card_a"
DAYS: Final = 9
A_DAY: Final = 14  # postings
DAY = timedelta(days=1)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Warehouse]:
    at = LakeConfig(catalog=str(tmp_path / "lake.ducklake"), data_path=str(tmp_path / "lake"))
    with Warehouse(at) as warehouse:
        schema.ensure(warehouse)
        yield warehouse


def agreements(first: date) -> tuple[NewTerms, ...]:
    return (
        NewTerms(),
        NewTerms(
            reserve_bps=1_000, reserve_days=2, tds_section="194-O", tds_bps=100,
            min_payout_minor=200_000,
        ),
        NewTerms(
            settlement_schedule="weekly", settlement_weekday=(first + 3 * DAY).isoweekday(),
            reserve_bps=333, reserve_days=1,
        ),
        NewTerms(
            settlement_days=0, settlement_schedule="cycles", settlement_cycles=("11:00", "15:00"),
            cutoff="19:00", tds_section="194-O",
        ),
        NewTerms(cutoff="18:30", min_payout_minor=1_000),
    )  # fmt: skip


class Week:
    """What happens to the merchants, hour by hour, and what the pipeline makes of it."""

    def __init__(self, house: House, lake: Warehouse, reader_url: str, seed: int) -> None:
        self.house, self.lake, self.reader_url = house, lake, reader_url
        self.rng = random.Random(seed)
        self.first = business_date(house.clock.now())
        self.merchants: list[Merchant] = []
        self.captures: list[tuple[UUID, int, int, Tax]] = []
        self.refunds: list[tuple[UUID, int]] = []
        self.disputes: list[tuple[UUID, int]] = []
        self.escrows: list[tuple[UUID, int, chart.Account]] = []
        self.posted_escrows = 0
        self.posted = 0

    async def run(self) -> None:
        for terms in agreements(self.first):
            made = await self.house.merchant(exposure_limit_minor=0)
            agreed = await self.house.merchants.change_terms(made.id, terms, lambda _: None, "t")
            self.merchants.append(agreed)
        for n in range(DAYS):
            day = self.first + n * DAY
            await self.hours(day, 1, 13)
            await self.house.settlements.run_due(META)
            await self.settle(day)
            await self.hours(day, 13, 24)
            # The morning after, when refunds have used some of what yesterday earned.
            await self.hours(day + DAY, 0, 1)
            if self.rng.random() < 0.8:  # else the day is settled with the next one
                await self.settle(day)
            await self.house.settlements.run_due(META)
        self.house.clock.at = datetime.combine(self.first + (DAYS + 7) * DAY, time(1), IST)
        for _ in range(3):
            await self.house.settlements.run_due(META)
            await self.recover()

    # ── what happens ─────────────────────────────────────────────────────────────────────

    async def hours(self, day: date, since: int, until: int) -> None:
        many = A_DAY * (until - since) // 24 + 1
        minutes = sorted(self.rng.sample(range(since * 60, until * 60), many))
        for minute in minutes:
            self.house.clock.at = datetime.combine(day, time(), IST) + timedelta(minutes=minute)
            moves = [self.capture, self.capture, self.capture, self.reverse, self.refund]
            moves += [self.fail_refund, self.dispute, self.end_dispute]
            moves += [self.set_aside, self.let_go]
            journal = self.rng.choice(moves)()
            if journal is not None:
                await self.house.writer.submit(Change(journals=(journal,)))
                self.posted += 1

    def capture(self) -> Journal:
        merchant, amount = self.rng.choice(self.merchants).id, self.rng.randint(1, 500_000)
        fee = self.rng.choice([0, amount // 50])
        tax = Tax(cgst_minor=fee * 9 // 100, sgst_minor=fee * 9 // 100)
        self.captures.append((merchant, amount, fee, tax))
        legs = recipes.capture(RAIL, chart.merchant_pending(merchant), amount, fee, tax)
        return self.journal(merchant, "capture", legs)

    def reverse(self) -> Journal | None:
        if not self.captures:
            return None
        merchant, amount, fee, tax = self.take(self.captures)
        legs = recipes.reversal(RAIL, chart.merchant_pending(merchant), amount, fee, tax)
        return self.journal(merchant, "reversal", legs)

    def refund(self) -> Journal | None:
        if not self.captures:
            return None
        merchant, amount, _, _ = self.rng.choice(self.captures)
        part = self.rng.randint(1, amount)
        self.refunds.append((merchant, part))
        legs = recipes.refund_requested(RAIL, chart.merchant_pending(merchant), part)
        return self.journal(merchant, "refund_requested", legs)

    def fail_refund(self) -> Journal | None:
        if not self.refunds:
            return None
        merchant, amount = self.take(self.refunds)
        legs = recipes.refund_failed(RAIL, chart.merchant_pending(merchant), amount)
        return self.journal(merchant, "refund_failed", legs)

    def dispute(self) -> Journal | None:
        if not self.captures:
            return None
        merchant, amount, _, _ = self.rng.choice(self.captures)
        self.disputes.append((merchant, amount))
        legs = recipes.dispute_opened(merchant, chart.merchant_pending(merchant), amount)
        return self.journal(merchant, "dispute_opened", legs)

    def end_dispute(self) -> Journal | None:
        if not self.disputes:
            return None
        merchant, amount = self.take(self.disputes)
        pending = chart.merchant_pending(merchant)
        if self.rng.random() < 0.5:
            return self.journal(
                merchant, "dispute_won", recipes.dispute_won(merchant, pending, amount)
            )
        legs = recipes.dispute_fee(pending, 50_000, Tax(igst_minor=9_000))
        return self.journal(merchant, "dispute_fee", legs)

    def set_aside(self) -> Journal | None:
        """In escrow it is not settled, whatever its day has earned."""
        if not self.captures:
            return None
        merchant, amount, _, _ = self.rng.choice(self.captures)
        self.posted_escrows += 1
        escrow = chart.merchant_escrow(merchant, f"esc_{self.posted_escrows}")
        self.escrows.append((merchant, amount, escrow))
        legs = recipes.escrow_funded(chart.merchant_pending(merchant), escrow, amount)
        return self.journal(merchant, "escrow_funded", legs)

    def let_go(self) -> Journal | None:
        """To its owner and to another merchant, whose day has it then."""
        if not self.escrows:
            return None
        merchant, amount, escrow = self.take(self.escrows)
        other = self.rng.choice(self.merchants).id
        part = self.rng.randint(0, amount)
        parts = [
            (chart.merchant_pending(merchant), amount - part),
            (chart.merchant_pending(other), part),
        ]
        return self.journal(merchant, "escrow_released", recipes.escrow_released(escrow, parts))

    def take(self, of: list[Any]) -> Any:
        return of.pop(self.rng.randrange(len(of)))

    def journal(self, merchant: UUID, kind: str, legs: Legs) -> Journal:
        at = self.house.clock.now()
        return Journal(
            cause=ids.new(at),
            kind=kind,
            currency="INR",
            postings=legs,
            business_date=business_date(at),
            effective_at=at,
            livemode=False,
            merchant_id=merchant,
            forced=True,
        )

    # ── settling ─────────────────────────────────────────────────────────────────────────

    async def settle(self, day: date) -> None:
        """Fill the lake, sum, hand in; perhaps twice, perhaps two runs at once."""
        ingest(self.lake, PostgresSource(self.reader_url), at=self.house.clock.now())
        made = settle_day(self.lake, day)
        said = [APPROVED, APPROVED, APPROVED, DECLINED, UNKNOWN]
        self.house.rails[PAYOUT_RAIL].next.extend(self.rng.choices(said, k=len(made)))
        runs = await asyncio.gather(*(self.hand_in(made) for _ in range(self.rng.randint(1, 3))))
        self.house.rails[PAYOUT_RAIL].next.clear()
        for receipts in runs:
            for batch, receipt in zip(made, receipts, strict=True):
                assert receipt.status in {"accepted", "exists"}, (batch, receipt)
                if not batch.is_accepted:
                    assert (receipt.payout_minor or 0) <= batch.payout_minor, (batch, receipt)
        await self.recover()

    async def hand_in(self, made: list[Batch]) -> list[Receipt]:
        lines = [msgspec.convert(batch.wire(1), BatchLine) for batch in made]
        return list(await self.house.settlements.take_in([line.batch() for line in lines], META))

    async def recover(self) -> None:
        """Answers to open payouts; what failed is sent again, what was paid may come back."""
        rail = self.house.rails[PAYOUT_RAIL]
        for (id_,) in await self.house.rows("select id from attempts where status = 'unknown'"):
            async with self.house.database.connection() as connection:
                attempt = await self.house.attempts.get(connection, id_)
            assert attempt is not None
            rail.enquiries.append(self.rng.choice([APPROVED, DECLINED]))
            await self.house.payouts.resolve(attempt, META)
        for (id_,) in await self.house.rows(
            "select id from settlements where status in ('payout_failed', 'returned')"
        ):
            await self.house.settlements.pay_again(id_, lambda _: None, META)
        paid = await self.house.rows(
            "select payout_attempt_id, payout_minor from settlements where status = 'paid'"
        )
        if paid and self.rng.random() < 0.2:
            attempt_id, amount = self.rng.choice(sorted(paid))
            back = Returned(attempt_id=attempt_id, amount_minor=amount, returned_on=self.first)
            assert await self.house.returns.record(back, META) is not None


@pytest.mark.parametrize("seed", range(3))
async def test_every_rupee_is_paid_carried_held_or_taxed_once(
    house: House, lake: Warehouse, reader_url: str, seed: int
):
    week = Week(house, lake, reader_url, seed)
    await week.run()
    assert week.posted > DAYS * A_DAY / 2
    await house.check_books()
    books = await house.books()
    for merchant in week.merchants:
        await _foots(house, merchant, books)
    assert await house.rows(_NEGATIVE) == []
    assert await house.rows(_PAID_TWICE) == []
    kinds = dict(await house.rows("select kind, count(*) from ledger_transactions group by kind"))
    for kind in ("settlement", "reserve_released", "payout_sent", "payout_returned",
                 "escrow_funded", "escrow_released"):  # fmt: skip
        assert kinds.get(kind), kind
    statuses = {status for (status,) in await house.rows("select status from settlements")}
    assert {"paid", "carried"} <= statuses


async def _foots(house: House, merchant: Merchant, books: dict[str, int]) -> None:
    """What moved is what was paid, is held, was taxed, or is still there; periods follow on."""
    code = f"merchant:{ids.encode('mrc', merchant.id)}"
    ((moved,),) = await house.rows(
        "select coalesce(sum(e.amount_cents), 0)::bigint from ledger_entries e"
        " join ledger_accounts a on a.id = e.account_id"
        " join ledger_transactions t on t.id = e.transaction_id"
        " where a.code = %s and t.kind <> 'settlement'",
        f"{code}:pending",
    )
    made = await house.rows(
        "select starts_at, ends_at, payout_minor, reserve_minor, tds_minor, carried_minor,"
        " net_minor, carried_out_minor, withheld_minor, reserve_released_on, release_on"
        " from settlements where merchant_id = %s order by ends_at",
        merchant.id,
    )
    # Nobody may have settled on the one day that ends a week.
    assert made or merchant.settlement_schedule == "weekly"
    payouts, reserves, tds = (sum(row[n] for row in made) for n in (2, 3, 4))
    assert moved == payouts + reserves + tds + books.get(f"{code}:pending", 0)
    starts, ends = [row[0] for row in made], [row[1] for row in made]
    assert starts == [None, *ends][: len(made)]
    for row in made:
        assert row[5] + row[6] == row[2] + row[3] + row[4] + row[7], row
    assert [row[5] for row in made] == [0, *(row[7] for row in made)][: len(made)]
    # Every reserve whose day has come is free, on its day or when a worker next looked.
    assert all(row[9] >= row[10] for row in made if row[3]), made
    assert not any(account.startswith(f"{code}:reserve:") for account in books)


_NEGATIVE: Final = """
select a.code, e.balance_after from ledger_entries e join ledger_accounts a on a.id = e.account_id
where a.code ~ '^merchant:.*:(payable|reserve:.*|escrow:.*)$' and e.balance_after < 0"""
# What the bank has paid and not sent back, more than once for a settlement or more than it owes.
_PAID_TWICE: Final = """
select s.id from settlements s
join attempts a on a.settlement_id = s.id and a.status = 'succeeded'
where not exists (
    select from ledger_transactions t
    where t.cause = a.id and t.kind in ('payout_returned', 'payout_sent_back'))
group by s.id, s.payout_minor having count(*) > 1 or sum(a.amount_minor) <> s.payout_minor"""
