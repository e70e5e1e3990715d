"""Numbers and editions: the same bytes from a snapshot alone, and what a restatement changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from online.kernel import ids
from tests.unit.warehouse.books import DAY, MERCHANT, MERCHANT_ID, NEXT_DAY, Books, noon
from tests.unit.warehouse.test_statement_forms import csv_rows, pdf_text
from tests.unit.warehouse.test_statements import a_day, statement_of
from warehouse.__main__ import main
from warehouse.connection import Warehouse
from warehouse.statements.build import Period
from warehouse.statements.editions import (
    Issue,
    answered,
    as_issued,
    asked,
    changes,
    one,
    register,
    remember,
)
from warehouse.statements.model import Statement, books_sha256
from warehouse.statements.render import FORMATS, render

ROOT = Path(__file__).parents[3]
PERIOD = Period(DAY, NEXT_DAY)


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    a_day(books)
    return books


def issue_of(statement: Statement, edition: int = 1) -> Issue:
    return Issue(
        merchant_id=MERCHANT,
        currency="INR",
        start_date=statement.start_date,
        end_date=statement.end_date,
        number=3,
        edition=edition,
        snapshot=statement.snapshot,
        books_sha256=books_sha256(statement),
        issued_at=datetime(2026, 12, 1, 6, tzinfo=UTC) + timedelta(days=edition),
    )


def give_out(warehouse: Warehouse, edition: int = 1) -> Statement:
    """What a run does with online's answer."""
    made = statement_of(warehouse)
    issue = issue_of(made, edition)
    remember(warehouse, [issue])
    return next(as_issued(warehouse, [issue], {(made.merchant_id, made.snapshot): made}))


def test_a_number_and_an_edition_are_printed_in_every_form(
    warehouse: Warehouse, books: Books
) -> None:
    statement = give_out(warehouse)
    assert (statement.number, statement.edition) == (3, 1)
    assert statement.reference == f"{MERCHANT_ID[-8:].upper()}-00003"
    assert json.loads(render(statement, "json"))["number"] == 3
    assert csv_rows(statement)[0]["reference"] == statement.reference
    assert f"Statement {statement.reference}" in pdf_text(render(statement, "pdf"))
    draft = statement_of(warehouse)
    assert draft.reference.endswith("-DRAFT")
    assert "not issued" in pdf_text(render(draft, "pdf"))


@pytest.mark.parametrize("form", FORMATS)
def test_from_its_snapshot_it_is_the_same_bytes_in_another_process(
    tmp_path: Path, warehouse: Warehouse, books: Books, form: str
) -> None:
    """On another day, by another clock, after the books have moved on, with another locale."""
    given = give_out(warehouse)
    books.capture("late", 77_700, noon(DAY, minute=5))
    give_out(warehouse, edition=2)
    warehouse.execute("UPDATE raw_merchants SET legal_name = 'Renamed'")
    warehouse.close()
    out = tmp_path / f"again.{form}"
    command = [sys.executable, "-m", "warehouse", "statement", "--merchant", MERCHANT_ID]
    period = ["--from", str(DAY), "--to", str(NEXT_DAY), "--snapshot", str(given.snapshot)]
    lake = ["--catalog", str(tmp_path / "catalog.ducklake"), "--data-path", str(tmp_path / "lake")]
    elsewhere = {"TZ": "America/New_York", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [*command, *period, *lake, "--format", form, "--out", str(out)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **elsewhere},
    )
    assert run.returncode == 0, run.stderr
    assert out.read_bytes() == render(given, form)
    said = json.loads(run.stdout)
    assert said["statement"] == given.reference
    assert said["content_sha256"] == given.content_sha256


def test_without_a_snapshot_the_last_edition_is_meant(
    tmp_path: Path, warehouse: Warehouse, books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    give_out(warehouse)
    books.capture("late", 77_700, noon(DAY, minute=5))
    second = give_out(warehouse, edition=2)
    books.capture("later", 100, noon(DAY, minute=6))
    assert one(warehouse, MERCHANT, PERIOD, None) == second
    # Books that nobody gave out are a draft.
    assert one(warehouse, MERCHANT, PERIOD, warehouse.snapshot_id()).number == 0
    warehouse.close()
    lake = ["--catalog", str(tmp_path / "catalog.ducklake"), "--data-path", str(tmp_path / "lake")]
    command = ["statement", "--from", str(DAY), "--to", str(NEXT_DAY), "--out", "x", *lake]
    for wrong in (["--merchant", "mrc_1"], ["--merchant", MERCHANT_ID, "--snapshot", "99999"]):
        assert main([*command, *wrong]) == 2
    assert "mrc_" in capsys.readouterr().err


def test_books_that_say_the_same_have_the_same_hash(warehouse: Warehouse, books: Books) -> None:
    first = statement_of(warehouse)
    warehouse.execute("UPDATE raw_merchants SET legal_name = 'Chai and Sons Pvt Ltd'")
    again = statement_of(warehouse)
    assert again.content_sha256 != first.content_sha256
    assert books_sha256(again) == books_sha256(first) == books_sha256(give_out(warehouse))
    books.capture("late", 1, noon(DAY, minute=5))
    assert books_sha256(statement_of(warehouse)) != books_sha256(first)


def test_a_restated_period_lists_what_it_changes(warehouse: Warehouse, books: Books) -> None:
    first = give_out(warehouse)
    books.capture("late", 77_700, noon(DAY, minute=5))
    payout = first.lines[-1]
    warehouse.execute(
        'UPDATE raw_transactions SET metadata = \'{"rail_reference": "HDFCN26320123456"}\''
        " WHERE id = $id",
        id=payout.transaction_id,
    )
    gone = first.lines[3]
    warehouse.execute("DELETE FROM raw_entries WHERE transaction_id = $id", id=gone.transaction_id)
    second = give_out(warehouse, edition=2)
    assert second.replaces is not None
    assert (second.number, second.edition, second.replaces.edition) == (3, 2, 1)
    assert second.replaces.closing_minor == first.closing_minor
    assert second.reference == f"{first.reference}-R1"
    said = [(x.change, x.line.kind, x.field) for x in second.changes]
    assert said == [
        ("removed", "refund", ""),
        ("added", "capture", ""),
        ("added", "fee", ""),
        ("added", "tax", ""),
        ("changed", "payout_sent", "mode"),
        ("changed", "payout_sent", "description"),
        ("changed", "payout_sent", "rail_reference"),
    ]
    assert (second.changes[-1].before, second.changes[-1].after) == ("", "HDFCN26320123456")
    rows = [row["row"] for row in csv_rows(second)]
    assert (rows.count("removed"), rows.count("added"), rows.count("changed")) == (1, 3, 3)
    text = pdf_text(render(second, "pdf"))
    assert "This edition replaces edition 1" in text
    assert "What this edition changes" in text
    # The first one is still what it was.
    assert one(warehouse, MERCHANT, PERIOD, first.snapshot) == first


def test_lines_that_only_moved_are_no_change(warehouse: Warehouse, books: Books) -> None:
    lines = statement_of(warehouse).lines
    moved = [
        msgspec.structs.replace(x, number=x.number + 1, balance_minor=x.balance_minor + 5)
        for x in lines
    ]
    assert list(changes(lines, moved)) == []


def test_the_register_takes_each_issue_once(warehouse: Warehouse, books: Books) -> None:
    issue = issue_of(statement_of(warehouse))
    for _ in range(2):
        remember(warehouse, [issue, issue])
    remember(warehouse, [])
    assert warehouse.count("statement_issues") == 1
    # Two runs at once may both write it.
    warehouse.execute("INSERT INTO statement_issues SELECT * FROM statement_issues")
    assert register(warehouse, [MERCHANT], PERIOD) == {MERCHANT: [issue]}


def test_online_is_asked_and_answers_with_editions(warehouse: Warehouse, books: Books) -> None:
    statement = statement_of(warehouse)
    told = msgspec.to_builtins(asked(statement))
    assert told == {
        "merchant_id": MERCHANT_ID,
        "start_date": str(DAY),
        "end_date": str(NEXT_DAY),
        "currency": "INR",
        "snapshot": statement.snapshot,
        "books_sha256": books_sha256(statement),
    }
    edition = {
        "number": 3,
        "edition": 2,
        "snapshot": statement.snapshot,
        "books_sha256": books_sha256(statement),
        "issued_at": issue_of(statement, 2).issued_at.isoformat(),
    }
    first = {**edition, "edition": 1, "issued_at": issue_of(statement).issued_at.isoformat()}
    line = {**told, "status": "issued", "edition": edition, "replaces": first}
    assert list(answered(line)) == [issue_of(statement), issue_of(statement, 2)]
    assert list(answered({**line, "replaces": None})) == [issue_of(statement, 2)]


def test_a_lake_of_before_can_be_read_at_a_snapshot(warehouse: Warehouse, books: Books) -> None:
    """Tables and columns that came later hold nothing there."""
    warehouse.execute("ALTER TABLE raw_merchants DROP COLUMN gstin")
    warehouse.execute("DROP TABLE proof_seals")
    version = warehouse.snapshot_id()
    warehouse.execute("ALTER TABLE raw_merchants ADD COLUMN gstin VARCHAR DEFAULT '29X'")
    warehouse.execute("CREATE TABLE proof_seals AS SELECT 1 AS number, 2 AS part")
    statement = statement_of(warehouse, version)
    assert (statement.holder.gstin, statement.seal) == ("", None)
    assert statement_of_one(warehouse, version) == statement


def statement_of_one(warehouse: Warehouse, version: int) -> Statement:
    return one(warehouse, ids.decode("mrc", MERCHANT_ID), PERIOD, version)


def test_as_issued_of_nothing_is_nothing(warehouse: Warehouse) -> None:
    nothing: Iterator[Statement] = as_issued(warehouse, [], {})
    assert list(nothing) == []
