"""The journal for the general ledger: balanced, complete, the same bytes each time."""

import csv
import json
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from online.kernel.clock import IST
from online.kernel.months import Month
from tests.unit.warehouse.books import DAY, MERCHANT, NEXT_DAY, Books, noon
from warehouse.__main__ import main
from warehouse.connection import Warehouse, WarehouseError
from warehouse.journal import COLUMNS, export_journal
from warehouse.months import trial_balance_hash

NOVEMBER = Month(2026, 11)


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    books.capture("october", 70_000, datetime(2026, 10, 31, 23, 59, 59, tzinfo=IST))
    books.capture("first", 10_000, datetime(2026, 11, 1, tzinfo=IST))
    books.capture("a", 20_000, noon(DAY))
    books.capture("b", 30_000, noon(DAY, minute=5), rail="card_a")
    books.refund("r", 5_000, noon(NEXT_DAY))
    books.pay_out("p", 1_000, noon(NEXT_DAY))
    books.capture("last", 40_000, datetime(2026, 11, 30, 23, 59, 59, tzinfo=IST))
    books.capture("december", 90_000, datetime(2026, 12, 1, tzinfo=IST))
    return books


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def closed(warehouse: Warehouse, *, debit: int) -> None:
    totals = [
        {"currency": "INR", "layer": "posted", "livemode": False, "entries": 1, "debit": debit,
         "credit": debit},
        {"currency": "INR", "layer": "pending", "livemode": False, "entries": 1, "debit": 5,
         "credit": 5},
        {"currency": "INR", "layer": "posted", "livemode": True, "entries": 1, "debit": 7,
         "credit": 7},
    ]  # fmt: skip
    warehouse.execute(
        "INSERT INTO raw_periods VALUES ($month, $at, 1, 1, $totals, 'hash', 1)",
        month=NOVEMBER.first,
        at=noon(DAY),
        totals=json.dumps(totals),
    )


@pytest.mark.parametrize("detail", [False, True])
def test_every_journal_balances_and_every_account_is_the_ledger_s(
    warehouse: Warehouse, books: Books, tmp_path: Path, detail: bool
) -> None:
    out = tmp_path / "journal.csv"
    made = export_journal(warehouse, NOVEMBER, out, detail=detail)
    rows = read(out)
    assert tuple(rows[0]) == COLUMNS
    sums: Counter[str] = Counter()
    debits: Counter[str] = Counter()
    for row in rows:
        assert bool(row["debit"]) != bool(row["credit"])
        amount = Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
        sums[row["journal_number"]] += amount  # type: ignore[assignment]
        debits[row["account_code"]] += Decimal(row["debit"] or 0)  # type: ignore[assignment]
        assert row["currency"] == "INR"
        assert date(2026, 11, 1) <= date.fromisoformat(row["date"]) <= date(2026, 11, 30)
    assert set(sums.values()) == {Decimal(0)}
    ledger = warehouse.rows(
        "SELECT code, -sum(amount_minor) FROM raw_entries AS e JOIN raw_accounts AS a"
        " ON e.account_id = a.id WHERE amount_minor < 0 AND business_date BETWEEN $first AND $last"
        " GROUP BY code",
        first=NOVEMBER.first,
        last=NOVEMBER.last,
    )
    assert {k: v for k, v in debits.items() if v} == {c: Decimal(d) / 100 for c, d in ledger}
    (total,) = made.totals
    assert (total.unbalanced, total.lines, total.journals) == (0, len(rows), len(sums))
    assert (made.status, made.equals_close) == ("open", None)


def test_lines_are_numbered_and_a_posting_is_a_journal_in_detail(
    warehouse: Warehouse, books: Books, tmp_path: Path
) -> None:
    out = tmp_path / "journal.csv"
    export_journal(warehouse, NOVEMBER, out, detail=True)
    rows = read(out)
    numbers = list(dict.fromkeys(row["journal_number"] for row in rows))
    # 4 captures, a refund in two postings, a settlement and a payout.
    assert numbers == [f"KJ-202611-{n:07d}" for n in range(1, 9)]
    first = [row for row in rows if row["journal_number"] == numbers[0]]
    assert [row["line"] for row in first] == ["1", "2", "3", "4", "5"]
    assert {row["narration"] for row in first} == {"capture pay_first"}
    names = {row["account_code"]: row["account_name"] for row in rows}
    assert names["rail:upi_hdfc:receivable"] == "Receivable from rail upi_hdfc"
    assert names["tax:igst"] == "IGST payable"


@pytest.mark.parametrize("detail", [False, True])
def test_the_same_month_is_the_same_bytes(
    warehouse: Warehouse, books: Books, tmp_path: Path, detail: bool
) -> None:
    warehouse.connection.execute("SET threads = 4")
    files = [tmp_path / f"{n}.csv" for n in range(3)]
    for path in files:
        export_journal(warehouse, NOVEMBER, path, detail=detail)
        # The same rows in another order in the lake.
        warehouse.execute(
            "CREATE OR REPLACE TEMP TABLE turned AS FROM raw_entries ORDER BY random()"
        )
        warehouse.execute("DELETE FROM raw_entries")
        warehouse.execute("INSERT INTO raw_entries FROM turned")
    assert len({path.read_bytes() for path in files}) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".csv") == [
        path.name for path in files
    ]


def test_a_closed_month_is_held_against_its_close(
    warehouse: Warehouse, books: Books, tmp_path: Path
) -> None:
    out = tmp_path / "journal.csv"
    debit = export_journal(warehouse, NOVEMBER, out).totals[0].debit_minor
    before = out.read_bytes()
    closed(warehouse, debit=debit)
    made = export_journal(warehouse, NOVEMBER, out)
    assert (made.status, made.equals_close) == ("closed", True)
    warehouse.execute(
        "UPDATE raw_periods SET totals = replace(totals, $a, $b)", a=str(debit), b="1"
    )
    with pytest.raises(WarehouseError, match="does not equal the ledger"):
        export_journal(warehouse, NOVEMBER, out)
    assert out.read_bytes() == before  # a wrong file never takes the place of a right one


def test_names_from_outside_are_text_in_a_spreadsheet(
    warehouse: Warehouse, books: Books, tmp_path: Path
) -> None:
    name = '=HYPERLINK("http://x","pay"),\nnow'
    warehouse.execute(
        "UPDATE raw_merchants SET legal_name = $name WHERE id = $id", name=name, id=MERCHANT
    )
    out = tmp_path / "journal.csv"
    export_journal(warehouse, NOVEMBER, out)
    found = {row["account_name"] for row in read(out) if row["account_code"].endswith(":pending")}
    assert found == {f"'{name}, not yet settled"}


def test_a_currency_has_the_digits_that_it_has(
    warehouse: Warehouse, books: Books, tmp_path: Path
) -> None:
    warehouse.execute(
        "INSERT INTO raw_entries (id, transaction_id, account_id, amount_minor, currency, layer,"
        " business_date, livemode) SELECT uuid(), posted.id, account.id, amount, money.currency,"
        " 'posted', business_date, false FROM raw_transactions AS posted, raw_accounts AS account,"
        " unnest([-1234567, 1234567]) AS leg (amount), unnest(['JPY', 'KWD']) AS money (currency)"
        " WHERE posted.kind = 'refund' AND account.code = 'fees:mdr'"
    )
    out = tmp_path / "journal.csv"
    export_journal(warehouse, NOVEMBER, out)
    debits = {row["currency"]: row["debit"] for row in read(out) if row["debit"]}
    assert (debits["JPY"], debits["KWD"]) == ("1234567", "1234.567")


def test_a_month_without_entries_is_an_empty_file(warehouse: Warehouse, tmp_path: Path) -> None:
    out = tmp_path / "journal.csv"
    assert export_journal(warehouse, NOVEMBER, out).totals == []
    assert out.read_text().strip() == ",".join(COLUMNS)


def test_the_hash_of_a_trial_balance_is_over_its_lines(warehouse: Warehouse, books: Books) -> None:
    first = trial_balance_hash(warehouse, NOVEMBER)
    assert first == trial_balance_hash(warehouse, NOVEMBER)
    assert first != trial_balance_hash(warehouse, NOVEMBER.next)
    books.capture("late", 1_000, noon(DAY + timedelta(days=3)))
    assert trial_balance_hash(warehouse, NOVEMBER) != first


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from warehouse import schema
    from warehouse.connection import LakeConfig

    config = LakeConfig(catalog=str(tmp_path / "c.ducklake"), data_path=str(tmp_path / "lake"))
    with Warehouse(config) as lake:
        schema.ensure(lake)
        Books(lake).capture("a", 20_000, noon(DAY))
    place = ["--catalog", config.catalog, "--data-path", config.data_path]
    out = tmp_path / "out.csv"
    assert main(["journal", "--month", "2026-11", "--out", str(out), *place]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["month"], said["totals"][0]["debit_minor"]) == ("2026-11", 20_472)
    assert len(read(out)) == 5
    assert main(["journal", "--month", "2026-13", "--out", str(out), *place]) == 2
    nowhere = str(tmp_path / "no" / "out.csv")
    assert main(["journal", "--month", "2026-11", "--out", nowhere, *place]) == 2
