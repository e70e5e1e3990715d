"""The job queue on PostgreSQL, as the service's own role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import pairwise
from time import monotonic

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.schema import SchemaManager

from online.ledger.change import Change, Message
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.jobs import DUTIES, OUTBOX, SEARCH_PATH, Job, JobQueue, Lane

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
LANE = Lane("enquire.upi_hdfc", 4)


@pytest.fixture
async def queue(database_url) -> AsyncIterator[JobQueue]:
    made = queue_on(database_url)
    await made.open()
    yield made
    await made.close()


def queue_on(url: str) -> JobQueue:
    return JobQueue(Database(url, size=4, search_path=SEARCH_PATH))


@asynccontextmanager
async def working(queue: JobQueue, *lanes: Lane) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(queue.work(lanes, stopping))
    yield
    stopping.set()
    await asyncio.wait_for(task, 20)


async def until(holds, patience_s: float = 10) -> float:
    """Waits until it holds; answers how long that took."""
    began = monotonic()
    while not holds():
        assert monotonic() - began < patience_s, "it never came"
        await asyncio.sleep(0.01)
    return monotonic() - began


async def put(queue: JobQueue, *jobs: Job) -> None:
    async with queue.transaction() as tx:
        await queue.defer(tx, jobs)


def job(key: str, lane: Lane = LANE, **arguments) -> Job:
    return Job(lane=lane.name, task="ask", arguments={"key": key, **arguments}, key=key)


def jobs_in(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select status::text, count(*) from jobs.procrastinate_jobs group by 1"
        )
        return dict(rows.fetchall())


async def write(url: str, *messages: Message) -> None:
    writer = Writer(Database(url))
    await writer.start()
    await writer.submit(Change(outbox=messages))
    await writer.stop()


def message(topic: str = "told", at: datetime = NOW, **payload) -> Message:
    return Message(topic=topic, payload=payload, run_at=at, livemode=False)


# ── the schema ───────────────────────────────────────────────────────────────────────────


def described(url: str, schema: str) -> dict[str, list[tuple[object, ...]]]:
    """What the catalog says of the queue's objects."""
    with psycopg.connect(url) as connection:
        connection.execute(f"set search_path = {schema}")
        return {
            "functions": connection.execute(
                "select proname, pg_get_function_arguments(oid), prosrc from pg_proc"
                " where pronamespace = current_schema()::regnamespace order by 1, 2"
            ).fetchall(),
            "columns": connection.execute(
                "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull"
                " from pg_attribute a join pg_class c on c.oid = a.attrelid"
                " where c.relnamespace = current_schema()::regnamespace and a.attnum > 0"
                " and c.relkind in ('r', 'c') order by 1, 2"
            ).fetchall(),
            "indexes": [
                (name, text.replace(f"{schema}.", ""))
                for name, text in connection.execute(
                    "select indexname, indexdef from pg_indexes"
                    " where schemaname = current_schema() order by 1"
                )
            ],
            "triggers": [
                (name, text.replace(f"{schema}.", ""))
                for name, text in connection.execute(
                    "select tgname, pg_get_triggerdef(t.oid) from pg_trigger t"
                    " join pg_class c on c.oid = t.tgrelid where not tgisinternal"
                    " and c.relnamespace = current_schema()::regnamespace order by 1"
                )
            ],
            "labels": connection.execute(
                "select t.typname, e.enumlabel from pg_enum e join pg_type t on t.oid = e.enumtypid"
                " where t.typnamespace = current_schema()::regnamespace order by 1, e.enumsortorder"
            ).fetchall(),
        }


def test_the_migrated_schema_is_the_one_that_the_installed_library_expects(owner_url):
    with psycopg.connect(owner_url) as connection:
        connection.execute("create schema fresh")
        connection.execute("set search_path = fresh")
        connection.execute(SchemaManager.get_schema())
    ours, theirs = described(owner_url, "jobs"), described(owner_url, "fresh")
    assert ours == theirs, f"procrastinate {version('procrastinate')}: see the head of 0005_2_jobs"
    assert len(ours["functions"]) > 10


# ── lanes ────────────────────────────────────────────────────────────────────────────────


async def test_a_job_is_done_at_once_and_forgotten(queue, owner_url):
    done: list[str] = []

    async def ask(key: str) -> None:
        done.append(key)

    queue.task("ask", ask)
    async with working(queue, LANE):
        await asyncio.sleep(0.5)
        await put(queue, job("a"), job("b"))
        assert await until(lambda: sorted(done) == ["a", "b"]) < 1
    assert jobs_in(owner_url) == {}


async def test_a_lane_that_hangs_takes_no_places_of_the_others(queue):
    held, done = asyncio.Event(), []
    slow, quick = Lane("enquire.slow", 2), Lane("enquire.quick", 2)

    async def ask(key: str, hangs: bool) -> None:
        if hangs:
            await held.wait()
        done.append(key)

    queue.task("ask", ask)
    await put(queue, *[job(f"s{n}", slow, hangs=True) for n in range(50)])
    async with working(queue, slow, quick):
        await put(queue, *[job(f"q{n}", quick, hangs=False) for n in range(50)])
        await until(lambda: len(done) == 50)
        assert {key[0] for key in done} == {"q"}
        held.set()
        await until(lambda: len(done) == 100)


async def test_several_workers_share_a_lane_and_do_each_job_once(queue, database_url):
    others = [queue_on(database_url) for _ in range(2)]
    done: list[tuple[int, str]] = []
    for number, each in enumerate([queue, *others]):

        async def ask(key: str, number: int = number) -> None:
            await asyncio.sleep(0.01)
            done.append((number, key))

        each.task("ask", ask)
    for each in others:
        await each.open()
    await put(queue, *[job(f"k{n}") for n in range(120)])
    async with working(queue, LANE), working(others[0], LANE), working(others[1], LANE):
        await until(lambda: len(done) >= 120)
    assert sorted(key for _, key in done) == sorted(f"k{n}" for n in range(120))
    assert {number for number, _ in done} == {0, 1, 2}
    for each in others:
        await each.close()


async def test_what_waits_is_known_by_lane(queue):
    await put(queue, job("a"), job("b"), job("c", Lane("enquire.card_a", 1)))
    async with queue.transaction() as tx:
        waiting = await queue.waiting(tx, [LANE.name, "enquire.card_a", "enquire.none"])
    assert {lane: sorted(keys) for lane, keys in waiting.items()} == {
        LANE.name: ["a", "b"],
        "enquire.card_a": ["c"],
    }
    depths = {depth.lane: depth for depth in await queue.depth(NOW)}
    assert depths[LANE.name].waiting == 2
    assert 0 <= depths[LANE.name].oldest_s < 60


# ── the outbox ───────────────────────────────────────────────────────────────────────────


async def test_a_message_goes_from_the_change_to_its_handler(queue, database_url, owner_url):
    told: list[dict[str, object]] = []

    async def tell(message_id: str, payload: dict[str, object], livemode: bool) -> None:
        told.append(payload | {"livemode": livemode})

    queue.topic("told", tell)
    await write(database_url, message(n=1), message(n=2), message("other", n=3))
    later = message(at=NOW + timedelta(hours=1), n=4)
    await write(database_url, later)
    assert await queue.hand_over(NOW) == 2
    assert await queue.hand_over(NOW) == 0
    async with working(queue, Lane(OUTBOX, 4)):
        await until(lambda: len(told) == 2)
        assert await queue.hand_over(NOW + timedelta(hours=1)) == 1
        await until(lambda: len(told) == 3)
    assert sorted(each["n"] for each in told) == [1, 2, 4]
    assert jobs_in(owner_url) == {}
    with psycopg.connect(owner_url) as connection:
        left = connection.execute("select topic from outbox").fetchall()
    assert left == [("other",)], "a topic that nobody here knows stays where it is"


async def test_relays_that_meet_hand_each_row_over_once(queue, database_url, owner_url):
    others = [queue_on(database_url) for _ in range(3)]
    for each in (queue, *others):
        each.topic("told", lambda **_: asyncio.sleep(0))
    for each in others:
        await each.open()
    await write(database_url, *[message(n=n) for n in range(300)])
    rounds = [each.hand_over(NOW, 40) for each in (queue, *others) for _ in range(6)]
    assert sum(await asyncio.gather(*rounds)) == 300
    with psycopg.connect(owner_url) as connection:
        numbers = connection.execute(
            "select (args -> 'payload' ->> 'n')::int from jobs.procrastinate_jobs order by 1"
        ).fetchall()
        assert [n for (n,) in numbers] == list(range(300))
        assert connection.execute("select count(*) from outbox").fetchone() == (0,)
    for each in others:
        await each.close()


async def test_a_message_leaves_the_outbox_only_together_with_its_job(
    queue, database_url, owner_url
):
    queue.topic("told", lambda **_: asyncio.sleep(0))
    await write(database_url, message(n=1))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("revoke insert on jobs.procrastinate_jobs from khata_app")
        with pytest.raises(ConnectorException):
            await queue.hand_over(NOW)
        assert connection.execute("select count(*) from outbox").fetchone() == (1,)
        connection.execute("grant insert on jobs.procrastinate_jobs to khata_app")
    assert await queue.hand_over(NOW) == 1


async def test_a_handler_that_fails_is_tried_again_until_it_succeeds(queue, database_url):
    tried: list[str] = []

    async def tell(message_id: str, payload: dict[str, object], livemode: bool) -> None:
        tried.append(message_id)
        if len(tried) < 3:
            raise RuntimeError("the other side is away")

    queue.topic("told", tell)
    await write(database_url, message(n=1))
    await queue.hand_over(NOW)
    async with working(queue, Lane(OUTBOX, 4)):
        await until(lambda: len(tried) == 3, 20)
    assert len(set(tried)) == 1


# ── duties ───────────────────────────────────────────────────────────────────────────────


async def test_a_duty_is_done_once_a_period_however_many_workers_there_are(queue, database_url):
    other = queue_on(database_url)
    await other.open()
    rounds: list[float] = []

    async def round_() -> None:
        rounds.append(monotonic())

    for each in (queue, other):
        each.duty("expire", "* * * * * */2", round_)
    async with working(queue, Lane(DUTIES, 2)), working(other, Lane(DUTIES, 2)):
        await asyncio.sleep(6.2)
    await other.close()
    assert 2 <= len(rounds) <= 4
    # The first may be of the period that was under way.
    assert all(then - before > 1 for before, then in pairwise(rounds[1:]))


# ── the dead ─────────────────────────────────────────────────────────────────────────────


def bury(owner_url: str) -> None:
    """Every worker was last heard of a minute ago, in the middle of its jobs."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f"set search_path = {SEARCH_PATH}")
        worker = connection.execute(
            "insert into jobs.procrastinate_workers (last_heartbeat)"
            " values (now() - interval '1 minute') returning id"
        ).fetchone()
        connection.execute(
            "update jobs.procrastinate_jobs set status = 'doing', worker_id = %s", worker
        )


async def test_what_a_dead_worker_had_begun_is_taken_back(queue, database_url, owner_url):
    queue.topic("told", lambda **_: asyncio.sleep(0))
    await write(database_url, message(n=1))
    await queue.hand_over(NOW)
    await put(queue, job("a"))
    assert await queue.clean_up() == 0, "nobody is dead"
    bury(owner_url)
    assert await queue.clean_up() == 2
    assert jobs_in(owner_url) == {"todo": 1}, "the message waits again; the enquiry is found again"
    with psycopg.connect(owner_url) as connection:
        left = connection.execute("select count(*) from jobs.procrastinate_workers").fetchone()
    assert left == (0,)


async def test_cleaners_that_meet_do_no_harm(queue, owner_url):
    await put(queue, *[job(f"k{n}") for n in range(50)])
    bury(owner_url)
    freed = await asyncio.gather(*[queue.clean_up() for _ in range(4)])
    assert sum(freed) == 50
