"""Days, snapshots, retries and the read-only door of the lake; and the heads of its SQL files."""

import json
import re
from pathlib import Path

import duckdb
import pytest

from online.kernel import ids
from tests.architecture.source import ROOT
from tests.unit.warehouse.books import DAY, NEXT_DAY, Books, noon
from warehouse import schema
from warehouse.__main__ import main
from warehouse.connection import SQL_DIR, Lake, Warehouse, WarehouseError, is_query, sql_text
from warehouse.settlement import batches, settle_day

SQL_FILES = sorted(SQL_DIR.glob("*.sql"))


def test_replacing_a_day_leaves_the_others(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    books.capture("b", 30_000, noon(NEXT_DAY))
    for day in (DAY, NEXT_DAY, DAY):
        assert warehouse.replace_day("stg_ledger_rows", "stg_ledger_rows", day=day) == 1
    assert warehouse.count("stg_ledger_rows") == 2


def test_rows_of_another_day_are_refused_and_nothing_changes(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    Books(warehouse).capture("a", 100_000, noon(DAY))
    warehouse.replace_day("stg_ledger_rows", "stg_ledger_rows", day=DAY)
    stray = sql_text("stg_ledger_rows").replace(
        "entry.business_date,", "DATE '2020-01-01' AS business_date,"
    )
    monkeypatch.setattr("warehouse.connection.sql_text", lambda name: stray)
    with pytest.raises(WarehouseError, match="1 rows are not of 2026-11-16"):
        warehouse.replace_day("stg_ledger_rows", "stg_ledger_rows", day=DAY)
    assert warehouse.count("stg_ledger_rows") == 1


def test_a_version_stays_readable(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("a", 100_000, noon(DAY))
    version = warehouse.snapshot_id()
    books.capture("b", 100_000, noon(DAY))
    with warehouse.at_version(version) as lake:
        assert lake.count("raw_transactions") == 1
        assert lake.query("settlement_lines", day=DAY).height == 1
    assert warehouse.count("raw_transactions") == 2
    with warehouse.at_version(0) as empty, pytest.raises(duckdb.CatalogException):
        empty.rows("FROM lake.main.raw_transactions AT (VERSION => 0)")


def test_a_conflict_is_tried_again_from_the_start(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.connection.time.sleep", lambda seconds: None)
    runs = []

    def body(lake: Lake) -> int:
        lake.execute("INSERT INTO raw_merchants (name) VALUES ('x')")
        runs.append(1)
        if len(runs) < 3:
            raise duckdb.TransactionException("Transaction conflict - cannot commit")
        return lake.count("raw_merchants")

    assert warehouse.transaction(body) == 1
    assert len(runs) == 3


def test_a_missing_parameter_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="day"):
        warehouse.query("stg_ledger_rows")


def test_ids_are_written_as_the_outside_knows_them(warehouse: Warehouse) -> None:
    found = ids.derived("any")
    assert warehouse.rows("SELECT typeid('pay', $id)", id=found) == [(ids.encode("pay", found),)]


def test_tables_are_made_once(warehouse: Warehouse) -> None:
    assert schema.ensure(warehouse) == []
    assert warehouse.tables() == sorted(schema.tables())
    assert schema.day_column("stg_rail_rows") == "settled_on"
    with pytest.raises(WarehouseError):
        schema.day_column("raw_accounts")


def test_a_lake_of_before_gets_the_columns_that_came_later(warehouse: Warehouse) -> None:
    Books(warehouse).capture("a", 100_000, noon(DAY))
    settle_day(warehouse, DAY)
    version = warehouse.snapshot_id()
    warehouse.execute("ALTER TABLE settlement_batches DROP COLUMN disputes_minor")
    assert schema.ensure(warehouse) == []
    assert warehouse.rows("SELECT disputes_minor, net_minor FROM settlement_batches") == [
        (0, 97_640)
    ]
    assert settle_day(warehouse, DAY) == batches(warehouse, DAY)
    with warehouse.at_version(version) as lake:
        assert lake.count("settlement_batches") == 1


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_a_statement_says_its_grain_inputs_and_owner(path: Path) -> None:
    text = path.read_text()
    head = re.findall(r"^-- (grain|inputs|owner): ", text, flags=re.MULTILINE)
    assert head == ["grain", "inputs", "owner"]
    assert len(duckdb.extract_statements(text)) == 1


@pytest.mark.parametrize("path", [*SQL_FILES, *sorted((ROOT / "assets" / "sql").glob("*.sql"))])
def test_what_is_taken_out_of_json_stands_in_parentheses(path: Path) -> None:
    """In DuckDB an arrow binds less than IS, = or IN: the comparison would be taken for a path."""
    bare = re.findall(r"->>? '[^']*' +(?:IS|IN|LIKE|NOT|=|<|>)[^\n]*", path.read_text("utf-8"))
    assert bare == []


def _inputs(path: Path) -> set[str]:
    """What a statement's head says that it reads."""
    found = re.search(r"-- inputs: (.*?)\n-- owner", path.read_text("utf-8"), re.DOTALL)
    assert found, f"{path.name} does not say what it reads"
    return set(re.findall(r"[a-z_0-9]+", re.sub(r"\(.*?\)", "", found[1])))


def test_every_statement_on_the_lake_runs_on_empty_tables(warehouse: Warehouse) -> None:
    """Statements over temporary relations run where those are made: engine, journal, proof."""
    merchant = ids.derived("x")
    days = dict.fromkeys(
        ("day", "first", "last", "start_date", "end_date", "as_of", "oldest", "until", "upto"), DAY
    )
    params = {
        **days,
        **dict.fromkeys(("lookback_days", "recent_days", "told_again_days"), 45),
        "currency": "INR",
        "livemode": False,
        "digest": "0a",
        "rivals": ["0b"],
        "accounts": "merchant:x:%",
        "prefix": "merchant:x:",
        "merchants": [merchant],
        "changed": [DAY],
        "days": [DAY],
        "since": noon(DAY),
        "from_us": 0,
        "until_us": 1,
        "feature_set": "0a",
        "paths": ["$.a"],
        "sampled": 9,
        "version": "1",
    }
    tables = set(schema.tables())
    on_the_lake = [path for path in SQL_FILES if _inputs(path) <= tables]
    assert len(on_the_lake) > len(SQL_FILES) // 3
    for path in on_the_lake:
        several = {"accounts": [merchant]} if path.stem == "pack_neighbours" else {}
        warehouse.query(path.stem, **{**params, **several})


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("SELECT 1", True),
        ("FROM raw_events", True),
        ("DESCRIBE raw_events", True),
        ("SELECT 1; SELECT 2", False),
        ("DELETE FROM raw_events", False),
        ("COPY raw_events TO 'x.csv'", False),
        ("not sql", False),
    ],
)
def test_only_a_query_is_let_in(text: str, allowed: bool) -> None:
    assert is_query(text) is allowed


def test_the_door_reads_the_lake_and_changes_nothing(
    tmp_path: Path, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    Books(warehouse).capture("a", 100_000, noon(DAY))
    warehouse.close()
    lake = ["--catalog", str(tmp_path / "catalog.ducklake"), "--data-path", str(tmp_path / "lake")]
    query = "SELECT sum(amount_minor) AS total, count(*) AS n FROM raw_entries"
    assert main(["sql", query, "--format", "json", *lake]) == 0
    assert json.loads(capsys.readouterr().out) == {"total": 0, "n": 5}
    assert main(["sql", "DELETE FROM raw_entries", *lake]) == 2
