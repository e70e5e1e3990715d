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


def test_labels_of_before_become_the_verdicts_of_their_payments(empty):
    """Fraud that was taken back is good; what came first does not count any more."""
    upgrade(empty, today=TODAY, revision="0003")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(
            "insert into risk_labels (payment_id, merchant_id, instrument, fraud, known_at,"
            " livemode) select p, p, 'hash', fraud, at, false from (values"
            " (uuid '00000000-0000-7000-8000-000000000001', true, timestamptz '2026-03-01Z'),"
            " ('00000000-0000-7000-8000-000000000001', false, '2026-03-09Z'),"
            " ('00000000-0000-7000-8000-000000000002', true, '2026-03-02Z')) as v (p, fraud, at)"
        )
    upgrade(empty, today=TODAY)
    found = rows(
        empty,
        "select right(id::text, 1), fraud, source, version, known_at at time zone 'UTC'"
        " from risk_verdicts order by id",
    )
    assert [(id_, *said, at.day) for id_, *said, at in found] == [
        ("1", False, "dispute", 2, 9),
        ("2", True, "dispute", 1, 2),
    ]


def test_every_object_says_whether_it_is_live(owner_url):
    """From the first migration, so that test money never meets real money."""
    without = rows(
        owner_url,
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'public' and c.relkind in ('r', 'p') and not exists ("
        "   select from pg_attribute a where a.attrelid = c.oid and a.attname = 'livemode'"
        "   and a.attnotnull)",
    )
    # Months, seals and rules are of both at once; a file follows its invoice, and what a rail says
    # is stored before anybody knows what it is about.
    for_both = {
        "rail_callbacks",
        "periods",
        "period_totals",
        "seals",
        "invoice_files",
        "risk_rules",
        "risk_series",
        "risk_sweeps",
    }
    assert {name for (name,) in without} == {"alembic_version", "database_epoch"} | for_both


READ, ADD, MOVE, DROP = "SELECT", "INSERT", "UPDATE", "DELETE"
LOG = {READ, ADD}
BOOKS = ("payment_events", "ledger_entries", "ledger_transactions")
BY_COLUMN = (*BOOKS, "period_totals")  # ingestion follows these by the database's transaction id
SNAPSHOT = {READ, ADD, MOVE}
USE = {"USAGE"}
APP = {
    **{table: {READ} for table in BOOKS},  # and adding, column by column: see below
    **dict.fromkeys(
        (
            "statements", "dispute_evidence", "merchant_terms",
            "trace_links", "device_keys", "beneficiaries", "sealed_texts", "statement_issues",
            "periods",
            "period_balances", "invoices", "invoice_files", "seals",
            "risk_rules",
        ),
        LOG,
    ),
    **dict.fromkeys(
        (
            "ledger_accounts", "limit_counters", "merchants", "api_clients", "publishable_keys",
            "signing_keys", "customers", "card_tokens", "intents", "payments", "attempts",
            "refunds", "transfers", "disputes", "settlements", "payout_beneficiaries", "payouts",
            "breaks", "work_requests",
            "devices", "risk_lists", "risk_terms", "reviews", "risk_verdicts",
            "holds", "escrows",
            "handles", "delegations", "delegation_requests",
            "mandates", "mandate_executions", "wallets", "top_ups",
        ),
        SNAPSHOT,
    ),
    **dict.fromkeys(("idempotency_keys", "outbox"), SNAPSHOT | {DROP}),
    **dict.fromkeys(("risk_activity", "risk_labels"), LOG | {DROP}),  # of what is too old
    "risk_tiles": {READ, DROP},  # a trigger of the owner writes them
    "risk_series": {READ, MOVE},
    "risk_sweeps": {READ, MOVE},
    "database_epoch": {READ},
    "period_totals": {READ},
    "rail_callbacks": {READ},  # more by column: see below; a function of the owner forgets them
    **dict.fromkeys(
        (
            "jobs.procrastinate_jobs", "jobs.procrastinate_workers",
            "jobs.procrastinate_periodic_defers",
        ),
        SNAPSHOT | {DROP},
    ),
    "jobs.procrastinate_events": LOG,
    **dict.fromkeys(
        (
            "jobs.procrastinate_jobs_id_seq", "jobs.procrastinate_events_id_seq",
            "jobs.procrastinate_periodic_defers_id_seq",
        ),
        USE,
    ),
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
    assert [name for (name,) in elsewhere] == sorted([*BY_COLUMN, "rail_callbacks"])


def test_of_a_callback_the_service_changes_what_became_of_it_alone(owner_url):
    found = {
        right: {
            name
            for (name,) in rows(
                owner_url,
                "select attname::text from pg_attribute where attrelid = 'rail_callbacks'::regclass"
                " and attnum > 0 and has_column_privilege('khata_app', attrelid, attnum, %s)",
                right,
            )
        }
        for right in ("insert", "update")
    }
    came = {"id", "rail", "callback_id", "received_at", "secret", "digest", "raw", "raw_key"}
    became = {"processed_at", "verdict", "reference", "sequence", "occurred_at", "error", "tries"}
    assert found == {"insert": came | {"next_try_at"}, "update": became | {"next_try_at"}}


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
