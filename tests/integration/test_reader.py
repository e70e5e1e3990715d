"""Readers of the log go by a safe horizon: every row exactly once, however commits overtake."""

import random
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest

from online.platform.migrations.run import upgrade
from tests.builders import AT, uid
from tests.databases import as_role, fresh_database

READ = """select {columns} from offline.{view}
    where xid8 >= '{low}'::xid8 and xid8 < '{high}'::xid8"""
VIEWS = {"events": "aggregate_id", "transactions": "id", "entries": "transaction_id"}


class Reader:
    """What ingestion does: from the last horizon to the next, never by what it has seen."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.mark = 0
        self.seen: dict[str, list[UUID]] = {view: [] for view in VIEWS}

    def read(self) -> None:
        high = self.connection.execute("select offline.horizon()").fetchone()[0]
        for view, columns in VIEWS.items():
            statement = READ.format(view=view, columns=columns, low=self.mark, high=high)
            self.seen[view] += [row[0] for row in self.connection.execute(statement)]
        self.mark = max(self.mark, high)


@pytest.fixture
def reader(reader_url):
    with psycopg.connect(reader_url, autocommit=True) as connection:
        yield Reader(connection)


def write(connection, name):
    """An event, a transaction and its two entries."""
    id_ = uid(name)
    connection.execute(
        "insert into payment_events (aggregate_id, aggregate_type, event_type, version, data,"
        " livemode) values (%s, 'payment', 'payment.created', 1, '{}', false)",
        [id_],
    )
    connection.execute(
        "insert into ledger_transactions (id, cause, kind, business_date, effective_at, livemode)"
        " values (%s, %s, 'x', '2026-01-01', %s, false)",
        [id_, id_, AT],
    )
    connection.execute(
        "insert into ledger_entries (transaction_id, account_id, account_version, amount_cents,"
        " currency, entry_type, balance_after, layer, business_date, effective_at, livemode)"
        " values (%(t)s, %(a)s, 1, -1, 'INR', 'DEBIT', -1, 'posted', '2026-01-01', %(at)s, false),"
        " (%(t)s, %(b)s, 1, 1, 'INR', 'CREDIT', 1, 'posted', '2026-01-01', %(at)s, false)",
        {"t": id_, "a": uid(name, "a"), "b": uid(name, "b"), "at": AT},
    )
    return id_


def each_once(reader, expected):
    assert sorted(reader.seen["events"]) == sorted(expected)
    assert sorted(reader.seen["transactions"]) == sorted(expected)
    assert sorted(reader.seen["entries"]) == sorted([*expected, *expected])


def test_a_transaction_that_commits_late_is_not_passed_over(database_url, reader):
    with psycopg.connect(database_url) as slow, psycopg.connect(database_url) as fast:
        first = write(slow, "began first")
        second = write(fast, "began second")
        fast.commit()
        reader.read()
        # The later one is there, but something older is still under way: it waits too.
        each_once(reader, [])
        slow.commit()
        reader.read()
        each_once(reader, [first, second])
        reader.read()
        each_once(reader, [first, second])


def test_what_is_rolled_back_holds_up_but_never_appears(database_url, reader):
    with psycopg.connect(database_url) as slow, psycopg.connect(database_url) as fast:
        write(slow, "given up")
        kept = write(fast, "kept")
        fast.commit()
        reader.read()
        slow.rollback()
        reader.read()
        each_once(reader, [kept])


def test_a_reader_by_the_newest_row_would_lose_one(database_url, reader):
    """Why it must be the horizon: the same two commits, read by `xid > last`."""
    with psycopg.connect(database_url) as slow, psycopg.connect(database_url) as fast:
        lost = write(slow, "began first")
        write(fast, "began second")
        fast.commit()
        newest = "select coalesce(max(xid), 0) from offline.events"
        last = reader.connection.execute(newest).fetchone()[0]
        slow.commit()
        later = reader.connection.execute(
            "select aggregate_id from offline.events where xid > %s", [last]
        ).fetchall()
        assert (lost,) not in later


@pytest.mark.parametrize("seed", range(4))
def test_many_commits_in_any_order_are_read_exactly_once(database_url, reader, seed):
    chance = random.Random(seed)
    expected = []
    with ExitStack() as stack:
        writers = [stack.enter_context(psycopg.connect(database_url)) for _ in range(5)]
        open_: dict[int, list[UUID]] = {}
        for step in range(120):
            n = chance.randrange(len(writers))
            what = chance.choice(("write", "write", "commit", "rollback", "read", "read"))
            if what == "write":
                open_.setdefault(n, []).append(write(writers[n], f"{seed}:{step}"))
            elif what == "read":
                reader.read()
            elif n in open_:
                rows = open_.pop(n)
                if what == "commit":
                    writers[n].commit()
                    expected += rows
                else:
                    writers[n].rollback()
        for n, rows in open_.items():
            writers[n].commit()
            expected += rows
        reader.read()
    assert len(expected) > 10
    each_once(reader, expected)


def test_a_read_walks_the_index_on_the_writing_transaction(database_url, reader):
    with psycopg.connect(database_url) as connection:
        write(connection, "one")
    reader.connection.execute("set enable_seqscan = off")
    for view in VIEWS:
        statement = READ.format(view=view, columns="id", low=3, high=4)
        plan = "\n".join(row[0] for row in reader.connection.execute(f"explain {statement}"))
        assert "Seq Scan" not in plan, plan
        assert "xid" in plan


def test_the_epoch_is_this_database_and_no_other(postgres, reader):
    mine = reader.connection.execute("select offline.epoch()").fetchone()[0]
    assert mine == reader.connection.execute("select offline.epoch()").fetchone()[0]
    with fresh_database(postgres, None) as other:
        upgrade(other, today=AT.date())
        with psycopg.connect(as_role(postgres, other, "khata_reader")) as connection:
            assert connection.execute("select offline.epoch()").fetchone()[0] != mine
