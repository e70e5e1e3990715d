"""Tiles against their events: under concurrent writers, a rebuild, a migration, and old age."""

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import cycle

import psycopg
import pytest
from msgspec import structs
from psycopg.rows import dict_row

from models.fraud import tiles as windows
from models.fraud.features import DAY, FEATURES
from online.kernel import ids
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.migrations.run import upgrade
from online.platform.sql import copy_rows
from online.risk.recording import activity, label
from online.risk.store import ACTIVITY, QUERIES, parameters
from online.risk.tiles import IncompleteTiles, forget, longest, rebuild, require_complete
from tests.databases import fresh_database
from tests.integration.risk_rows import fill, risk_input
from tests.unit.models.synthetic import START, Label, Payment, history

# Tiles as events say they ought to be, in other words than those of the trigger.
EXPECTED = """
with events as (
    select 0 as part, at, livemode, amount_minor,
        array[customer_key, card_key, vpa_key, device_key, merchant_id::text, ip_key] as keys
    from risk_activity
    union all
    select case when fraud then 1 else 2 end, known_at, livemode, amount_minor,
        array[customer_key, card_key, vpa_key, device_key, merchant_id::text, ip_key]
    from risk_labels
), cut as (
    select 10 * entity + part as series, keys[entity] as key, livemode, grain_s,
        to_timestamp(floor(extract(epoch from at) / grain_s) * grain_s) as starts_at, amount_minor
    from events, generate_series(1, 6) as entity, (values (3600), (86400)) as g (grain_s)
)
select series, key, livemode, grain_s, starts_at, count(*), sum(amount_minor),
    sum(amount_minor::numeric * amount_minor)
from cut where key is not null and series = any(%(series)s)
group by 1, 2, 3, 4, 5
"""
HELD = """
select series, key, livemode, grain_s, starts_at, sum(events), sum(amount), sum(squares)
from risk_tiles where series = any(%(series)s) group by 1, 2, 3, 4, 5
"""
TILED = sorted(windows.needed_series())
CUSTOMERS = windows.series_of("customer", "transaction", "all")
SHOP = ids.derived("hot shop")


@pytest.fixture
async def database(database_url):
    opened = Database(database_url)
    await opened.open()
    yield opened
    await opened.close()


def drift(url, series=TILED):
    """Tiles that are not what the events say: (held, expected) by key."""
    with psycopg.connect(url) as connection:
        found = [
            {row[:5]: row[5:] for row in connection.execute(sql, {"series": list(series)})}
            for sql in (HELD, EXPECTED)
        ]
    held, expected = found
    assert expected, "nothing to compare"
    keys = held.keys() | expected.keys()
    return {k: (held.get(k), expected.get(k)) for k in keys if held.get(k) != expected.get(k)}


def payments_of_hot_shop(count, seed=1):
    rng = random.Random(seed)
    return [
        Payment(
            *(
                ids.derived("hot", str(seed), str(n)),
                START + timedelta(seconds=rng.random() * 9000),
            ),
            *(f"cus_{rng.randrange(500)}", f"card_{rng.randrange(500)}", "dev", SHOP),
            *(rng.randrange(1, 10**9), rng.choice(["upi", "card"]), "ip_shared"),
        )
        for n in range(count)
    ]


def change(payment):
    facts = risk_input(payment)
    said = label(facts, fraud=payment.amount % 3 == 0, known_at=payment.at + timedelta(days=2))
    return Change(appends=(activity(facts), said))


async def submit(database, payments, writers=2, tasks=2):
    """Several writers at once, each its own connections, as several workers have them."""
    opened = [Writer(database, tasks=tasks) for _ in range(writers)]
    for writer in opened:
        await writer.start()
    parts = [payments[n::writers] for n in range(writers)]
    refusals = await asyncio.gather(
        *(
            writer.submit_all(list(map(change, part)))
            for writer, part in zip(opened, parts, strict=True)
        )
    )
    for writer in opened:
        await writer.stop()
    assert not [refusal for part in refusals for refusal in part if refusal]


def counted(url, column):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_stat_clear_snapshot()")
        sql = f"select {column} from pg_stat_database where datname = current_database()"
        return connection.execute(sql).fetchone()[0]


@pytest.mark.anyio
async def test_writers_on_one_busy_merchant_lose_nothing(database, owner_url):
    payments = payments_of_hot_shop(3_000)
    await submit(database, payments, writers=3)
    assert drift(owner_url) == {}
    assert counted(owner_url, "deadlocks") == 0
    with psycopg.connect(owner_url) as connection:
        shards = connection.execute(
            "select count(distinct shard) from risk_tiles where key = %s", (str(SHOP),)
        ).fetchone()[0]
    assert shards > 1, "several writers wrote, each to rows of its own"


@pytest.mark.anyio
async def test_a_reader_sees_tiles_and_events_of_one_moment(database, database_url):
    """While writers go on: what the tiles say is what the events of the same snapshot say."""
    payments = payments_of_hot_shop(3_000, seed=9)
    at = START + timedelta(hours=2, minutes=20)
    payment = risk_input(payments_of_hot_shop(1, seed=10)[0])
    asked = parameters([structs.replace(payment, at=at)])
    sql = (
        "select count(*), coalesce(sum(amount_minor), 0) from risk_activity"
        " where merchant_id = %s and at >= %s and at < %s"
    )

    def compare() -> set[int]:
        seen = set()
        with psycopg.connect(database_url, row_factory=dict_row) as connection:
            while not done.is_set():
                connection.execute("set transaction isolation level repeatable read")
                found = connection.execute(QUERIES["raw_features"], asked).fetchone()
                expected = connection.execute(sql, (SHOP, at - timedelta(days=30), at)).fetchone()
                connection.rollback()
                assert (found["merchant_count_30d"], found["merchant_sum_30d"]) == tuple(
                    expected.values()
                )
                seen.add(found["merchant_count_30d"])
        return seen

    done = threading.Event()
    reading = asyncio.create_task(asyncio.to_thread(compare))
    try:
        for start in range(0, len(payments), 500):
            await submit(database, payments[start : start + 500])
    finally:
        done.set()
    assert len(await reading) > 3, "the reader looked in between"


def test_a_writer_does_not_wait_for_another_on_the_same_tile(database_url):
    """Both are in the middle of their transactions, with the same merchant in the same hour."""
    first, second = payments_of_hot_shop(2)
    at = START
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other:
        for connection in (one, other):
            connection.execute("set lock_timeout = '2s'")
        for connection, payment in ((one, first), (other, second), (one, second), (other, first)):
            with connection.cursor() as cursor, cursor.copy(ACTIVITY.copy_statement) as copy:
                (row,) = activity(risk_input(payment)).rows
                copy.write(ACTIVITY.buffer([(row[0], at, *row[2:])]))
        one.commit()
        other.commit()
    assert drift(database_url) == {}


def test_a_refused_payment_leaves_no_tile(database_url):
    with psycopg.connect(database_url) as connection:
        with connection.cursor() as cursor, cursor.copy(ACTIVITY.copy_statement) as copy:
            copy.write(ACTIVITY.buffer(activity(risk_input(payments_of_hot_shop(1)[0])).rows))
        connection.rollback()
        assert connection.execute("select count(*) from risk_tiles").fetchone() == (0,)


# ── new series ───────────────────────────────────────────────────────────────────────────────


def test_the_numbers_of_series_are_those_of_the_database(owner_url):
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute("select id, entity, kind, fraud from risk_series").fetchall()
    parts = {None: "all", True: "fraud", False: "good"}
    for number, entity, kind, fraud in rows:
        assert windows.series_of(entity, kind, parts[fraud]) == number
    assert {row[0] for row in rows} >= windows.needed_series()


@pytest.mark.anyio
async def test_nobody_serves_from_tiles_that_are_not_complete(database, owner_url):
    await require_complete(database)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("update risk_series set complete = false where id = %s", (TILED[0],))
    with pytest.raises(IncompleteTiles, match="risk-tiles rebuild"):
        await require_complete(database)
    assert rebuild(database.url) == {TILED[0]: 0}
    await require_complete(database)


@pytest.mark.anyio
async def test_a_series_is_built_while_payments_go_on(database, owner_url):
    before, during = payments_of_hot_shop(2_000, seed=2), payments_of_hot_shop(3_000, seed=3)
    await submit(database, before)
    assert drift(owner_url, [CUSTOMERS]), "nobody kept these"
    built: dict[int, int] = {}
    builder = threading.Thread(
        target=lambda: built.update(rebuild(database.url, [CUSTOMERS, TILED[0]]))
    )
    first = asyncio.create_task(submit(database, during[:1_500]))
    await asyncio.sleep(0.05)
    builder.start()
    await first
    await submit(database, during[1_500:])
    await asyncio.to_thread(builder.join)
    assert built.keys() == {CUSTOMERS, TILED[0]}
    assert drift(owner_url, [CUSTOMERS, *TILED]) == {}
    assert counted(owner_url, "deadlocks") == 0


@pytest.mark.anyio
async def test_a_build_that_was_killed_is_done_again(database, owner_url):
    await fill(database, payments_of_hot_shop(300, seed=4), [])
    with psycopg.connect(owner_url, autocommit=True) as connection:
        # As a build leaves it that dies after switching on: written to, summed up in part.
        connection.execute(
            "update risk_series set written = true, complete = false where id = %s", (CUSTOMERS,)
        )
        connection.execute("select risk_tiles_fill(%s::smallint)", (CUSTOMERS,))
    await fill(database, payments_of_hot_shop(300, seed=5), [])
    rebuild(database.url, [CUSTOMERS])
    await fill(database, payments_of_hot_shop(300, seed=6), [])
    assert drift(owner_url, [CUSTOMERS]) == {}


# ── the past ─────────────────────────────────────────────────────────────────────────────────


def test_the_past_of_an_older_database_has_its_tiles(postgres):
    """Payments and labels of revision 0003, as it wrote them."""
    payments, _ = history(200, 30, seed=31)
    payments = [
        Payment(p.id, p.at, p.customer, p.instrument, p.device, p.merchant, p.amount, method)
        for p, method in zip(payments, cycle(["upi", "card"]), strict=False)
    ]
    labels = [Label(p, p.at + timedelta(days=3), n % 2 == 0) for n, p in enumerate(payments[::5])]
    known = {p.id: p for p in payments}
    with fresh_database(postgres, None) as url:
        upgrade(url, today=datetime.now(UTC).date(), revision="0003")
        with psycopg.connect(url) as connection:
            for p in payments:
                _old_payment(connection, p)
            for each in labels:
                connection.execute(
                    "insert into risk_labels values (%s, %s, %s, %s, %s, false)",
                    (each.payment.id, each.payment.merchant, each.payment.instrument,
                     each.fraud, each.known_at),
                )  # fmt: skip
        upgrade(url, today=datetime.now(UTC).date())
        assert drift(url) == {}
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "select payment_id, card_key, vpa_key, ip_key from risk_activity"
            ).fetchall()
            told = connection.execute(
                "select payment_id, card_key, vpa_key, customer_key, device_key, amount_minor"
                " from risk_labels"
            ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {p.id: (p.card, p.vpa, None) for p in payments}
    assert told
    for payment_id, *found in told:
        p = known[payment_id]
        assert found == [p.card, p.vpa, p.customer, p.device, p.amount]


def _old_payment(connection, p: Payment) -> None:
    connection.execute(
        "insert into payments (id, merchant_id, status, amount_minor, currency, method,"
        " capture_method, priority, instrument, authorized_minor, capture_open_minor,"
        " captured_minor, refund_open_minor, refunded_minor, reversed_minor, fee_minor, tax_minor,"
        " version, livemode, created_at, updated_at)"
        " values (%s, %s, 'failed', %s, 'INR', %s, 'automatic', 'balanced', %s,"
        " 0, 0, 0, 0, 0, 0, 0, 0, 1, false, %s, %s)",
        (p.id, p.merchant, p.amount, p.method, p.instrument, p.at, p.at),
    )
    connection.execute(
        "insert into risk_activity values (%s, %s, %s, %s, %s, %s, %s, false)",
        (p.id, p.at, p.customer, p.instrument, p.device, p.merchant, p.amount),
    )


@pytest.mark.anyio
async def test_what_no_window_reaches_is_forgotten(database, owner_url, monkeypatch):
    monkeypatch.setattr("online.risk.tiles._BATCH", 50)
    now = START + timedelta(days=400)
    kept = payments_of_hot_shop(120, seed=7)
    old = [  # older than all that is kept: by a day more than the longest margin
        Payment(ids.new(p.at), p.at - timedelta(days=3), *_rest(p)) for p in kept
    ]
    async with database.transaction() as connection:
        for payment in (*old, *kept):
            facts = risk_input(payment)
            await copy_rows(connection, ACTIVITY, activity(facts).rows)
    assert await forget(database, START) == 0
    now = START + timedelta(days=200)
    forgotten = await forget(database, now)
    assert forgotten > len(old)
    with psycopg.connect(owner_url) as connection:
        left = connection.execute("select count(*), min(at) >= %s from risk_activity", (START,))
        assert left.fetchone() == (len(kept), True)
        oldest = connection.execute("select count(*) from risk_tiles").fetchone()
    assert oldest == (0,), "tiles end with the longest window, before their events do"
    assert await forget(database, now) == 0


def _rest(p: Payment) -> tuple:
    return (p.customer, p.instrument, p.device, p.merchant, p.amount, p.method, p.ip)


def test_every_window_is_kept_whole():
    for feature in FEATURES:
        assert longest(feature.kind) >= timedelta(seconds=feature.window_s)
    assert longest("transaction") >= timedelta(seconds=30 * DAY)
