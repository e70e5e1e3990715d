"""Questions that wait at the same moment share a statement, and nothing else."""

import asyncio

import psycopg
import pytest

from online.kernel.errors import Unavailable
from online.platform.db import Database
from online.platform.together import Together

pytestmark = pytest.mark.anyio


class Halves:
    """Answers ten divided by each number; remembers how many were asked at once."""

    def __init__(self):
        self.batches = []
        self.takes_s = 0.05

    def __call__(self, connection, numbers):
        self.batches.append(list(numbers))
        rows = connection.execute(
            "select 10 / n from unnest(%s::int[]) with ordinality as u (n, nr)"
            " cross join pg_sleep(%s) order by nr",
            [list(numbers), self.takes_s],
        )
        return [answer for (answer,) in rows]


@pytest.fixture
async def asked(database_url):
    halves = Halves()
    together = Together(Database(database_url), halves, name="test", threads=1)
    yield together, halves
    await together.stop()


async def test_what_waits_is_asked_at_once_and_answered_in_its_place(asked):
    together, halves = asked
    assert await asyncio.gather(*(together.ask(n) for n in (1, 2, 5, 10, 2))) == [10, 5, 2, 1, 5]
    assert len(halves.batches) <= 2
    assert sorted(n for batch in halves.batches for n in batch) == [1, 2, 2, 5, 10]


async def test_a_bad_question_fails_alone(asked):
    together, _ = asked
    await together.ask(1)
    answers = await asyncio.gather(*map(together.ask, (5, 0, 2)), return_exceptions=True)
    assert answers[::2] == [2, 5]
    assert isinstance(answers[1], psycopg.errors.DivisionByZero)
    assert await together.ask(1) == 10, "the connection is as good as before"


async def test_who_gave_up_is_not_asked_for(asked):
    together, halves = asked
    first = asyncio.ensure_future(together.ask(1))
    await asyncio.sleep(0.02)  # it is at the database
    second = asyncio.ensure_future(together.ask(2))
    await asyncio.sleep(0)
    second.cancel()
    assert await first == 10
    assert await together.ask(5) == 2
    assert [2] not in halves.batches
    assert all(2 not in batch for batch in halves.batches)


async def test_a_lost_connection_is_told_and_made_anew(asked, owner_url):
    together, halves = asked
    halves.takes_s = 30
    asking = asyncio.ensure_future(together.ask(1))
    await asyncio.sleep(0.5)
    halves.takes_s = 0
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%%pg_sleep%%'"
            " and pid <> pg_backend_pid() and datname = current_database()"
        )
    with pytest.raises(Unavailable):
        await asking
    assert await together.ask(2) == 5


async def test_a_database_that_is_not_there():
    together = Together(
        Database("postgresql://nobody@127.0.0.1:9/none"), Halves(), name="none", threads=1
    )
    with pytest.raises(Unavailable):
        await together.ask(1)
    await together.stop()


async def test_it_ends_with_what_waits_answered_and_can_begin_again(asked):
    together, _ = asked
    asking = [asyncio.ensure_future(together.ask(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    await together.stop()
    assert await asyncio.gather(*asking) == [10, 5]
    assert await together.ask(5) == 2
