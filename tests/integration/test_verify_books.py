"""`verify-books` finds whatever in the database does not follow from the log."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest

from online.kernel import ids
from online.operations.verify import AGGREGATES, verify_books
from online.rails.domain import Outcome, OutcomeKind
from tests.architecture.source import ROOT
from tests.databases import as_role, fresh_database
from tests.fakes import ScriptedRail
from tests.gateways import UPI, gateway_on, settings_for, upi

KEYS = {"transactions", "entries", "events", "sum_zero", "balances_equal", "snapshots_equal"}


async def live_a_day(url, data_dir):
    """A little of everything."""
    async with gateway_on(settings_for(url, data_dir)) as gateway:
        paid = await gateway.pay()
        await gateway.pay(5_000_00, await gateway.card())
        await gateway.pay(1_00, upi("decline@khata"))
        await gateway.pay(1_00, upi("timeout@khata"))
        await gateway.pay(1_00, upi("lost@khata"))
        held = await gateway.pay(100_00, await gateway.card(), capture_method="manual")
        await gateway.post(f"/payments/{held['id']}/capture", {"amount": 30_00})
        intent = (await gateway.post("/intents", {"amount": 70_00})).json()
        await gateway.post(f"/intents/{intent['id']}/confirm", {"payment_method": UPI})
        refund = await gateway.post("/refunds", {"payment": paid["id"], "amount": 10_00})
        assert refund.status_code == 201, refund.text
        await gateway.recover(timedelta(seconds=125))
        await come_late(gateway)


async def come_late(gateway):
    """The payer says yes when the merchant has given up; the money goes back, the second time."""
    waiting = await gateway.pay(40_00, upi("pending@khata"))
    canceled = await gateway.post(f"/payments/{waiting['id']}/cancel", {})
    assert canceled.json()["status"] == "canceled", canceled.text
    services, approved = gateway.services, Outcome(kind=OutcomeKind.APPROVED, code="00")
    services.rails._rails["upi_hdfc"] = rail = ScriptedRail("upi_hdfc")
    rail.next.append(Outcome(kind=OutcomeKind.DECLINED, code="12"))
    async with services.database.connection() as connection:
        payment_id = ids.decode("pay", waiting["id"])
        attempts = await services.attempts.of_payment(connection, payment_id)
    (authorize,) = (each for each in attempts if each.operation == "authorize")
    await services.resolve(authorize, "test", approved)
    gateway.later(timedelta(minutes=2))
    assert await services.payments.return_late_due() == 1
    shown = await gateway.payment(waiting["id"])
    assert (shown["amount_late"], shown["amount_late_returned"]) == (40_00, 40_00)


@pytest.fixture(scope="module")
def lived(postgres, template, tmp_path_factory):
    """The name of a database with books that hold; tests spoil clones of it."""
    with fresh_database(postgres, template) as owner:
        app = as_role(postgres, owner, "khata_app")
        asyncio.run(live_a_day(app, tmp_path_factory.mktemp("data")))
        yield owner.rpartition("/")[2].partition("?")[0]


@pytest.fixture
def clone(postgres, lived):
    with fresh_database(postgres, lived) as url:
        yield url


def verified(url):
    return asyncio.run(verify_books(url))


def test_good_books_hold(postgres, clone):
    report = verified(clone)
    assert report.holds
    assert report == verified(as_role(postgres, clone, "khata_app"))  # it needs no more rights
    with psycopg.connect(clone) as connection:
        counts = connection.execute(
            "select (select count(*) from ledger_transactions),"
            " (select count(*) from ledger_entries), (select count(*) from payment_events)"
        ).fetchone()
    assert (report.transactions, report.entries, report.events) == counts
    assert report.transactions >= 7


def test_nothing_written_yet_holds_too(owner_url):
    assert verified(owner_url).holds


ENTRY = """(account_id, account_version) = (
    select account_id, max(account_version) from ledger_entries group by 1 order by 1 limit 1)"""
ONE = "id = (select min(id::text)::uuid from {})"

# What somebody with all rights did to the tables, and which answer tells.
SPOILED = {
    "an amount changed": (
        f"update ledger_entries set amount_cents = amount_cents * 2 where {ENTRY}",
        {"sum_zero", "balances_equal"},
    ),
    "an entry gone": (f"delete from ledger_entries where {ENTRY}", {"sum_zero", "balances_equal"}),
    "two entries moved by the same": (
        """update ledger_entries set amount_cents = amount_cents + sign(amount_cents)
        where transaction_id = (select transaction_id from ledger_entries
            group by 1 having count(*) = 2 order by 1 limit 1)""",
        {"balances_equal"},
    ),
    "a layer changed": (
        f"update ledger_entries set layer = 'pending' where {ENTRY}",
        {"sum_zero", "balances_equal"},
    ),
    "a running balance": (
        f"update ledger_entries set balance_after = balance_after + 1 where {ENTRY}",
        {"balances_equal"},
    ),
    "an entry on an account that is not there": (
        f"update ledger_entries set account_id = gen_random_uuid() where {ENTRY}",
        {"balances_equal"},
    ),
    "a transaction gone": (
        f"delete from ledger_transactions where {ONE.format('ledger_transactions')}",
        {"sum_zero"},
    ),
    "a transaction of nothing": (
        """insert into ledger_transactions (id, cause, kind, business_date, effective_at, livemode)
        values (gen_random_uuid(), gen_random_uuid(), 'x', now(), now(), false)""",
        {"sum_zero"},
    ),
    "a balance": (
        "update ledger_accounts set posted = posted + 1 where code = 'fees:mdr'",
        {"balances_equal"},
    ),
    "a pending balance": (
        "update ledger_accounts set pending = pending + 1 where code like '%:pending'",
        {"balances_equal"},
    ),
    "an account's version": (
        "update ledger_accounts set version = version + 1 where code = 'fees:mdr'",
        {"balances_equal"},
    ),
    "an account gone": ("delete from ledger_accounts where code = 'fees:mdr'", {"balances_equal"}),
    "an event gone": (
        "delete from payment_events where event_type = 'payment.captured'",
        {"snapshots_equal"},
    ),
    "an event in the middle gone": (
        """delete from payment_events e where event_type = 'attempt.unknown' and exists (
            select from payment_events l
            where l.aggregate_id = e.aggregate_id and l.version = e.version + 1)""",
        {"snapshots_equal"},
    ),
    "an event of no known type": (
        "update payment_events set event_type = 'payment.vanished' where version = 3",
        {"snapshots_equal"},
    ),
    "an event of another shape": (
        "update payment_events set data = '[]' where event_type = 'payment.captured'",
        {"snapshots_equal"},
    ),
    "an event changed": (
        """update payment_events set data = jsonb_set(data, '{amount}', '1')
        where event_type = 'payment.captured'""",
        {"snapshots_equal"},
    ),
    "all events of a payment gone": (
        f"delete from payment_events where aggregate_{ONE.format('payments')}",
        {"snapshots_equal"},
    ),
    **{
        f"a row of {table} gone": (
            f"delete from {table} where {ONE.format(table)}", {"snapshots_equal"},
        )
        for table in ("payments", "attempts", "intents", "refunds")
    },
    **{
        f"a status in {table}": (
            f"update {table} set status = 'pending' where {ONE.format(table)}", {"snapshots_equal"},
        )
        for table in ("payments", "attempts", "intents", "refunds")
    },
    "a payment's amount": (
        "update payments set refunded_minor = refunded_minor + 1 where refunded_minor > 0",
        {"snapshots_equal"},
    ),
    "a payment's risk": (
        f"update payments set risk = '{{}}' where {ONE.format('payments')}",
        {"snapshots_equal"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "tells"), SPOILED.values(), ids=SPOILED)
def test_what_does_not_follow_from_the_log_is_found(clone, statement, tells):
    with psycopg.connect(clone) as connection:
        connection.execute("set session_replication_role = replica")  # past every trigger
        assert connection.execute(statement).rowcount >= 1
    report = verified(clone)
    assert not report.holds
    assert {name for name in KEYS if getattr(report, name) is False} == tells


def test_every_kind_of_aggregate_is_rebuilt(clone):
    with psycopg.connect(clone) as connection:
        kinds = connection.execute("select distinct aggregate_type from payment_events").fetchall()
    # Labels have no state: they are facts about a payment.
    assert {kind for (kind,) in kinds} <= AGGREGATES.keys()
    assert AGGREGATES.keys() == {
        "intent", "payment", "attempt", "refund", "transfer", "dispute", "settlement",
        "beneficiary", "payout", "break", "device",
        "review", "risk_list", "risk_terms", "hold", "escrow", "handle", "delegation",
        "delegation_request", "mandate", "mandate_execution",
    }  # fmt: skip


@pytest.mark.parametrize("good", [True, False])
def test_the_command_prints_one_object_and_exits_by_it(clone, good):
    if not good:
        with psycopg.connect(clone) as connection:
            connection.execute("update ledger_accounts set posted = posted + 1")
    done = subprocess.run(
        [sys.executable, "-m", "online", "verify-books", "--database", clone],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = json.loads(done.stdout.splitlines()[-1])
    assert printed.keys() == KEYS
    assert (printed["balances_equal"], done.returncode) == (good, 0 if good else 1)
