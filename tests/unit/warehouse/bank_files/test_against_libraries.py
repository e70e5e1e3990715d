"""Our readers against the libraries of the field, on files that those read rightly.

Where they disagree the library is wrong, and the test shows how.
"""

import random
from datetime import date, timedelta

import bankfile
import mt940 as library_mt940
import pytest
from bai2 import bai2 as library_bai2

from online.kernel.money import exponent
from tests.unit.warehouse.bank_files.writers import Account, Entry, bai2, mt940, ofx
from warehouse.bank_files.parse import parse


def _account(seed: int, currency: str = "EUR") -> Account:
    chance = random.Random(seed)
    entries = []
    for number in range(200):
        value = date(2023, 12, 1) + timedelta(days=chance.randrange(120))
        booked = value + timedelta(days=chance.randrange(4))
        amount = chance.choice((-1, 1)) * chance.randrange(1, 10**9)
        entries.append(Entry(amount, value, booked, f"INV{number}", f"TEXT {number}"))
    return Account("DE89370400440532013000", currency, chance.randrange(10**9), tuple(entries))


def _ours(text: str) -> list[tuple[int, date | None, str]]:
    file = parse(text.encode(), "x")
    assert file.problems == []
    return [
        (line.amount_minor, line.value_date, line.reference)
        for statement in file.statements
        for line in statement.lines
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("currency", ["EUR", "JPY", "BHD"])
def test_mt940(seed: int, currency: str) -> None:
    text = mt940(_account(seed, currency))
    options = library_mt940.Options(reversal_sign=True)
    (statement,) = library_mt940.parse_statements(text, options=options)
    theirs = [
        (
            int(transaction.data["amount"].amount.scaleb(exponent(currency))),
            transaction.data["date"],
            transaction.data["customer_reference"],
        )
        for transaction in statement.transactions
    ]
    assert _ours(text) == theirs


def test_mt940_cuts_decimals_at_a_point_where_we_read_them() -> None:
    text = mt940(_account(1)).replace(",", ".")
    theirs = library_mt940.parse(text).transactions
    assert [amount for amount, _, _ in _ours(text)] == [e.amount for e in _account(1).entries]
    assert all(
        transaction.data["amount"].amount == int(transaction.data["amount"].amount)
        for transaction in theirs
    )


@pytest.mark.parametrize("seed", range(5))
def test_bai2(seed: int) -> None:
    text = bai2(_account(seed, "USD"))
    file = library_bai2.parse_from_string(text, check_integrity=True)
    sides = {"credit": 1, "debit": -1}
    theirs = [
        (sides[entry.type_code.transaction.value] * entry.amount, entry.customer_reference)
        for group in file.children
        for account in group.children
        for entry in account.children
    ]
    assert [(amount, reference) for amount, _, reference in _ours(text)] == theirs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("xml", [False, True])
def test_ofx(seed: int, *, xml: bool) -> None:
    text = ofx(_account(seed), xml=xml)
    theirs = bankfile.parse_bytes(text.encode())
    assert [amount for amount, _, _ in _ours(text)] == [
        int(transaction.amount.scaleb(2)) for transaction in theirs.transactions
    ]
