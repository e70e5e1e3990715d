"""The database itself refuses bad books, whatever the service does.

Each refusal is tried in SQL as the service's own role, and where rights alone would stop it also
as the owner, on parents and on partitions. Nothing here goes through the service's code.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql

from online.kernel import ids
from tests.databases import as_role, fresh_database

NOW = datetime.now(UTC)  # its month has a partition
APPEND_ONLY = ("payment_events", "ledger_entries", "ledger_transactions")
OLD = UUID(int=7)  # a transaction of an earlier commit
CAUSE = UUID(int=8)


def account(n: int) -> UUID:
    return ids.derived("refusals", str(n))


@pytest.fixture(scope="module")
def books(postgres, template) -> Iterator[SimpleNamespace]:
    """Rows in every partition, committed; each test tries something and is rolled back."""
    with fresh_database(postgres, template) as url:
        with psycopg.connect(url) as owner:
            add_transaction(owner, OLD, cause=CAUSE, kind="old")
            entries = [
                leg(OLD, account(n), amount, version=1)
                for n in range(64)
                for amount in (7 if n % 2 else -7,)
            ]
            insert_entries(owner, entries)
            for aggregate in (ids.new(NOW), UUID(int=1)):
                add_event(owner, aggregate, 1)
            add_account(owner, account(0), posted=100, pending=0, floor=0, ceiling=500)
            add_account(owner, account(1), side="D", posted=-100, pending=0, floor=0, ceiling=500)
            add_payment(owner, UUID(int=3))
            owner.execute(
                "insert into limit_counters values ('s', 'r', '2026-01-01', 5, 10, false)"
            )
            owner.commit()
            parts = [
                row[0]
                for row in owner.execute(
                    "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
                    " join pg_class p on p.oid = i.inhparent"
                    " where p.relkind = 'p' and p.relname = any(%s) and c.relkind = 'r'"
                    " order by 1",
                    [list(APPEND_ONLY)],
                )
            ]
        yield SimpleNamespace(owner=url, app=as_role(postgres, url, "khata_app"), partitions=parts)


@pytest.fixture
def app(books):
    with psycopg.connect(books.app) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def owner(books):
    with psycopg.connect(books.owner) as connection:
        yield connection
        connection.rollback()


ENTRY = (
    "id", "transaction_id", "account_id", "account_version", "amount_cents", "currency",
    "entry_type", "balance_after", "layer", "business_date", "effective_at", "livemode",
)  # fmt: skip


def leg(transaction, of, amount, **fields):
    known = {
        "id": uuid4(),
        "transaction_id": transaction,
        "account_id": of,
        "account_version": fields.pop("version", 2),
        "amount_cents": amount,
        "currency": "INR",
        "entry_type": "DEBIT" if amount < 0 else "CREDIT",
        "balance_after": amount,
        "layer": "posted",
        "business_date": date(2026, 1, 1),
        "effective_at": NOW,
        "livemode": False,
    }
    return tuple((known | fields)[name] for name in ENTRY)


def insert_entries(connection, legs, table="ledger_entries"):
    places = ", ".join(["(" + ", ".join(["%s"] * len(ENTRY)) + ")"] * len(legs))
    connection.execute(
        f"insert into {table} ({', '.join(ENTRY)}) values {places}",
        [value for each in legs for value in each],
    )


def copy_entries(connection, legs, table="ledger_entries"):
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} ({', '.join(ENTRY)}) from stdin") as copy,
    ):
        for each in legs:
            copy.write_row(each)


def add_transaction(connection, id_, *, cause=None, kind="test"):
    connection.execute(
        "insert into ledger_transactions (id, cause, kind, business_date, effective_at, livemode)"
        " values (%s, %s, %s, '2026-01-01', %s, false)",
        [id_, cause or uuid4(), kind, NOW],
    )


def add_event(connection, aggregate, version, table="payment_events"):
    connection.execute(
        f"insert into {table} (aggregate_id, aggregate_type, event_type, version, data, livemode)"
        " values (%s, 'payment', 'payment.created', %s, '{}', false)",
        [aggregate, version],
    )


def add_account(connection, id_, *, side="C", posted=0, pending=0, floor=None, ceiling=None):
    connection.execute(
        "insert into ledger_accounts (id, code, currency, normal_side, floor, ceiling, posted,"
        " pending, livemode) values (%s, %s, 'INR', %s, %s, %s, %s, %s, false)",
        [id_, str(id_), side, floor, ceiling, posted, pending],
    )


def add_payment(connection, id_, **amounts):
    connection.execute(
        "insert into payments (id, merchant_id, status, amount_minor, currency, method,"
        " capture_method, priority, version, livemode, created_at, updated_at)"
        " values (%s, %s, 'captured', 100, 'INR', 'upi', 'manual', 'balanced', 1, false, %s, %s)",
        [id_, uuid4(), NOW, NOW],
    )


WRITERS = pytest.mark.parametrize("write", [insert_entries, copy_entries])


# ── balance ──────────────────────────────────────────────────────────────────────────────


@WRITERS
def test_what_balances_is_taken(app, write):
    new = uuid4()
    add_transaction(app, new)
    write(app, [
        leg(new, account(0), -5), leg(new, account(1), 5),
        leg(new, account(0), 3, version=3, layer="pending"),
        leg(new, account(1), -3, version=3, layer="pending"),
        leg(new, account(2), -9, currency="USD"), leg(new, account(3), 9, currency="USD"),
    ])  # fmt: skip
    count = app.execute("select count(*) from ledger_entries where transaction_id = %s", [new])
    assert count.fetchone() == (6,)


UNBALANCED = {
    "one leg": [(0, -5, {})],
    "too much": [(0, -5, {}), (1, 6, {})],
    "all on one side": [(0, 5, {}), (1, 5, {})],
    "only across layers": [(0, -5, {}), (1, 5, {"layer": "pending"})],
    "one layer of two": [
        (0, -5, {}), (1, 5, {}), (2, 3, {"layer": "pending"}), (3, -2, {"layer": "pending"}),
    ],
    "only across currencies": [(0, -5, {}), (1, 5, {"currency": "USD"})],
}  # fmt: skip


@WRITERS
@pytest.mark.parametrize("legs", UNBALANCED.values(), ids=UNBALANCED)
def test_what_does_not_balance_is_refused(app, write, legs):
    new = uuid4()
    add_transaction(app, new)
    with pytest.raises(errors.CheckViolation) as refused:
        write(app, [leg(new, account(n), amount, **fields) for n, amount, fields in legs])
    assert refused.value.diag.constraint_name == "ledger_entries_balance"


@WRITERS
def test_two_wrong_transactions_do_not_make_a_right_one(app, write):
    first, second = uuid4(), uuid4()
    add_transaction(app, first)
    add_transaction(app, second)
    with pytest.raises(errors.CheckViolation) as refused:
        write(app, [leg(first, account(0), -5), leg(second, account(1), 5)])
    assert refused.value.diag.constraint_name == "ledger_entries_balance"


def test_each_statement_balances_by_itself(app):
    new = uuid4()
    add_transaction(app, new)
    insert_entries(app, [leg(new, account(0), -5), leg(new, account(1), 5)])
    with pytest.raises(errors.CheckViolation):
        insert_entries(app, [leg(new, account(2), -5)])


@WRITERS
@pytest.mark.parametrize("transaction", [OLD, UUID(int=99)], ids=["old", "unknown"])
def test_nothing_is_added_to_a_transaction_of_another_commit(app, write, transaction):
    with pytest.raises(errors.CheckViolation) as refused:
        write(app, [leg(transaction, account(0), -5), leg(transaction, account(1), 5)])
    assert refused.value.diag.constraint_name == "ledger_entries_transaction_open"


@WRITERS
@pytest.mark.parametrize(
    ("amount", "fields", "constraint"),
    [
        (0, {"entry_type": "CREDIT"}, "ledger_entries_amount_cents_check"),
        (0, {"entry_type": "DEBIT"}, "ledger_entries_amount_cents_check"),
        (5, {"entry_type": "DEBIT"}, "ledger_entries_side"),
        (-5, {"entry_type": "CREDIT"}, "ledger_entries_side"),
        (5, {"entry_type": "credit"}, "ledger_entries_side"),
        (5, {"layer": "draft"}, "ledger_entries_layer_check"),
    ],
)
def test_an_entry_says_what_it_is(app, write, amount, fields, constraint):
    new = uuid4()
    add_transaction(app, new)
    with pytest.raises(errors.CheckViolation) as refused:
        write(app, [leg(new, account(0), amount, **fields), leg(new, account(1), -5)])
    assert refused.value.diag.constraint_name == constraint


# ── once ─────────────────────────────────────────────────────────────────────────────────


@WRITERS
def test_an_account_has_one_entry_a_version(app, write):
    new = uuid4()
    add_transaction(app, new)
    with pytest.raises(errors.UniqueViolation) as refused:
        write(app, [leg(new, account(0), -5, version=1), leg(new, account(1), 5)])
    assert re.fullmatch(r"ledger_entries_\d_pkey", refused.value.diag.constraint_name)


def test_a_cause_posts_once_under_a_kind(app):
    add_transaction(app, uuid4(), cause=CAUSE, kind="another")
    with pytest.raises(errors.UniqueViolation) as refused:
        add_transaction(app, uuid4(), cause=CAUSE, kind="old")
    assert refused.value.diag.constraint_name == "ledger_transactions_cause_kind_key"


@pytest.mark.parametrize("aggregate", [ids.new(NOW), UUID(int=2)], ids=["month", "default"])
def test_an_aggregate_has_one_event_a_version(app, aggregate):
    add_event(app, aggregate, 1)
    add_event(app, aggregate, 2)
    with pytest.raises(errors.UniqueViolation):
        add_event(app, aggregate, 2)


@pytest.mark.parametrize("version", [0, -1])
def test_versions_begin_at_one(app, version):
    with pytest.raises(errors.CheckViolation):
        add_event(app, uuid4(), version)


# ── floors, ceilings, caps ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("n", "posted", "pending", "constraint"),
    [
        # A liability of 100 between 0 and 500.
        (0, 0, 0, None),
        (0, -1, 0, "ledger_accounts_floor"),
        (0, 100, -100, None),
        (0, 100, -101, "ledger_accounts_floor"),  # a promise counts when it is made
        (0, -1, 50, "ledger_accounts_floor"),  # and money not yet there does not
        (0, 500, 0, None),
        (0, 501, 0, "ledger_accounts_ceiling"),
        (0, 400, 101, "ledger_accounts_ceiling"),
        (0, 501, -50, "ledger_accounts_ceiling"),
        # The same for an asset, which is stored negative.
        (1, 0, 0, None),
        (1, 1, 0, "ledger_accounts_floor"),
        (1, -100, 101, "ledger_accounts_floor"),
        (1, -500, 0, None),
        (1, -501, 0, "ledger_accounts_ceiling"),
        (1, -400, -101, "ledger_accounts_ceiling"),
    ],
)
def test_floors_and_ceilings(app, n, posted, pending, constraint):
    def move():
        app.execute(
            "update ledger_accounts set posted = %s, pending = %s where id = %s",
            [posted, pending, account(n)],
        )

    expect(move, constraint)


@pytest.mark.parametrize(
    ("posted", "forced", "constraint"),
    [
        (-5, 5, None),
        (-6, 5, "ledger_accounts_floor"),
        (505, 5, None),
        (506, 5, "ledger_accounts_ceiling"),
        (100, -1, "ledger_accounts_forced"),
    ],
)
def test_floors_and_ceilings_give_way_by_what_is_noted_as_forced(app, posted, forced, constraint):
    def move():
        app.execute(
            "update ledger_accounts set posted = %s, forced = %s where id = %s",
            [posted, forced, account(0)],
        )

    expect(move, constraint)


@pytest.mark.parametrize(
    ("amounts", "constraint"),
    [
        ({"authorized": 100, "captured": 100}, None),
        ({"authorized": 100, "captured": 101}, "payments_capture_cap"),
        ({"authorized": 100, "captured": 60, "capture_open": 40}, None),
        ({"authorized": 100, "captured": 60, "capture_open": 41}, "payments_capture_cap"),
        ({"authorized": 100, "captured": -1}, "payments_capture_cap"),
        ({"authorized": 100, "captured": 60, "capture_open": -1}, "payments_capture_cap"),
        ({"captured": 60, "authorized": 60, "refunded": 60}, None),
        ({"captured": 60, "authorized": 60, "refunded": 61}, "payments_refund_cap"),
        ({"captured": 60, "authorized": 60, "refunded": 30, "refund_open": 30}, None),
        (
            {"captured": 60, "authorized": 60, "refunded": 30, "refund_open": 31},
            "payments_refund_cap",
        ),
        (
            {"captured": 60, "authorized": 60, "refunded": 30, "refund_open": 20, "reversed": 11},
            "payments_refund_cap",
        ),
        ({"captured": 60, "authorized": 60, "refunded": -1}, "payments_refund_cap"),
        ({"captured": 60, "authorized": 60, "refund_open": -1}, "payments_refund_cap"),
        ({"captured": 60, "authorized": 60, "reversed": -1}, "payments_refund_cap"),
        ({"late": 60, "late_returned": 60}, None),
        ({"late": 60, "late_returned": 61}, "payments_late_cap"),
        ({"late": 60, "late_returned": 30, "late_returning": 30}, None),
        ({"late": 60, "late_returned": 30, "late_returning": 31}, "payments_late_cap"),
        ({"late": -1}, "payments_late_cap"),
        ({"late": 60, "late_returning": -1}, "payments_late_cap"),
        ({"late": 60, "late_returned": -1}, "payments_late_cap"),
    ],
)
def test_caps_of_a_payment(app, amounts, constraint):
    columns = ", ".join(f"{name}_minor = {amount}" for name, amount in amounts.items())

    def move():
        app.execute(f"update payments set {columns} where id = %s", [UUID(int=3)])

    expect(move, constraint)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, None),
        ({"payee": "asha"}, "transfers_two_people"),
        ({"status": "sent"}, "transfers_status_check"),
        ({"amount_minor": 0}, "transfers_amount_minor_check"),
        ({"status": "succeeded", "attempt_id": None}, "transfers_sent"),
        ({"status": "succeeded", "rail": None}, "transfers_sent"),
        ({"status": "blocked", "attempt_id": None, "rail": None}, None),
        ({"status": "deemed"}, "transfers_deemed"),
        ({"status": "deemed", "due_at": NOW}, None),
    ],
)
def test_transfers(app, fields, constraint):
    row = {
        "id": UUID(int=7), "merchant_id": UUID(int=8), "customer_id": UUID(int=9),
        "status": "processing", "amount_minor": 1, "currency": "INR", "device_id": "phone",
        "payer": "asha", "payer_mask": "as***@ybl", "payee": "ravi", "payee_mask": "ra***@ybl",
        "rail": "upi_hdfc", "attempt_id": UUID(int=6), "limits": "[]", "version": 1,
        "livemode": False, "created_at": NOW, "updated_at": NOW, **fields,
    }  # fmt: skip
    values = ", ".join(f"%({name})s" for name in row)

    expect(lambda: app.execute(f"insert into transfers ({', '.join(row)}) values ({values})", row),
           constraint)  # fmt: skip


@pytest.mark.parametrize(("used", "refused"), [(10, False), (0, False), (11, True), (-1, True)])
def test_limits(app, used, refused):
    def move():
        app.execute("update limit_counters set used = %s", [used])

    expect(move, ("limit_counters_cap" if used > 0 else "limit_counters_used_check")
           if refused else None)  # fmt: skip


def expect(move, constraint):
    if constraint is None:
        move()
        return
    with pytest.raises(errors.CheckViolation) as refused:
        move()
    assert refused.value.diag.constraint_name == constraint


# ── append-only ──────────────────────────────────────────────────────────────────────────


def changes(table):
    name = sql.Identifier(table)
    return {
        "update": sql.SQL("update {} set livemode = not livemode").format(name),
        "delete": sql.SQL("delete from {}").format(name),
        "truncate": sql.SQL("truncate {} cascade").format(name),
    }


@pytest.mark.parametrize("verb", ["update", "delete", "truncate"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_service_changes_nothing_in_the_log(app, table, verb):
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(changes(table)[verb])


@pytest.mark.parametrize("verb", ["update", "delete", "truncate"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_nor_does_the_owner(owner, table, verb):
    with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        owner.execute(changes(table)[verb])


def test_every_partition_is_tried(books):
    kinds = {name.rstrip("0123456789") for name in books.partitions}
    assert kinds == {"payment_events_default", "payment_events_", "ledger_entries_"}
    assert sum(name.startswith("ledger_entries_") for name in books.partitions) == 8
    assert f"payment_events_{NOW:%Y%m}" in books.partitions


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete", "truncate"])
def test_the_service_has_no_right_on_any_partition(books, app, verb):
    for name in books.partitions:
        what = {"select": f"select from {name}", "insert": f"insert into {name} default values"}
        with pytest.raises(errors.InsufficientPrivilege), app.transaction():
            app.execute(what[verb] if verb in what else changes(name)[verb])


def test_nor_may_it_copy_into_one(app):
    """The balance is checked on the parent alone; a partition must not be a way around it."""
    new = uuid4()
    add_transaction(app, new)
    for part in range(8):
        with pytest.raises(errors.InsufficientPrivilege), app.transaction():
            copy_entries(app, [leg(new, account(0), -5)], table=f"ledger_entries_{part}")


@pytest.mark.parametrize("verb", ["update", "delete", "truncate"])
def test_the_owner_changes_nothing_in_a_partition(books, owner, verb):
    tried = 0
    for name in books.partitions:
        filled = owner.execute(f"select exists (select from {name})").fetchone()[0]
        if verb == "truncate" or filled:
            with (
                pytest.raises(errors.InsufficientPrivilege, match="append-only"),
                owner.transaction(),
            ):
                owner.execute(changes(name)[verb])
            tried += 1
    assert tried >= 10  # eight of entries, the month's and the default one of events


def test_a_month_that_comes_later_is_as_safe(owner):
    owner.execute("select khata_ensure_event_partitions('2031-05-01', '2031-06-30')")
    add_event(owner, ids.new(datetime(2031, 5, 31, 12, tzinfo=UTC)), 1)
    for verb in ("update", "delete", "truncate"):
        with (
            pytest.raises(errors.InsufficientPrivilege, match="append-only"),
            owner.transaction(),
        ):
            owner.execute(changes("payment_events_203105")[verb])
    owner.execute("set local role khata_app")
    with pytest.raises(errors.InsufficientPrivilege):
        owner.execute("select from payment_events_203105")


@pytest.mark.parametrize(
    "statement",
    [
        "alter table ledger_entries disable trigger all",
        "drop trigger entries_balance on ledger_entries",
        "alter table ledger_accounts drop constraint ledger_accounts_floor",
        "drop table payment_events",
        "create table public.mine (id int)",
        """create or replace function khata_check_entries() returns trigger
        language plpgsql as 'begin return null; end'""",
        "create trigger x before insert on ledger_entries execute function khata_refuse_change()",
        "select khata_ensure_event_partitions('2031-05-01', '2031-06-30')",
        "set session_replication_role = replica",
        "delete from ledger_accounts",
        "delete from payments",
        "truncate payments",
        "delete from limit_counters",
        "update database_epoch set epoch = 'x'",
        "update risk_activity set amount_minor = 0",
        "update statements set content = ''",
        "set role postgres",
        "select * from offline.events",
    ],
)
def test_the_service_cannot_undo_the_rules(app, statement):
    with pytest.raises((errors.InsufficientPrivilege, errors.InvalidParameterValue)):
        app.execute(statement)


# ── what rails have told ─────────────────────────────────────────────────────────────────


def add_callback(connection, name="cb_1", *, days_ago=0, verdict=None, **changes):
    values = {
        "id": uuid4(),
        "rail": "upi_hdfc",
        "callback_id": name,
        "received_at": NOW - timedelta(days=days_ago),
        "secret": 1,
        "digest": b"d" * 32,
        "raw": b"sealed",
        "raw_key": "rail_callbacks-1",
        "next_try_at": None if verdict else NOW,
        "processed_at": NOW if verdict else None,
        "verdict": verdict,
    } | changes
    values = {column: value for column, value in values.items() if value is not None}
    connection.execute(
        sql.SQL("insert into rail_callbacks ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        ),
        values,
    )


def test_a_callback_is_kept_once(owner):
    add_callback(owner)
    with pytest.raises(errors.UniqueViolation):
        add_callback(owner)


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "believed", "processed_at": None},
        {"verdict": "believed", "next_try_at": NOW},
        {"next_try_at": None},
        {"verdict": "wrong"},
        {"raw": b""},
        {"digest": b"short"},
        {"secret": 0},
        {"tries": -1},
        {"rail": "UPI"},
        {"sequence": -1},
    ],
)
def test_a_callback_that_cannot_be_is_refused(owner, wrong):
    with pytest.raises(errors.CheckViolation):
        add_callback(owner, **wrong)


@pytest.mark.parametrize(
    "change",
    ["update rail_callbacks set raw = 'x'", "update rail_callbacks set digest = 'x'",
     "update rail_callbacks set received_at = now()", "delete from rail_callbacks",
     "truncate rail_callbacks"],
)  # fmt: skip
def test_what_a_rail_said_cannot_be_changed_by_the_service(app, change):
    add_callback(app)
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(change)


def test_a_callback_that_waits_is_not_forgotten(owner):
    add_callback(owner, "old", days_ago=40, verdict="believed")
    add_callback(owner, "young", days_ago=1, verdict="believed")
    add_callback(owner, "waits", days_ago=40)
    forget = "select khata_forget_rail_callbacks(%s, 10)"
    assert owner.execute(forget, [NOW - timedelta(days=30)]).fetchone() == (1,)
    left = owner.execute("select callback_id from rail_callbacks order by 1").fetchall()
    assert left == [("waits",), ("young",)]


# ── payouts ──────────────────────────────────────────────────────────────────────────────


def add(connection, table, values):
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        ),
        values,
    )


def add_payee(connection, **changes):
    merchant, id_ = uuid4(), uuid4()
    connection.execute(
        "insert into merchants (id, name, mcc, state_code, settlement_days, requires_signature,"
        " livemode, created_at, exposure_limit_minor)"
        " values (%s, 'Chai', '5814', '27', 1, false, false, now(), 0)",
        [merchant],
    )
    values = {
        "id": id_,
        "merchant_id": merchant,
        "kind": "vpa",
        "status": "pending",
        "edition": 1,
        "sealed_id": uuid4(),
        "mask": "as***@ybl",
        "name_mask": "A***",
        "fingerprint": "f",
        "verification": "name_check",
        "version": 1,
        "livemode": False,
        "created_at": NOW,
        "updated_at": NOW,
    } | changes
    add(connection, "payout_beneficiaries", values)
    return merchant, id_


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "wallet"},
        {"kind": "bank_account"},  # without an IFSC
        {"ifsc": "HDFC0000001"},  # of a VPA
        {"status": "trusted"},
        {"status": "usable"},  # since when?
        {"status": "cooling"},
        {"edition": 0},
        {"verification": "handshake"},
        {"name_score": 101},
    ],
)
def test_a_beneficiary_that_cannot_be_is_refused(owner, wrong):
    with pytest.raises(errors.CheckViolation):
        add_payee(owner, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "processing"},  # with no attempt
        {"status": "paid"},
        {"status": "lost", "attempt_id": uuid4()},
        {"amount_minor": 0},
        {"mode": "cash"},
        {"edition": 0},
    ],
)
def test_a_payout_that_cannot_be_is_refused(owner, wrong):
    merchant, payee = add_payee(owner)
    values = {
        "id": uuid4(),
        "merchant_id": merchant,
        "beneficiary_id": payee,
        "edition": 1,
        "status": "scheduled",
        "amount_minor": 100,
        "currency": "INR",
        "mode": "upi",
        "purpose": "payout",
        "mask": "as***@ybl",
        "version": 1,
        "livemode": False,
        "created_at": NOW,
        "updated_at": NOW,
    }
    add(owner, "payouts", values)
    with pytest.raises(errors.CheckViolation):
        add(owner, "payouts", values | {"id": uuid4()} | wrong)


@pytest.mark.parametrize(
    "change",
    ["update sealed_texts set ciphertext = 'x'", "delete from sealed_texts",
     "truncate sealed_texts", "delete from payouts", "delete from payout_beneficiaries"],
)  # fmt: skip
def test_what_payouts_have_written_stays(app, change):
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(change)


def test_sealed_texts_are_not_even_changed_by_their_owner(owner):
    row = {
        "id": uuid4(),
        "merchant_id": uuid4(),
        "purpose": "beneficiary",
        "ciphertext": b"x",
        "key_id": "k",
        "livemode": False,
        "created_at": NOW,
    }
    add(owner, "sealed_texts", row)
    with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        owner.execute("update sealed_texts set purpose = 'handle'")


def test_an_operation_is_ordered_by_an_id_or_nobody(owner):
    with pytest.raises(errors.CheckViolation):
        owner.execute(
            "insert into attempts (id, merchant_id, operation, status, amount_minor, currency,"
            " rail, sent_at, version, livemode, order_id) values"
            " (gen_random_uuid(), gen_random_uuid(), 'payout', 'sent', 1, 'INR', 'bank_hdfc',"
            " now(), 1, false, 'whoever')"
        )


# ── who pays for whom ────────────────────────────────────────────────────────────────────


@pytest.fixture
def circle(books):
    """A delegation of one customer to another, rolled back afterwards."""
    with psycopg.connect(books.owner) as owner:
        merchant, people = ids.new(NOW), [ids.new(NOW) for _ in range(3)]
        owner.execute(
            "insert into merchants (id, name, mcc, state_code, livemode, created_at)"
            " values (%s, 'Chai', '5814', '27', false, now())",
            [merchant],
        )
        for person in people:
            owner.execute(
                "insert into customers (id, merchant_id, livemode, created_at)"
                " values (%s, %s, false, now())",
                [person, merchant],
            )
        delegate(owner, merchant, people[0], people[1])
        yield SimpleNamespace(owner=owner, merchant=merchant, people=people)
        owner.rollback()


def delegate(connection, merchant, primary, secondary):
    connection.execute(
        "insert into delegations (id, merchant_id, primary_id, secondary_id, status, kind,"
        " currency, instrument, instrument_mask, cooling_until, version, livemode, created_at,"
        " updated_at) values (%s, %s, %s, %s, 'active', 'full', 'INR', 'x', 'as***@ybl', now(), 1,"
        " false, now(), now())",
        [ids.new(NOW), merchant, primary, secondary],
    )


def test_a_second_primary_is_refused_until_the_first_is_gone(circle):
    first, second, third = circle.people
    with pytest.raises(errors.UniqueViolation), circle.owner.transaction():
        delegate(circle.owner, circle.merchant, third, second)
    circle.owner.execute("update delegations set status = 'revoked' where primary_id = %s", [first])
    delegate(circle.owner, circle.merchant, third, second)


def test_nobody_is_their_own_secondary(circle):
    with pytest.raises(errors.CheckViolation), circle.owner.transaction():
        delegate(circle.owner, circle.merchant, circle.people[2], circle.people[2])


@pytest.mark.parametrize(
    ("column", "value"),
    [("instrument_mask", "asha.rao@okbank"), ("kind", "half"), ("per_month_minor", 0)],
)
def test_what_a_delegation_may_not_say(circle, column, value):
    change = sql.SQL("update delegations set {} = %s").format(sql.Identifier(column))
    with pytest.raises(errors.CheckViolation), circle.owner.transaction():
        circle.owner.execute(change, [value])
