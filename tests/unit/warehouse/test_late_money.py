"""Late money and its return are rows of the rail's file like any other: both match."""

import json
from pathlib import Path

import pytest

from online.kernel import ids
from online.sandbox import switch_file
from tests.unit.warehouse.books import (
    DAY,
    NEXT_DAY,
    Books,
    noon,
    rail_file,
    rail_line,
    receive,
    stage,
)
from warehouse.connection import Warehouse
from warehouse.reconciliation.days import reconcile_day

RAIL = "card_a"
RECEIVABLE, REFUNDS = f"rail:{RAIL}:receivable", f"refunds:{RAIL}:payable"
SUSPENSE = f"suspense:{RAIL}"
ROOT = Path(__file__).resolve().parents[3]


def attempt(name: str) -> str:
    return ids.encode("att", ids.derived("attempt", name))


def post(books: Books, kind: str, name: str, amount: int, to: str, *, late: str) -> str:
    """`amount` as the rail counts it; of the payment that "good" captured."""
    about = {"payment_id": "pay_good", "attempt_id": attempt(name), "late_attempt_id": late}
    legs = [(RECEIVABLE, -amount), (to, amount)]
    books.post(kind, attempt(name), legs, noon(DAY), json.dumps(about))
    return attempt(name)


@pytest.fixture
def posted(warehouse: Warehouse) -> dict[str, str]:
    """A payment that was carried on: two attempts that had failed came late; one was reversed,
    the other refunded; and a capture and a refund that nobody has room for."""
    books = Books(warehouse)
    books.capture("good", 10_000, noon(DAY), RAIL)
    names = {"good": attempt("good")}
    for late, how, kind in (
        ("late", "reversed", "late_money_reversed"),
        ("other", "refunded", "late_money_refunded"),
    ):
        own = attempt(late)
        names[late] = post(books, "late_money", late, 10_000, REFUNDS, late=own)
        names[how] = post(books, kind, how, -10_000, REFUNDS, late=own)
    names["taken"] = post(books, "unplaced_capture", "taken", 700, SUSPENSE, late=attempt("x"))
    names["given"] = post(books, "unplaced_refund", "given", -300, SUSPENSE, late=attempt("x"))
    return names


def test_both_are_rows_in_the_words_of_the_rail(warehouse: Warehouse, posted: dict[str, str]):
    stage(warehouse, DAY)
    found = warehouse.rows("SELECT reference, kind, amount_minor FROM stg_ledger_rows")
    assert {reference: (kind, amount) for reference, kind, amount in found} == {
        posted["good"]: ("capture", 10_000),
        posted["late"]: ("capture", 10_000),
        posted["reversed"]: ("reversal", -10_000),
        posted["other"]: ("capture", 10_000),
        posted["refunded"]: ("refund", -10_000),
        posted["taken"]: ("capture", 700),
        posted["given"]: ("refund", -300),
    }
    for check in ("ledger_rows_against_entries", "suspense_unexplained"):
        text = (ROOT / "assets" / "sql" / f"{check}.sql").read_text("utf-8")
        days = {"day": DAY} if "$day" in text else {}
        assert warehouse.rows(text, **days) == [], check


def test_the_rail_s_file_explains_all_of_it(
    warehouse: Warehouse, posted: dict[str, str], tmp_path: Path
):
    """The charges that come back with the reversal are those of the late payment alone."""
    at = noon(DAY)
    lines = [
        rail_line(posted["good"], 10_000, at, RAIL),
        rail_line(posted["late"], 10_000, at, RAIL),
        rail_line(posted["reversed"], -10_000, at, RAIL, "REVERSAL"),
        rail_line(posted["other"], 10_000, at, RAIL),
        rail_line(posted["refunded"], -10_000, at, RAIL),
        rail_line(posted["taken"], 700, at, RAIL),
        rail_line(posted["given"], -300, at, RAIL),
    ]
    receive(warehouse, tmp_path, "a.csv", switch_file.render(rail_file(lines, DAY, RAIL)))
    stage(warehouse, DAY)
    assert reconcile_day(warehouse, DAY, as_of=NEXT_DAY).breaks == {}
    matched = warehouse.rows(
        "SELECT reference FROM recon_matches WHERE side = 'rail' AND business_date = $day", day=DAY
    )
    assert {reference for (reference,) in matched} == set(posted.values())


def test_without_the_late_attempt_s_row_its_capture_is_missing(
    warehouse: Warehouse, posted: dict[str, str], tmp_path: Path
):
    at = noon(DAY)
    settled = rail_file([rail_line(posted["good"], 10_000, at, RAIL)], DAY, RAIL)
    receive(warehouse, tmp_path, "a.csv", switch_file.render(settled))
    stage(warehouse, DAY)
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    missing = warehouse.rows(
        "SELECT reference FROM recon_breaks WHERE side = 'rail' AND business_date = $day", day=DAY
    )
    assert posted["late"] in {reference for (reference,) in missing}
