"""The lake over PostgreSQL: catalog and source in a real server, crashes included."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import psycopg
import pytest

from online.kernel import ids
from online.platform.embedded_postgres import EmbeddedPostgres
from online.platform.migrations.run import upgrade
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest

AT = datetime(2026, 11, 17, 1, 0, tzinfo=UTC)
DAY = date(2026, 11, 16)
KILLED = 9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("pg") / "data") as running:
        yield running


class World:
    """A migrated database, an empty lake beside it, and rows to put in."""

    def __init__(self, server: EmbeddedPostgres, name: str, folder: Path) -> None:
        self.folder = folder
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute(f'create database "{name}"')  # type: ignore[call-overload]
            admin.execute(f'create database "{name}_lake"')  # type: ignore[call-overload]
        self.url = server.url(name)
        self.lake = LakeConfig(
            catalog=server.url(f"{name}_lake"), data_path=str(folder / "lake"), threads=1
        )
        upgrade(self.url, today=DAY)
        with self.connect() as owner:
            owner.execute("alter role khata_reader with login password 'reader'")
        self.reader_url = server.url(name, "khata_reader", "reader")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url)

    def post(self, connection: psycopg.Connection, number: int, *sides: str) -> None:
        """One event and one balanced transaction of 100 paise."""
        txn, at = ids.derived("txn", str(number)), AT
        connection.execute(
            "insert into payment_events (aggregate_id, aggregate_type, event_type, version,"
            " timestamp, data, metadata, livemode)"
            " values (%s, 'payment', 'payment.created', 1, %s, '{\"amount\": 100}', '{}', false)",
            (ids.new(at), at),
        )
        connection.execute(
            "insert into ledger_transactions (id, cause, kind, business_date, effective_at,"
            " livemode) values (%s, %s, 'capture', %s, %s, false)",
            (txn, txn, DAY, at),
        )
        accounts = [ids.derived("acc", side) for side in sides or ("a", "b")]
        connection.execute(
            "insert into ledger_entries (transaction_id, account_id, account_version,"
            " amount_cents, currency, entry_type, balance_after, layer, business_date,"
            " effective_at, livemode) select %(txn)s, a, %(n)s, m, 'INR',"
            " case when m < 0 then 'DEBIT' else 'CREDIT' end, m * %(n)s, 'posted', %(day)s,"
            " %(at)s, false from unnest(%(accounts)s::uuid[], array[-100, 100]) as t(a, m)",
            {"txn": txn, "n": number, "day": DAY, "at": at, "accounts": accounts},
        )

    def counts(self, warehouse: Warehouse) -> list[int]:
        return [warehouse.count(f"raw_{name}") for name in ("events", "transactions", "entries")]


@pytest.fixture
def world(server: EmbeddedPostgres, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(server, f"w_{ids.derived(request.node.nodeid).hex[:12]}", tmp_path)


def test_ingest_takes_each_row_once_and_waits_for_open_transactions(world: World) -> None:
    source = PostgresSource(world.reader_url)
    with Warehouse(world.lake) as warehouse:
        schema.ensure(warehouse)
        with world.connect() as connection:
            world.post(connection, 1)
        open_one = world.connect()
        world.post(open_one, 2)
        with world.connect() as connection:
            # Commits before number 2 does, with a later id: `id > last` would then lose number 2.
            world.post(connection, 3, "c", "d")
        first = ingest(warehouse, source, at=AT)
        assert world.counts(warehouse) == [1, 1, 2]
        open_one.commit()
        open_one.close()
        second = ingest(warehouse, source, at=AT)
        assert world.counts(warehouse) == [3, 3, 6]
        assert second.upto > first.upto
        assert not second.rebuilt
        third = ingest(warehouse, source, at=AT)
        assert sum(third.rows.values()) == 0
        assert world.counts(warehouse) == [3, 3, 6]
        assert warehouse.rows("SELECT sum(amount_minor) FROM raw_entries") == [(0,)]


def test_a_restored_database_is_read_from_its_beginning(world: World) -> None:
    source = PostgresSource(world.reader_url)
    with Warehouse(world.lake) as warehouse:
        schema.ensure(warehouse)
        with world.connect() as connection:
            world.post(connection, 1)
        ingest(warehouse, source, at=AT)
        with world.connect() as connection:
            connection.execute("update database_epoch set epoch = gen_random_uuid()")
            world.post(connection, 2)
        assert ingest(warehouse, source, at=AT).rebuilt
        assert world.counts(warehouse) == [2, 2, 4]


def test_a_run_killed_before_its_commit_leaves_no_trace(world: World) -> None:
    with world.connect() as connection:
        for number in range(1, 6):
            world.post(connection, number)
    with Warehouse(world.lake) as warehouse:
        schema.ensure(warehouse)
    script = dedent(
        """
        import os, signal, sys
        from datetime import UTC, datetime
        from warehouse import ingest
        from warehouse.connection import LakeConfig, Warehouse

        copy = ingest._copy
        def killed(*args):
            copy(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        ingest._copy = killed
        warehouse = Warehouse(LakeConfig(catalog=sys.argv[1], data_path=sys.argv[2], threads=1))
        source = ingest.PostgresSource(sys.argv[3])
        ingest.ingest(warehouse, source, at=datetime(2026, 1, 1, tzinfo=UTC))
        """
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, world.lake.catalog, world.lake.data_path, world.reader_url],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == -KILLED
    with Warehouse(world.lake) as warehouse:
        assert world.counts(warehouse) == [0, 0, 0]
        ingest(warehouse, PostgresSource(world.reader_url), at=AT)
        assert world.counts(warehouse) == [5, 5, 10]


def test_days_of_one_table_are_replaced_side_by_side(world: World) -> None:
    with Warehouse(world.lake) as warehouse:
        schema.ensure(warehouse)
    failures: list[BaseException] = []

    def replace(day: date) -> None:
        try:
            with Warehouse(world.lake) as own:
                for _ in range(3):
                    own.replace_day("mart_trial_balance", "mart_trial_balance", day=day)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    days = [date(2026, 11, day) for day in range(1, 4)]
    threads = [threading.Thread(target=replace, args=(day,)) for day in days]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_merchant_ids_survive_the_way(world: World) -> None:
    merchant = UUID("01932c07-9c5e-7f5c-8a83-2b0c3f1f6a11")
    with world.connect() as connection:
        connection.execute(
            "insert into merchants (id, name, mcc, state_code, livemode, created_at)"
            " values (%s, 'Chai', '5411', '27', false, %s)",
            (merchant, AT),
        )
    with Warehouse(world.lake) as warehouse:
        schema.ensure(warehouse)
        ingest(warehouse, PostgresSource(world.reader_url), at=AT)
        assert warehouse.rows("SELECT id, name FROM raw_merchants") == [(merchant, "Chai")]
