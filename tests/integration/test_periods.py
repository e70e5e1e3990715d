"""Closed months: nothing enters them, whoever tries, and what they were closed with stays true."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from online.kernel import ids
from online.kernel.errors import NotFound, PeriodClosed
from online.kernel.months import Month
from online.ledger import accounts as chart
from online.ledger.change import Change
from online.ledger.journal import Journal, credit, debit
from online.operations.verify import verify_books
from online.periods.domain import PeriodNotOver, PeriodOutOfOrder, PeriodUndecided
from online.postings.domain import Entry, Line
from tests.builders import uid
from tests.fakes import APPROVED, UNKNOWN
from tests.house import META, House, house_on

pytestmark = pytest.mark.anyio

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
BANK, EQUITY, FEES = chart.bank("hdfc"), chart.EQUITY_OPENING, chart.FEES_MDR
MADE_UP = (
    "insert into period_balances values ('2026-11-01', 'x', 'INR', 'posted', true, 0, 5, 5, 0, 2)"
)
DECEMBER_BEGINS = datetime(2026, 11, 30, 18, 30, tzinfo=UTC)  # midnight in India


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as made:
        made.clock.at = datetime(2026, 12, 2, 6, tzinfo=UTC)
        yield made


def posting(name: str, day: date, amount: int = 100, *, to=EQUITY, livemode=False) -> Change:
    journal = Journal(
        cause=uid(name),
        kind="transfer",
        currency="INR",
        postings=(debit(BANK, amount), credit(to, amount)),
        business_date=day,
        effective_at=datetime(2026, 12, 2, tzinfo=UTC),
        livemode=livemode,
    )
    return Change(journals=(journal,))


def file_line(name: str, day: date, **fields) -> Line:
    entries = [
        Entry(account="bank:hdfc", currency="INR", amount_minor=-500),
        Entry(account="suspense:bank", currency="INR", amount_minor=500),
    ]
    known = {"cause": uid(name), "kind": "unexpected_credit", "reference": name, "metadata": {}}
    return Line(**known | {"business_date": day, "entries": entries} | fields)


async def test_a_closed_month_takes_no_new_entries(house: House):
    await house.writer.submit(posting("in time", date(2026, 11, 30)))
    await house.periods.close(NOVEMBER, "admin:test")
    for day in (date(2026, 11, 30), date(2026, 11, 1), date(2025, 1, 1)):
        with pytest.raises(PeriodClosed) as refusal:
            await house.writer.submit(posting(f"late {day}", day))
        assert (refusal.value.code, refusal.value.param) == ("period_closed", "business_date")
        assert str(day) in refusal.value.detail
    await house.writer.submit(posting("december", date(2026, 12, 1)))
    assert await house.count("ledger_transactions") == 2


async def test_one_late_change_does_not_stop_the_others_of_its_batch(house: House):
    await house.periods.close(NOVEMBER, "admin:test")
    days = [date(2026, 12, 1) if n % 3 else date(2026, 11, 30) for n in range(60)]
    changes = [posting(f"change {n}", day) for n, day in enumerate(days)]
    refusals = await house.writer.submit_all(changes)
    assert [isinstance(r, PeriodClosed) for r in refusals] == [day.month == 11 for day in days]
    assert await house.count("ledger_transactions") == 40


async def test_the_database_refuses_what_goes_around_the_writer(house: House, owner_url: str):
    await house.writer.submit(posting("in time", date(2026, 11, 30)))
    await house.periods.close(NOVEMBER, "admin:test")
    transaction = uuid4()
    # One leg of many is enough.
    two_legs = (
        "insert into ledger_entries (transaction_id, account_id, account_version, amount_cents,"
        " currency, entry_type, balance_after, layer, business_date, effective_at, livemode)"
        " values (%(t)s, gen_random_uuid(), 1, -1, 'INR', 'DEBIT', -1, 'posted', '2026-12-01',"
        " now(), false), (%(t)s, gen_random_uuid(), 1, 1, 'INR', 'CREDIT', 1, 'posted',"
        " '2026-11-30', now(), false)"
    )
    with psycopg.connect(owner_url) as owner:
        owner.execute(
            "insert into ledger_transactions (id, cause, kind, business_date, effective_at,"
            " livemode) values (%s, %s, 'test', '2026-11-30', now(), false)",
            (transaction, transaction),
        )
        with pytest.raises(errors.CheckViolation) as refusal:
            owner.execute(two_legs, {"t": transaction})
    assert refusal.value.diag.constraint_name == "ledger_entries_period_open"


@pytest.mark.parametrize(
    "sql",
    [
        "delete from periods",
        "update periods set month = '2026-10-01'",
        "truncate periods, period_balances, period_totals, invoices, invoice_files",
        "update period_balances set closing_minor = 0, credit_minor = 0, opening_minor = 0",
        "delete from period_totals",
        "insert into periods values ('2026-10-01', 'x', now())",  # behind a closed one
        "insert into periods values ('2026-12-15', 'x', now())",  # not the first of a month
    ],
)
async def test_there_is_no_way_back(house: House, owner_url: str, sql: str):
    await house.writer.submit(posting("in time", date(2026, 11, 30)))
    await house.periods.close(NOVEMBER, "admin:test")
    with psycopg.connect(owner_url) as owner, pytest.raises(psycopg.DatabaseError):
        owner.execute(sql)


async def test_a_month_is_over_at_midnight_in_india(house: House):
    house.clock.at = DECEMBER_BEGINS - timedelta(microseconds=1)
    with pytest.raises(PeriodNotOver):
        await house.periods.close(NOVEMBER, "admin:test")
    house.clock.at = DECEMBER_BEGINS
    assert (await house.periods.close(NOVEMBER, "admin:test")).month == date(2026, 11, 1)


async def test_months_close_in_order(house: House):
    await house.writer.submit(posting("october", date(2026, 10, 31)))
    await house.writer.submit(posting("november", date(2026, 11, 1)))
    with pytest.raises(PeriodOutOfOrder, match="2026-10"):
        await house.periods.close(NOVEMBER, "admin:test")
    await house.periods.close(OCTOBER, "admin:test")
    house.clock.at += timedelta(days=60)
    with pytest.raises(PeriodOutOfOrder, match="2026-11"):
        await house.periods.close(NOVEMBER.next, "admin:test")
    await house.periods.close(NOVEMBER, "admin:test")
    assert [p.name for p in await house.periods.all()] == ["2026-11", "2026-10"]


async def test_what_is_undecided_keeps_a_month_open(house: House):
    house.clock.at = DECEMBER_BEGINS - timedelta(seconds=1)
    merchant = await house.merchant()
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    await house.pay(merchant, 10_000)
    house.clock.at += timedelta(days=1)
    with pytest.raises(PeriodUndecided, match="1 calls"):
        await house.periods.close(NOVEMBER, "admin:test")
    assert await house.count("periods") == 0
    with pytest.raises(NotFound):
        await house.periods.get(NOVEMBER)
    # One of December does not matter.
    await house.rows(
        "update attempts set sent_at = %s where status = 'unknown' returning id", DECEMBER_BEGINS
    )
    await house.periods.close(NOVEMBER, "admin:test")


class SomeSealed:
    def __init__(self, *, in_use: bool) -> None:
        self.in_use = in_use

    async def any_there(self, connection) -> bool:
        return self.in_use

    async def unsealed(self, connection, first: date, last: date) -> list[date]:
        return [day for day in (date(2026, 11, 30), date(2026, 12, 1)) if first <= day <= last]


async def test_days_without_a_seal_keep_a_month_open(house: House):
    house.periods._seals = SomeSealed(in_use=True)
    with pytest.raises(PeriodUndecided, match="the first is 2026-11-30"):
        await house.periods.close(NOVEMBER, "admin:test")
    house.periods._seals = SomeSealed(in_use=False)
    await house.periods.close(NOVEMBER, "admin:test")


async def test_the_trial_balance_is_kept_and_adds_up(house: House):
    await house.writer.submit(posting("october", date(2026, 10, 31), 700))
    await house.writer.submit(posting("first", date(2026, 11, 1), 100, to=FEES))
    await house.writer.submit(posting("last", date(2026, 11, 30), 50))
    await house.writer.submit(posting("live", date(2026, 11, 30), 3, livemode=True))
    await house.writer.submit(posting("december", date(2026, 12, 1), 9_000))
    await house.periods.close(OCTOBER, "admin:test")
    closed = await house.periods.close(NOVEMBER, "admin:test")
    lines = await house.periods.balances(NOVEMBER, after="", most=100)
    assert [
        (x.code, x.livemode, x.opening_minor, x.debit_minor, x.credit_minor, x.closing_minor)
        for x in lines
    ] == [
        ("bank:hdfc", True, 0, 3, 0, -3),
        ("bank:hdfc", False, -700, 150, 0, -850),
        ("equity:opening", True, 0, 0, 3, 3),
        ("equity:opening", False, 700, 0, 50, 750),
        ("fees:mdr", False, 0, 0, 100, 100),
    ]
    assert (closed.accounts, closed.entries) == (5, 6)
    assert closed.totals is not None
    assert [(t.livemode, t.debit, t.credit) for t in closed.totals] == [
        (False, 150, 150),
        (True, 3, 3),
    ]
    text = "".join(
        f"{x.code}|{x.currency}|{x.layer}|{'live' if x.livemode else 'test'}|{x.opening_minor}"
        f"|{x.debit_minor}|{x.credit_minor}|{x.closing_minor}|{x.entries}\n"
        for x in sorted(lines, key=lambda x: (x.code, x.livemode is False))
    )
    assert closed.sha256 == hashlib.sha256(text.encode()).digest()
    assert await house.periods.balances(NOVEMBER, after=lines[3].id, most=9) == lines[4:]


async def test_a_month_closes_once(house: House):
    both = await asyncio.gather(
        house.periods.close(NOVEMBER, "admin:a"), house.periods.close(NOVEMBER, "admin:b")
    )
    assert both[0] == both[1]
    assert await house.periods.close(NOVEMBER, "admin:c") == both[0]
    assert await house.count("period_totals") == 1


async def test_a_crash_before_the_trial_balance_is_made_good(house: House):
    await house.writer.submit(posting("in time", date(2026, 11, 30)))
    await house.rows(
        "insert into periods values ('2026-11-01', 'admin:test', now()) returning month"
    )
    assert (await house.periods.get(NOVEMBER)).totals is None
    with pytest.raises(PeriodClosed):
        await house.writer.submit(posting("late", date(2026, 11, 30)))
    closed = await house.periods.close(NOVEMBER, "admin:test")
    assert (closed.accounts, closed.entries) == (2, 2)


async def test_a_close_among_fifty_writers_misses_nothing_and_lets_nothing_in(house: House):
    """Whatever was acknowledged is in the trial balance, whatever was refused is not there."""
    taken: list[int] = []
    stop = asyncio.Event()

    async def writes(n: int) -> None:
        while not stop.is_set():
            name = ids.new(house.clock.now()).hex
            try:
                await house.writer.submit(posting(name, date(2026, 11, 30), n + 1))
            except PeriodClosed:
                return
            taken.append(n + 1)

    writers = [asyncio.create_task(writes(n)) for n in range(50)]
    await asyncio.sleep(0.3)
    closed = await house.periods.close(NOVEMBER, "admin:test")
    await asyncio.wait_for(asyncio.gather(*writers), timeout=20)
    assert len(taken) > 50
    assert closed.entries == 2 * len(taken)
    assert closed.totals is not None
    assert [t.debit for t in closed.totals] == [sum(taken)]
    assert await house.count("ledger_entries") == 2 * len(taken)


async def test_closing_waits_for_a_commit_under_way(house: House, owner_url: str):
    """The entries are in, the commit is not: the month closes after it, and counts them."""
    with psycopg.connect(owner_url) as other:
        transaction = uuid4()
        other.execute(
            "insert into ledger_accounts (id, code, currency, normal_side, livemode) values"
            " (%(a)s, 'a', 'INR', 'C', false), (%(b)s, 'b', 'INR', 'C', false)",
            {"a": uid("a"), "b": uid("b")},
        )
        other.execute(
            "insert into ledger_transactions (id, cause, kind, business_date, effective_at,"
            " livemode) values (%s, %s, 'test', '2026-11-30', now(), false)",
            (transaction, transaction),
        )
        other.execute(
            "insert into ledger_entries (transaction_id, account_id, account_version, amount_cents,"
            " currency, entry_type, balance_after, layer, business_date, effective_at, livemode)"
            " values (%(t)s, %(a)s, 1, -7, 'INR', 'DEBIT', -7, 'posted', '2026-11-30', now(),"
            " false), (%(t)s, %(b)s, 1, 7, 'INR', 'CREDIT', 7, 'posted', '2026-11-30', now(),"
            " false)",
            {"t": transaction, "a": uid("a"), "b": uid("b")},
        )
        closing = asyncio.create_task(house.periods.close(NOVEMBER, "admin:test"))
        await asyncio.sleep(0.3)
        assert not closing.done()
        assert await house.count("periods") == 0
        other.commit()
        assert (await asyncio.wait_for(closing, 10)).entries == 2


async def test_what_files_say_of_a_closed_month_lands_on_the_first_open_day(house: House):
    early = file_line("early", date(2026, 11, 29))
    assert [r.status for r in await house.postings.post([early], livemode=False)] == ["posted"]
    await house.periods.close(NOVEMBER, "admin:test")
    lines = [
        early,
        file_line("late", date(2026, 11, 30), metadata={"file": "x"}),
        file_line("december", date(2026, 12, 2)),
    ]
    results = await house.postings.post(lines, livemode=False)
    assert [r.status for r in results] == ["exists", "posted", "posted"]
    rows = await house.rows(
        "select reference, business_date, metadata from ledger_transactions order by created_at, 1"
    )
    assert sorted(rows) == [
        ("december", date(2026, 12, 2), {}),
        ("early", date(2026, 11, 29), {}),
        ("late", date(2026, 12, 1), {"file": "x", "original_date": "2026-11-30"}),
    ]
    assert [r.status for r in await house.postings.post(lines, livemode=False)] == ["exists"] * 3
    await house.check_books()


async def test_a_payment_of_the_last_second_is_captured_in_the_next_month(house: House):
    """Sent in November, answered in December: it is December's, whether November is closed."""
    house.clock.at = DECEMBER_BEGINS - timedelta(seconds=1)
    merchant = await house.merchant()
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    payment = await house.pay(merchant, 10_000)
    attempt = await house.open_attempt("authorize")
    house.clock.at += timedelta(seconds=100)
    house.rails["upi_hdfc"].enquiries.append(APPROVED)
    await house.payments.resolve(attempt, META)
    await house.periods.close(NOVEMBER, "admin:test")
    days = await house.rows("select distinct business_date from ledger_entries")
    assert days == [(date(2026, 12, 1),)]
    assert (await house.payments.get(payment.id, merchant.id)).status == "captured"


@pytest.mark.parametrize(
    ("trigger", "tampering"),
    [
        (
            "period_balances",
            "update period_balances set entries = entries + 1 where code = 'bank:hdfc'",
        ),
        ("period_balances", "delete from period_balances where code = 'bank:hdfc'"),
        ("period_balances", MADE_UP),
        ("ledger_entries", "update ledger_entries set business_date = '2026-12-01'"),
        ("ledger_entries", "update ledger_entries set business_date = '2026-10-01'"),
    ],
)
async def test_verify_books_holds_closed_months_against_the_entries(
    house: House, owner_url: str, trigger: str, tampering: str
):
    await house.writer.submit(posting("in time", date(2026, 11, 30)))
    await house.periods.close(NOVEMBER, "admin:test")
    await house.writer.submit(posting("later", date(2026, 12, 1)))
    assert (await verify_books(owner_url)).holds
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(f"alter table {trigger} disable trigger append_only")
        owner.execute(tampering)
    assert not (await verify_books(owner_url)).balances_equal
