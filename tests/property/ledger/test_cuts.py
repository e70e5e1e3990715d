"""Whatever a cut along both times asks for, the ledger answers as a sum over all raw entries would.

Histories are made up without any order: entries take effect before or after their business day,
and are written down earlier or later than that, on one stripe or on another.
"""

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from online.kernel import ids
from online.ledger import entries as books
from online.ledger.batch import ENTRIES, TRANSACTIONS
from online.ledger.cut import BookAccount, Cut, Entry
from online.ledger.journal import Layer
from online.platform.lists import Window
from online.platform.sql import Connection, copy_rows
from tests.databases import fresh_database

DAY = date(2026, 3, 10)
# Every six hours from the evening before, in UTC: some days of India begin between two of them.
START = datetime.fromisoformat("2026-03-09T18:30:00+00:00")
INSTANTS = st.integers(0, 16).map(lambda n: START + n * timedelta(hours=6))
DAYS = st.integers(0, 4).map(lambda n: DAY + timedelta(days=n))
MOST_STRIPES = 3


class Leg(NamedTuple):
    stripe: int
    amount: int
    layer: Layer
    business_date: date
    effective_at: datetime
    created_at: datetime


LEGS = st.builds(
    Leg,
    stripe=st.integers(0, MOST_STRIPES - 1),
    amount=st.integers(-50, 50).filter(bool),
    layer=st.sampled_from(("posted", "posted", "pending")),
    business_date=DAYS,
    effective_at=INSTANTS,
    created_at=INSTANTS,
)
CUTS = st.builds(Cut.of, st.none() | DAYS | INSTANTS, st.none() | INSTANTS)


class Ledger:
    """A database whose entries are written past the writer, as a history nobody lived."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._numbers = count()
        self.connection: Connection = self.run(
            psycopg.AsyncConnection.connect(url, autocommit=True)
        )

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self.run(self.connection.close())
        self._runner.close()

    def write(self, legs: list[Leg]) -> tuple[BookAccount, list[Entry]]:
        """A new account with these legs, against another account; and them as stored."""
        return self.run(self._write(f"test:{next(self._numbers)}", legs))  # type: ignore[no-any-return]

    async def _write(self, code: str, legs: list[Leg]) -> tuple[BookAccount, list[Entry]]:
        rows: list[tuple[Any, ...]] = []
        transactions: list[tuple[Any, ...]] = []
        stored: list[Entry] = []
        sums: dict[tuple[int, str], int] = {}
        versions: dict[int, int] = {}
        parts = [ids.derived("account", code, "INR", "False", str(n)) for n in range(MOST_STRIPES)]
        other = ids.derived(code, "other side")
        for number, leg in enumerate(legs):
            transaction = ids.derived(code, "transaction", str(number))
            transactions.append((
                transaction, transaction, "test", str(number), None, leg.business_date,
                leg.effective_at, leg.created_at, {}, False,
            ))  # fmt: skip
            version = versions[leg.stripe] = versions.get(leg.stripe, 0) + 1
            after = sums[leg.stripe, leg.layer] = sums.get((leg.stripe, leg.layer), 0) + leg.amount
            entry = Entry(
                id=ids.new(leg.created_at),
                transaction_id=transaction,
                account_id=parts[leg.stripe],
                account_version=version,
                amount_minor=leg.amount,
                currency="INR",
                entry_type=_side(leg.amount),
                balance_after=after,
                layer=leg.layer,
                business_date=leg.business_date,
                effective_at=leg.effective_at,
                created_at=leg.created_at,
                kind="test",
                reference=str(number),
            )
            stored.append(entry)
            rows += [_row(entry), _counter(entry, other, number + 1)]
        async with self.connection.transaction():
            for stripe, part in enumerate(parts):
                await self.connection.execute(
                    "insert into ledger_accounts (id, code, stripe, currency, normal_side, posted,"
                    " pending, version, livemode)"
                    " values (%s, %s, %s, 'INR', 'C', %s, %s, %s, false)",
                    (part, code, stripe, sums.get((stripe, "posted"), 0),
                     sums.get((stripe, "pending"), 0), versions.get(stripe, 0)),
                )  # fmt: skip
            await copy_rows(self.connection, TRANSACTIONS, transactions)
            await copy_rows(self.connection, ENTRIES, rows)
        found = await books.account(self.connection, parts[0])
        assert found is not None
        return found, stored


def _side(amount: int) -> str:
    return "DEBIT" if amount < 0 else "CREDIT"


def _row(e: Entry) -> tuple[Any, ...]:
    return (
        e.id, e.transaction_id, e.account_id, e.account_version, e.amount_minor, e.currency,
        e.entry_type, e.balance_after, e.layer, e.business_date, e.effective_at, e.created_at,
        False,
    )  # fmt: skip


def _counter(e: Entry, account_id: Any, version: int) -> tuple[Any, ...]:
    return (
        ids.new(e.created_at), e.transaction_id, account_id, version, -e.amount_minor, e.currency,
        _side(-e.amount_minor), 0, e.layer, e.business_date, e.effective_at, e.created_at, False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ledger(postgres: Any, template: str) -> Iterator[Ledger]:
    with fresh_database(postgres, template) as owner:
        opened = Ledger(owner)
        yield opened
        opened.close()


def expected(stored: list[Entry], layer: Layer, cut: Cut) -> list[tuple[Entry, int]]:
    """Oldest first, each with the balance it leaves."""
    within = sorted((e for e in stored if e.layer == layer and e in cut), key=lambda e: e.place)
    running, found = 0, []
    for entry in within:
        running += entry.amount_minor
        found.append((entry, running))
    return found


TRY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@TRY
@given(legs=st.lists(LEGS, min_size=1, max_size=25), cuts=st.lists(CUTS, min_size=1, max_size=6))
def test_a_balance_is_the_sum_of_what_its_cut_holds(
    ledger: Ledger, legs: list[Leg], cuts: list[Cut]
) -> None:
    account, stored = ledger.write(legs)
    for cut in cuts:
        (found,) = ledger.run(books.at(ledger.connection, [account], cut))
        for layer in ("posted", "pending"):
            wanted = sum(e.amount_minor for e in stored if e.layer == layer and e in cut)
            assert found.balance(layer) == wanted, (cut, layer)


@TRY
@given(
    legs=st.lists(LEGS, min_size=1, max_size=25),
    layer=st.sampled_from(("posted", "pending")),
    cut=CUTS,
    limit=st.integers(1, 7),
)
def test_pages_show_each_entry_once_with_the_balance_it_leaves(
    ledger: Ledger, legs: list[Leg], layer: Layer, cut: Cut, limit: int
) -> None:
    account, stored = ledger.write(legs)
    wanted = expected(stored, layer, cut)
    shown: list[tuple[Entry, int]] = []
    after = None
    while True:
        window = Window(after=after, limit=limit)
        page = ledger.run(books.page(ledger.connection, account, layer, cut, window))
        assert page.closing_minor == (wanted[-1][1] if wanted else 0)
        if shown:
            assert page.balances[0] == shown[-1][1] - shown[-1][0].amount_minor
        assert page.opening_minor == (
            page.balances[-1] - page.entries[-1].amount_minor if page.entries else 0
        )
        shown += zip(page.entries, page.balances, strict=True)
        if not page.has_more:
            break
        after = page.entries[-1].id
    assert shown == wanted[::-1]
    assert page.opening_minor == 0


def test_a_whole_day_and_an_instant_bound_as_they_say() -> None:
    noon = datetime.fromisoformat("2026-03-10T06:30:00+00:00")
    assert Cut.of(DAY, None) == Cut(day=DAY)
    assert Cut.of(noon, None) == Cut(day=DAY, effective=noon)
    # What is known at noon reaches no further than that day, whatever is asked for.
    assert Cut.of(DAY + timedelta(days=3), noon) == Cut(day=DAY, known=noon)
    assert Cut.of(DAY - timedelta(days=3), noon) == Cut(day=DAY - timedelta(days=3), known=noon)
    evening = datetime.fromisoformat("2026-03-10T18:30:00+00:00")  # midnight in India
    assert Cut.of(evening, None).day == DAY + timedelta(days=1)
    assert not Cut.of(None, None)
