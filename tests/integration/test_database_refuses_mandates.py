"""The database itself refuses a second debit of a period, a debit nobody was told of, and states
that cannot be, whatever the service does. Tried in SQL as the service's own role.
"""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql

from tests.databases import as_role, fresh_database

NOW = datetime.now(UTC)
MANDATE = UUID(int=1)


def insert(connection, table, row):
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


def add_mandate(connection, **changes):
    """Of up to Rs 500 a month, active."""
    row = {
        "id": uuid4(), "merchant_id": UUID(int=2), "customer_id": UUID(int=3), "status": "active",
        "mcc": "5814", "max_amount_minor": 500_00, "currency": "INR", "amount_rule": "max",
        "frequency": "monthly", "start_on": date(2026, 1, 1), "end_on": date(2026, 12, 31),
        "purpose": "Magazine", "instrument": "hash", "instrument_mask": "as***@khata",
        "told": False, "version": 1, "livemode": False, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    insert(connection, "mandates", row | changes)


def add_execution(connection, **changes):
    """Of March, scheduled."""
    row = {
        "id": uuid4(), "mandate_id": MANDATE, "merchant_id": UUID(int=2),
        "customer_id": UUID(int=3), "status": "scheduled", "amount_minor": 499_00,
        "currency": "INR", "period": date(2026, 3, 1), "debit_on": date(2026, 3, 5),
        "until_on": date(2026, 3, 31), "notice_at": NOW, "tried": 0, "payments": [],
        "factor_required": False, "scheduled_by": "merchant", "version": 1, "livemode": False,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    insert(connection, "mandate_executions", row | changes)


@pytest.fixture(scope="module")
def url(postgres, template):
    with fresh_database(postgres, template) as owner:
        with psycopg.connect(owner, autocommit=True) as connection:
            add_mandate(connection, id=MANDATE)
        yield as_role(postgres, owner, "khata_app")


@pytest.fixture
def app(url):
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


TRIED = {"tried": 1, "debit_from": NOW}


@pytest.mark.parametrize(
    "first",
    [{}, {"status": "failed"}, {"status": "succeeded", **TRIED}, {"status": "canceled", **TRIED}],
)
def test_a_period_has_one_debit(app, first):
    add_execution(app, **first)
    with pytest.raises(errors.UniqueViolation):
        add_execution(app, debit_on=date(2026, 3, 6))


def test_what_was_canceled_before_a_try_leaves_its_period(app):
    add_execution(app, status="canceled")
    add_execution(app)
    add_execution(
        app, period=date(2026, 4, 1), debit_on=date(2026, 4, 5), until_on=date(2026, 4, 9)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"tried": 1, "status": "processing"},  # nobody was told
        {"tried": 5, "debit_from": NOW},
        {"tried": -1},
        {"status": "notified", "debit_from": NOW},  # without a time for it
        {"next_try_at": NOW},
        {"status": "paid"},
        {"amount_minor": 0},
        {"debit_on": date(2026, 4, 1)},  # after its period
        {"debit_on": date(2026, 2, 28)},
        {"payments": ["pay_1"]},  # that were never tried
    ],
)
def test_an_execution_that_cannot_be_is_refused(app, wrong):
    with pytest.raises(errors.CheckViolation):
        add_execution(app, **wrong)


def test_an_execution_is_of_a_mandate(app):
    with pytest.raises(errors.ForeignKeyViolation):
        add_execution(app, mandate_id=uuid4())


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "gone"},
        {"max_amount_minor": 0},
        {"amount_minor": 500_01},
        {"amount_minor": 499_99, "amount_rule": "exact"},
        {"amount_rule": "about"},
        {"frequency": "hourly"},
        {"end_on": date(2025, 12, 31)},
        {"debit_day": 5},
        {"debit_rule": "on"},
        {"debit_rule": "on", "debit_day": 32},
        {"status": "paused"},  # by nobody
        {"paused_by": "payer"},
        {"status": "revoked"},
        {"revoked_by": "payer"},
    ],
)
def test_a_mandate_that_cannot_be_is_refused(app, wrong):
    with pytest.raises(errors.CheckViolation):
        add_mandate(app, **wrong)


@pytest.mark.parametrize("table", ["mandates", "mandate_executions"])
def test_the_service_takes_nothing_away(app, table):
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(f"delete from {table}")
