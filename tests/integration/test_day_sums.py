"""A day's sums, three ways: online's query, the warehouse's lines, and a list kept by the test.

Random days of everything that moves a merchant's pending balance, posted through the real writer by
the real recipes, copied by the real ingestion.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from online.kernel import ids
from online.kernel.clock import IST, business_date
from online.ledger import accounts as chart
from online.ledger import reading, recipes
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.pending import Span, Sums
from online.ledger.recipes import Legs, Tax
from tests.house import House, house_on, pending_code
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest
from warehouse.settlement import settle_day

pytestmark = pytest.mark.anyio

RAIL = "card_a"
DAYS = 3
STEPS = 120


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


class Trade:
    """Posts what happens to two merchants, and notes in plain numbers what it should add up to."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.rng = random.Random(seed)
        today = business_date(house.clock.now())
        self.days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
        self.merchants: list[UUID] = []
        self.sums: dict[tuple[UUID, date], Counter[str]] = {}
        self.captures: list[tuple[UUID, int, int, Tax]] = []
        self.refunds: list[tuple[UUID, int]] = []
        self.disputes: list[tuple[UUID, int]] = []
        self.journals: list[Journal] = []
        self.day = self.days[0]

    async def run(self) -> None:
        self.merchants = [(await self.house.merchant()).id for _ in range(2)]
        moves: list[Callable[[], None]] = [
            *(self.capture, self.capture, self.capture, self.reverse, self.ask_for_refund),
            *(self.end_refund, self.open_dispute, self.end_dispute, self.settle),
        ]
        for day in self.days:
            self.day = day
            for move in self.rng.choices(moves, k=STEPS // DAYS):
                move()
        changes = [Change(journals=(journal,)) for journal in self.journals]
        refusals = await self.house.writer.submit_all(changes)
        assert refusals == [None] * len(changes)

    # ── what happens ─────────────────────────────────────────────────────────────────────

    def capture(self) -> None:
        merchant = self.rng.choice(self.merchants)
        amount = self.rng.randint(1, 500_000)
        fee, tax = self._charge(amount)
        pending = chart.merchant_pending(merchant)
        self._post(merchant, "capture", recipes.capture(RAIL, pending, amount, fee, tax))
        self._note(merchant, gross=amount, fees=fee, tax=tax.total_minor)
        self.captures.append((merchant, amount, fee, tax))

    def reverse(self) -> None:
        if self.captures:
            merchant, amount, fee, tax = self._take(self.captures)
            pending = chart.merchant_pending(merchant)
            self._post(merchant, "reversal", recipes.reversal(RAIL, pending, amount, fee, tax))
            self._note(merchant, gross=-amount, fees=-fee, tax=-tax.total_minor)

    def ask_for_refund(self) -> None:
        if self.captures:
            merchant, amount, _, _ = self.rng.choice(self.captures)
            amount = self.rng.randint(1, amount)
            pending = chart.merchant_pending(merchant)
            self._post(
                merchant, "refund_requested", recipes.refund_requested(RAIL, pending, amount)
            )
            self._note(merchant, refunds=amount)
            self.refunds.append((merchant, amount))

    def end_refund(self) -> None:
        if not self.refunds:
            return
        merchant, amount = self._take(self.refunds)
        pending = chart.merchant_pending(merchant)
        if self.rng.random() < 0.3:
            self._post(merchant, "refund_failed", recipes.refund_failed(RAIL, pending, amount))
            self._note(merchant, refunds=-amount)
            return
        self._post(merchant, "refund_confirmed", recipes.refund_confirmed(RAIL, amount))
        if self.rng.random() < 0.5:
            fee, tax = self._charge(amount)
            self._post(merchant, "fee_returned", recipes.fee_returned(pending, fee, tax))
            self._note(merchant, fees=-fee, tax=-tax.total_minor)

    def open_dispute(self) -> None:
        merchant, amount = self.rng.choice(self.merchants), self.rng.randint(1, 300_000)
        legs = recipes.dispute_opened(merchant, chart.merchant_pending(merchant), amount)
        self._post(merchant, "dispute_opened", legs)
        self._note(merchant, disputes=amount)
        self.disputes.append((merchant, amount))

    def end_dispute(self) -> None:
        if not self.disputes:
            return
        merchant, amount = self._take(self.disputes)
        pending = chart.merchant_pending(merchant)
        if self.rng.random() < 0.5:
            self._post(merchant, "dispute_won", recipes.dispute_won(merchant, pending, amount))
            self._note(merchant, disputes=-amount)
            return
        self._post(merchant, "dispute_lost", recipes.dispute_lost(merchant, RAIL, amount))
        fee, tax = self._charge(50_000)
        self._post(merchant, "dispute_fee", recipes.dispute_fee(pending, fee, tax))
        self._note(merchant, fees=fee, tax=tax.total_minor)

    def settle(self) -> None:
        """Takes money out of pending and is no part of any day."""
        merchant, amount = self.rng.choice(self.merchants), self.rng.randint(1, 10_000)
        pending = chart.merchant_pending(merchant)
        legs = recipes.settlement(
            merchant, pending, payout=amount, reserve=0, tranche="none", tds=0
        )
        self._post(merchant, "settlement", legs)

    # ── how it is written down ───────────────────────────────────────────────────────────

    def _charge(self, amount: int) -> tuple[int, Tax]:
        """Nothing, IGST, or an odd CGST + SGST."""
        fee = self.rng.choice([0, amount // 50, amount // 50])
        tax = self.rng.choice([0, fee * 18 // 100, fee * 18 // 100])
        if self.rng.random() < 0.5:
            return fee, Tax(igst_minor=tax)
        return fee, Tax(cgst_minor=tax // 2, sgst_minor=tax - tax // 2)

    def _take(self, of: list[Any]) -> Any:
        return of.pop(self.rng.randrange(len(of)))

    def _note(self, merchant: UUID, **amounts: int) -> None:
        self.sums.setdefault((merchant, self.day), Counter()).update(amounts)

    def _post(self, merchant: UUID, kind: str, legs: Legs) -> None:
        if not legs:
            return
        at = datetime.combine(self.day, time(12), IST) + timedelta(seconds=len(self.journals))
        id_ = ids.new(self.house.clock.now())
        self.journals.append(
            Journal(
                cause=id_,
                kind=kind,
                currency="INR",
                postings=legs,
                business_date=self.day,
                effective_at=at,
                livemode=False,
                reference=ids.encode("att", id_),
                merchant_id=merchant,
                forced=True,
            )
        )


@pytest.mark.parametrize("seed", range(4))
async def test_online_the_warehouse_and_the_balance_agree(
    house: House, reader_url: str, tmp_path: Path, seed: int
):
    trade = Trade(house, seed)
    await trade.run()
    await house.check_books()
    keys = [(merchant, day) for merchant in trade.merchants for day in trade.days]
    async with house.database.connection() as connection:
        found = await reading.standings(connection, [_day(*key) for key in keys])
    online = {key: standing.sums for key, standing in zip(keys, found, strict=True)}
    stored = _settled(reader_url, tmp_path, house.clock.now(), trade.days)
    moved = await _moved(house)
    for key in keys:
        noted = trade.sums.get(key, Counter())
        expected = Sums(
            gross_minor=noted["gross"],
            refunds_minor=noted["refunds"],
            disputes_minor=noted["disputes"],
            fees_minor=noted["fees"],
            tax_minor=noted["tax"],
        )
        assert online[key] == expected, key
        assert stored.get(key, (Sums(), 0)) == (expected, expected.net_minor), key
        assert moved.get((pending_code(key[0]), key[1]), 0) == expected.net_minor, key
    # Whatever the dice said, each part was there.
    for part in ("gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "tax_minor"):
        assert any(getattr(sums, part) for sums in online.values()), part


def _day(merchant: UUID, day: date) -> Span:
    starts_at = datetime.combine(day, time(), IST)
    return Span(
        merchant_id=merchant,
        currency="INR",
        livemode=False,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=1),
    )


def _settled(
    reader_url: str, folder: Path, at: datetime, days: list[date]
) -> dict[tuple[UUID, date], tuple[Sums, int]]:
    """The sums of the warehouse's lines, with the net that they state."""
    lake = LakeConfig(catalog=str(folder / "lake.ducklake"), data_path=str(folder / "lake"))
    with Warehouse(lake) as warehouse:
        schema.ensure(warehouse)
        ingest(warehouse, PostgresSource(reader_url), at=at)
        for day in days:
            settle_day(warehouse, day)
        found = warehouse.rows(
            "SELECT merchant_id, business_date, sum(gross_minor)::BIGINT,"
            " sum(refund_minor)::BIGINT, sum(dispute_minor)::BIGINT, sum(fee_minor)::BIGINT,"
            " sum(tax_minor)::BIGINT, sum(net_minor)::BIGINT FROM settlement_lines GROUP BY 1, 2"
        )
    return {
        (merchant, day): (
            Sums(
                gross_minor=gross,
                refunds_minor=refunds,
                disputes_minor=disputes,
                fees_minor=fees,
                tax_minor=tax,
            ),
            net,
        )
        for merchant, day, gross, refunds, disputes, fees, tax, net in found
    }


async def _moved(house: House) -> dict[tuple[str, date], int]:
    """By how much each pending account changed on each day, but for settlements."""
    rows = await house.rows(
        "select a.code, e.business_date, sum(e.amount_cents)::bigint from ledger_entries e"
        " join ledger_accounts a on a.id = e.account_id"
        " join ledger_transactions t on t.id = e.transaction_id"
        " where a.code like 'merchant:%%:pending' and e.layer = 'posted' and t.kind <> 'settlement'"
        " group by 1, 2"
    )
    return {(code, day): amount for code, day, amount in rows}
