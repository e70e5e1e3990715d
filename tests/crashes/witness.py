"""What the banks have in their own records, held against the ledger, attempt by attempt."""

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any, Final

import psycopg

from online.kernel import ids
from tests.e2e.dev import Dev

# What a line of the banks' records does to what a rail owes us.
_SIGNS: Final = {"PAY": 1, "REFUND": -1, "REVERSAL": -1}
_CLOSED: Final = {"approved": "succeeded", "declined": "declined", "failed": "failed"}

Money = dict[tuple[str, str], int]  # (rail, attempt) → minor units towards us


def open_attempts(dev: Dev) -> int:
    ((count,),) = query(
        dev, "select count(*) from attempts where status in ('sent', 'pending', 'unknown')"
    )
    return int(count)


def money_at_the_banks(dev: Dev) -> Money:
    found: Counter[tuple[str, str]] = Counter()
    for rail, reference, kind, amount in _at_the_banks(
        dev, "select rail, reference, type, amount from movements"
    ):
        found[rail, reference] += _SIGNS[kind] * amount
    return dict(found)


def money_in_the_books(dev: Dev) -> Money:
    """Whatever was posted to a rail's receivable for an attempt."""
    rows = query(
        dev,
        "select split_part(a.code, ':', 2), t.reference, -sum(e.amount_cents)"
        " from ledger_entries e join ledger_accounts a on a.id = e.account_id"
        " join ledger_transactions t on t.id = e.transaction_id"
        " where e.layer = 'posted' and a.code like 'rail:%:receivable' group by 1, 2",
    )
    return {(rail, reference): int(amount) for rail, reference, amount in rows if amount}


def operations_that_differ(dev: Dev) -> list[str]:
    """Operations that one side has otherwise than the other, or not at all."""
    banks = {
        reference: (rail, operation, amount, _CLOSED.get(status, status))
        for reference, rail, operation, amount, status in _at_the_banks(
            dev, "select reference, rail, operation, amount, status from operations"
        )
    }
    ours = {
        ids.encode("att", id_): tuple(rest)
        for id_, *rest in query(
            dev, "select id, rail, operation, amount_minor, status from attempts"
        )
    }
    # What never arrived failed, and nothing else may be missing there.
    return [
        f"{reference}: {ours.get(reference)}, at the bank {banks.get(reference)}"
        for reference in sorted(banks.keys() | ours.keys())
        if ours.get(reference) != banks.get(reference)
        and not (reference not in banks and ours[reference][-1] == "failed")
    ]


def charges_of_payments(dev: Dev) -> dict[str, list[int]]:
    """What the banks took from payers, by payment: each charge that was not given back whole."""
    payments = {
        ids.encode("att", attempt): ids.encode("pay", payment)
        for attempt, payment in query(
            dev, "select id, payment_id from attempts where operation in ('authorize', 'capture')"
        )
    }
    found: dict[str, list[int]] = {}
    for reference, amount in _at_the_banks(
        dev, "select reference, amount from movements where type = 'PAY'"
    ):
        found.setdefault(payments[reference], []).append(amount)
    return found


def query(dev: Dev, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dev.about["database_url"]) as connection:
        return connection.execute(sql).fetchall()


def _at_the_banks(dev: Dev, sql: str) -> list[tuple[Any, ...]]:
    path = dev.data_dir / "sandbox" / "bank.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()
