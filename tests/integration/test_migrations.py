"""From an empty database to the newest schema, and who may do what in it afterwards."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import psycopg
import pytest

from online.platform.migrations import run
from online.platform.migrations.run import ServerTooOld, upgrade
from tests.databases import as_role, fresh_database

TODAY = date(2026, 11, 30)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty(postgres):
    with fresh_database(postgres, None) as url:
        yield url


def rows(url, sql, *parameters):
    with psycopg.connect(url) as connection:
        return connection.execute(sql, parameters).fetchall()


SHAPE = """
    select table_schema, table_name, column_name, data_type, is_nullable
    from information_schema.columns where table_schema in ('public', 'offline')
    order by 1, 2, 3"""


def test_an_empty_database_comes_to_head_and_stays_there(empty):
    upgrade(empty, today=TODAY)
    head, shape = rows(empty, "select version_num from alembic_version"), rows(empty, SHAPE)
    versions = ROOT / "online" / "platform" / "migrations" / "versions"
    assert head == [(max(path.name[:4] for path in versions.glob("[0-9]*.py")),)]
    epoch = rows(empty, "select epoch from database_epoch")
    upgrade(empty, today=TODAY)
    assert rows(empty, "select version_num from alembic_version") == head
    assert rows(empty, SHAPE) == shape
    assert rows(empty, "select epoch from database_epoch") == epoch


def test_two_processes_that_migrate_at_once_do_not_meet(empty):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: upgrade(empty, today=TODAY), range(3)))
    assert len(rows(empty, "select epoch from database_epoch")) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_any_form_of_a_url_will_do(empty, scheme):
    """As users have them: libpq's two, and SQLAlchemy's."""
    url = empty.replace("postgresql://", f"{scheme}://", 1)
    done = subprocess.run(
        [sys.executable, "-m", "online", "migrate", "--database", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "newest" in done.stdout
    assert rows(empty, "select count(*) from payments") == [(0,)]


def test_the_url_may_come_from_the_environment(empty):
    done = subprocess.run(
        [sys.executable, "-m", "online", "migrate"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": empty},
        check=False,
    )
    assert done.returncode == 0
    assert rows(empty, "select count(*) from payments") == [(0,)]


def test_months_ahead_have_their_partition(empty):
    upgrade(empty, today=TODAY)
    names = {name for (name,) in rows(empty, "select relname from pg_class where relkind = 'r'")}
    for month in ("202608", "202611", "202612", "202711", "202801"):
        assert f"payment_events_{month}" in names
    # Migrating later adds the months that have come nearer.
    upgrade(empty, today=date(2027, 6, 1))
    assert rows(empty, "select to_regclass('payment_events_202807') is not null") == [(True,)]


def test_an_older_server_is_refused_by_name(empty, monkeypatch):
    monkeypatch.setattr(run, "OLDEST_SERVER", 990_000)
    with pytest.raises(ServerTooOld, match="PostgreSQL 15"):
        upgrade(empty, today=TODAY)
    assert rows(empty, "select to_regclass('payments')") == [(None,)]


def test_every_object_says_whether_it_is_live(owner_url):
    """From the first migration, so that test money never meets real money."""
    without = rows(
        owner_url,
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'public' and c.relkind in ('r', 'p') and not exists ("
        "   select from pg_attribute a where a.attrelid = c.oid and a.attname = 'livemode'"
        "   and a.attnotnull)",
    )
    # A month is closed, and a day sealed, for both at once; a file follows its invoice.
    for_both = {"periods", "period_totals", "seals", "invoice_files"}
    assert {name for (name,) in without} == {"alembic_version", "database_epoch"} | for_both


READ, ADD, MOVE, DROP = "SELECT", "INSERT", "UPDATE", "DELETE"
LOG = {READ, ADD}
BOOKS = ("payment_events", "ledger_entries", "ledger_transactions")
BY_COLUMN = (*BOOKS, "period_totals")  # ingestion follows these by the database's transaction id
SNAPSHOT = {READ, ADD, MOVE}
APP = {
    **{table: {READ} for table in BOOKS},  # and adding, column by column: see below
    **dict.fromkeys(
        (
            "statements", "risk_activity", "risk_labels", "dispute_evidence", "merchant_terms",
            "trace_links", "device_keys", "beneficiaries", "statement_issues", "periods",
            "period_balances", "invoices", "invoice_files", "seals",
        ),
        LOG,
    ),
    **dict.fromkeys(
        (
            "ledger_accounts", "limit_counters", "merchants", "api_clients", "publishable_keys",
            "signing_keys", "customers", "card_tokens", "intents", "payments", "attempts",
            "refunds", "disputes", "settlements", "breaks", "work_requests",
            "devices",
        ),
        SNAPSHOT,
    ),
    **dict.fromkeys(("idempotency_keys", "outbox"), SNAPSHOT | {DROP}),
    "database_epoch": {READ},
    "period_totals": {READ},
}  # fmt: skip
READER = {
    f"offline.{name}": {READ}
    for name in (
        *("events", "transactions", "entries", "accounts", "merchants"),
        *("audit", "periods"),
    )
}


def granted(url, role):
    found: dict[str, set[str]] = {}
    for schema, table, right in rows(
        url,
        "select n.nspname, c.relname, a.privilege_type"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace,"
        "  lateral aclexplode(c.relacl) a"
        " where a.grantee = (select oid from pg_roles where rolname = %s)",
        role,
    ):
        found.setdefault(table if schema == "public" else f"{schema}.{table}", set()).add(right)
    return found


@pytest.mark.parametrize(("role", "rights"), [("khata_app", APP), ("khata_reader", READER)])
def test_a_role_has_these_rights_and_no_others(owner_url, role, rights):
    assert granted(owner_url, role) == rights


def test_the_service_may_add_to_the_books_in_every_column_but_the_transaction_id(owner_url):
    free = rows(
        owner_url,
        "select c.relname, array_agg(a.attname::text order by a.attname) filter ("
        "   where not has_column_privilege('khata_app', c.oid, a.attnum, 'insert'))"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relname = any(%s) and a.attnum > 0 and not a.attisdropped group by 1 order by 1",
        list(BY_COLUMN),
    )
    assert free == [(table, ["xid"]) for table in sorted(BY_COLUMN)]
    elsewhere = rows(
        owner_url,
        "select distinct c.relname::text from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where a.attacl is not null and n.nspname in ('public', 'offline') order by 1",
    )
    assert [name for (name,) in elsewhere] == sorted(BY_COLUMN)


def test_nobody_else_has_any_right(owner_url):
    everyone = rows(
        owner_url,
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace,"
        " lateral aclexplode(c.relacl) a where n.nspname in ('public', 'offline')"
        " and a.grantee = 0",
    )
    assert everyone == []
    owned = rows(
        owner_url,
        "select relname from pg_class where relowner in"
        " (select oid from pg_roles where rolname like 'khata%%')",
    )
    assert owned == []
    powers = rows(
        owner_url,
        "select rolname from pg_roles where rolname in ('khata_app', 'khata_reader') and"
        " (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)",
    )
    assert powers == []


def test_the_reader_reads_its_views_and_nothing_behind_them(postgres, owner_url):
    with psycopg.connect(
        as_role(postgres, owner_url, "khata_reader"), autocommit=True
    ) as connection:
        for name in READER:
            connection.execute(f"select * from {name}").fetchall()
        assert connection.execute("select offline.horizon()").fetchone()[0] > 0
        epoch = connection.execute("select offline.epoch()").fetchone()[0]
        assert len(epoch.split(":")) == 2
        for table in ("payment_events", "payments", "card_tokens", "database_epoch"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from public.{table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into offline.merchants (id) values (gen_random_uuid())")
