"""The database itself refuses wallets of nobody, users known too little, money given back twice.

Tried in SQL, as the service's own role; nothing here goes through the service's code.
"""

from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.databases import as_role, fresh_database

WALLET = """insert into wallets (id, customer_id, merchant_id, kind, status, currency, version,
    livemode, created_at, updated_at)
    values (%s, %s, %s, 'lite', 'open', 'INR', 1, false, now(), now())"""
TOP_UP = """insert into top_ups (id, wallet_id, customer_id, merchant_id, status, amount_minor,
    currency, purpose, instrument, instrument_mask, route, rail, attempt_id, credited, limits,
    version, livemode, created_at, updated_at)
    values (%s, %s, %s, %s, 'succeeded', 100, 'INR', '41', 'k', 'upi', 'r', 'r', %s, true, '[]',
        1, false, now(), now())"""


@pytest.fixture
def database(postgres, template):
    with (
        fresh_database(postgres, template) as url,
        psycopg.connect(as_role(postgres, url, "khata_app"), autocommit=True) as connection,
    ):
        yield connection


@pytest.fixture
def customer(database):
    """A MINI user with minimum KYC, of a merchant."""
    merchant, customer = uuid4(), uuid4()
    database.execute(
        "insert into merchants (id, name, mcc, state_code, livemode, created_at)"
        " values (%s, 'Chai', '5814', '27', false, now())",
        [merchant],
    )
    database.execute(
        "insert into customers (id, merchant_id, upi_type, kyc_level, livemode, created_at)"
        " values (%s, %s, 'mini', 'minimum', false, now())",
        [customer, merchant],
    )
    return customer, merchant


def refused(database, constraint, sql, *parameters):
    with pytest.raises(errors.CheckViolation) as found:
        database.execute(sql, parameters)
    assert found.value.diag.constraint_name == constraint


def opened(database, customer, merchant):
    wallet = uuid4()
    database.execute(WALLET, [wallet, customer, merchant])
    return wallet


def test_type_and_kyc_do_not_contradict_each_other(database, customer):
    id_, _ = customer
    change = "update customers set upi_type = %s, kyc_level = %s where id = %s"
    refused(database, "customers_kyc_type", change, "max", "minimum", id_)
    refused(database, "customers_kyc_type", change, "mini", "full", id_)
    refused(database, "customers_kyc_level", change, None, "some", id_)
    database.execute(change, ["max", "full", id_])


def test_a_customer_has_one_wallet(database, customer):
    opened(database, *customer)
    with pytest.raises(errors.UniqueViolation):
        opened(database, *customer)


def test_nobody_s_wallet_is_opened(database, customer):
    id_, merchant = customer
    wallet = opened(database, id_, merchant)
    database.execute("update wallets set status = 'closed' where id = %s", [wallet])
    database.execute("update customers set erased_at = now() where id = %s", [id_])
    reopen = "update wallets set status = 'open' where id = %s"
    refused(database, "wallets_customer", reopen, wallet)
    refused(database, "wallets_customer", WALLET, uuid4(), uuid4(), merchant)


def test_who_has_an_open_wallet_is_not_erased_nor_known_less_well(database, customer):
    id_, merchant = customer
    wallet = opened(database, id_, merchant)
    erase = "update customers set erased_at = now() where id = %s"
    forget = "update customers set kyc_level = 'none' where id = %s"
    refused(database, "customers_wallet_open", erase, id_)
    refused(database, "customers_wallet_open", forget, id_)
    database.execute(
        "update customers set upi_type = 'max', kyc_level = 'full' where id = %s", [id_]
    )
    database.execute("update wallets set status = 'closed' where id = %s", [wallet])
    database.execute(erase, [id_])


def test_an_open_wallet_is_not_swept(database, customer):
    wallet = opened(database, *customer)
    sweep = "update wallets set sweep_at = now() where id = %s"
    refused(database, "wallets_sweep", sweep, wallet)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("top_ups_return_cap", "returning_minor = 101"),
        ("top_ups_return_cap", "returning_minor = 60, returned_minor = 41"),
        ("top_ups_return_cap", "returned_minor = -1"),
        ("top_ups_return_cap", "status = 'failed', returned_minor = 1"),
        ("top_ups_return_due", "return_due_minor = 1"),
        ("top_ups_return_due", "return_due_at = now()"),
    ],
)
def test_no_more_goes_back_than_came(database, customer, constraint, change):
    id_, merchant = customer
    wallet, top_up = opened(database, id_, merchant), uuid4()
    database.execute(TOP_UP, [top_up, wallet, id_, merchant, uuid4()])
    refused(database, constraint, f"update top_ups set {change} where id = %s", top_up)
    database.execute("update top_ups set returning_minor = 60, returned_minor = 40")


def test_and_none_of_it_is_deleted(database):
    for table in ("wallets", "top_ups"):
        with pytest.raises(errors.InsufficientPrivilege):
            database.execute(f"delete from {table}")
