"""Transfers between people: the switch's extract against our memo books, beside its settlements."""

import json
from collections import Counter
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from online.kernel import ids
from online.kernel.clock import IST
from online.sandbox import switch_file
from online.sandbox.rails import RAILS
from online.sandbox.switch_file import Line
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
from warehouse import postings
from warehouse.connection import Warehouse
from warehouse.reconciliation.days import break_changes, conservation_gap, reconcile_day

ROOT = Path(__file__).parents[3]
RAIL = "upi_hdfc"
EVENING = datetime.combine(DAY, time(21, 30), IST)  # of the bank's next day


def send(books: Books, name: str, amount: int, at: datetime, kind: str = "p2p") -> str:
    """As online posts it; returns the reference that the switch names it by."""
    reference = ids.encode("att", ids.derived("attempt", name))
    signed = -amount if kind == "p2p_returned" else amount
    legs = [(f"p2p:{RAIL}:payer", -signed), (f"p2p:{RAIL}:payee", signed)]
    about = {"transfer_id": f"trf_{name}", "attempt_id": reference}
    books.post(kind, reference, legs, at, json.dumps(about))
    return reference


def row(reference: str, amount: int, at: datetime, status: str = "SUCCESS") -> Line:
    return Line(
        rail=RAIL,
        type="P2P" if amount > 0 else "P2P_RETURN",
        order_ref=reference,
        moved_at=at,
        rrn=str(ids.derived("rrn", reference).int)[:12],
        network_ref="KHT" + "A" * 32,
        gross_minor=amount,
        status=status,  # type: ignore[arg-type]
    )


class Switch:
    """Files of one switch, received as they come."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse, self.folder = warehouse, folder

    def tells(self, day: date, *lines: Line) -> None:
        found = switch_file.extract(RAILS[RAIL], day, lines, cycle=7)
        self._give(found.file_name, switch_file.render_p2p(found))

    def settles(self, day: date, *lines: Line) -> None:
        found = rail_file(list(lines), day)
        self._give(f"settlement_{day}.csv", switch_file.render(found))

    def _give(self, name: str, content: bytes) -> None:
        assert receive(self.warehouse, self.folder, name, content).problems == []


@pytest.fixture
def switch(warehouse: Warehouse, tmp_path: Path) -> Switch:
    return Switch(warehouse, tmp_path)


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    return Books(warehouse)


def reconcile(warehouse: Warehouse, upto: date) -> Counter[tuple[str, str]]:
    """The breaks of both days, as known on the day after `upto`."""
    days = (DAY, NEXT_DAY, NEXT_DAY + timedelta(days=1))
    stage(warehouse, *days)
    for day in days:
        if day <= upto:
            reconcile_day(warehouse, day, as_of=upto + timedelta(days=1))
    assert conservation_gap(warehouse) == 0
    rows = warehouse.rows("SELECT kind, reference FROM recon_breaks")
    return Counter((str(kind), str(reference)) for kind, reference in rows)


def posted(warehouse: Warehouse) -> list[postings.Posting]:
    """All that files and breaks of both days ask online to post."""
    found: list[postings.Posting] = []
    for day in (DAY, NEXT_DAY):
        found += postings.decide_file_postings(warehouse, day)
        found += postings.break_postings(break_changes(warehouse, day))
    return found


def test_what_agrees_is_matched_and_no_rail_owes_any_of_it(
    warehouse: Warehouse, switch: Switch, books: Books
) -> None:
    paid = books.capture("bought", 10_000, noon(DAY))
    sent = send(books, "sent", 500_00, noon(DAY, 1))
    back = send(books, "back", 700_00, noon(DAY, 2))
    send(books, "back", 700_00, noon(DAY, 30), kind="p2p_returned")
    switch.settles(DAY, rail_line(paid, 10_000, noon(DAY)))
    switch.tells(
        DAY,
        row(sent, 500_00, noon(DAY, 1)),
        row(back, 700_00, noon(DAY, 2)),
        row(back, -700_00, noon(DAY, 30)),
    )

    assert reconcile(warehouse, DAY) == Counter()
    matched = warehouse.rows("SELECT count(*) FROM recon_matches WHERE side = 'rail'")
    assert matched == [(4,)]
    (settled,) = posted(warehouse)
    assert settled.kind == "rail_settlement"
    receivable = {e.account: e.amount_minor for e in settled.entries}[f"rail:{RAIL}:receivable"]
    assert receivable == 10_000


def test_each_difference_is_its_own_break_and_posts_nothing(
    warehouse: Warehouse, switch: Switch, books: Books
) -> None:
    names = ("missing", "wrong", "denied", "twice", "late")
    ours = {name: send(books, name, 1_000 + n, noon(DAY, n)) for n, name in enumerate(names)}
    stranger = ids.encode("att", ids.derived("nobody"))
    lonely = ids.encode("att", ids.derived("returned by nobody"))
    switch.tells(
        DAY,
        row(ours["wrong"], 999_00, noon(DAY)),
        row(ours["denied"], 1_002, noon(DAY), status="FAILED"),
        row(ours["twice"], 1_003, noon(DAY)),
        row(ours["twice"], 1_003, noon(DAY)),
        row(stranger, 55_00, noon(DAY)),
        row(lonely, -66_00, noon(DAY)),
    )
    later = NEXT_DAY + timedelta(days=1)
    switch.tells(later, row(ours["late"], 1_004, noon(DAY)))

    assert reconcile(warehouse, later) == Counter(
        {
            ("missing_external", ours["missing"]): 1,
            ("amount_mismatch", ours["wrong"]): 1,
            ("status_mismatch", ours["denied"]): 1,
            ("duplicate_external", ours["twice"]): 1,
            ("timing", ours["late"]): 1,
            ("missing_internal", stranger): 1,
            ("reversed_unpaired", lonely): 1,
        }
    )
    assert posted(warehouse) == []
    held = warehouse.rows("SELECT sum(abs(suspense_minor))::BIGINT FROM recon_breaks")
    assert held == [(0,)]


def test_a_debited_payer_has_their_money_back_by_the_next_day(
    warehouse: Warehouse, switch: Switch
) -> None:
    """A payment to a merchant would have five (config/tat.yaml)."""
    switch.tells(DAY, row(ids.encode("att", ids.derived("debited")), 500_00, noon(DAY)))

    reconcile(warehouse, DAY)

    due = warehouse.rows("SELECT cause, tat_due_on, tat_per_day_minor FROM recon_breaks")
    assert due == [("debited_not_credited", NEXT_DAY, 100_00)]


def test_what_is_sent_after_nine_in_the_evening_is_told_a_day_later(
    warehouse: Warehouse, switch: Switch, books: Books
) -> None:
    early = send(books, "early", 1_00, noon(DAY))
    evening = send(books, "evening", 2_00, EVENING)
    switch.tells(DAY, row(early, 1_00, noon(DAY)))
    assert reconcile(warehouse, DAY) == Counter()

    switch.tells(NEXT_DAY, row(evening, 2_00, EVENING))
    assert reconcile(warehouse, NEXT_DAY) == Counter()
    assert warehouse.rows("SELECT count(*) FROM recon_matches") == [(2,)]


def test_a_settlement_says_nothing_of_an_extract_that_is_still_to_come(
    warehouse: Warehouse, switch: Switch, books: Books
) -> None:
    """Two files of one switch: the one that is here makes nothing of the other missing."""
    paid = books.capture("bought", 10_000, noon(DAY))
    sent = send(books, "sent", 500_00, noon(DAY))
    switch.settles(DAY, rail_line(paid, 10_000, noon(DAY)))
    assert reconcile(warehouse, DAY) == Counter()

    assert reconcile(warehouse, NEXT_DAY + timedelta(days=1)) == {("missing_external", sent): 1}


def test_what_people_owe_each_other_is_no_part_of_what_a_rail_owes_us(
    warehouse: Warehouse, books: Books
) -> None:
    """The check of a closed day: in the evening both wait for the files of the next day."""
    books.capture("bought", 10_000, EVENING)
    send(books, "sent", 500_00, EVENING)
    assert reconcile(warehouse, DAY) == Counter()
    warehouse.execute(
        "INSERT INTO mart_trial_balance BY NAME SELECT $day AS business_date, 'posted' AS layer,"
        " 'INR' AS currency, $account AS account, -10000 AS closing_minor",
        day=DAY,
        account=f"rail:{RAIL}:receivable",
    )

    check = (ROOT / "assets" / "sql" / "receivable_left.sql").read_text(encoding="utf-8")

    assert warehouse.frame(check, day=DAY).is_empty()


def test_an_extract_that_does_not_foot_is_not_taken(warehouse: Warehouse, tmp_path: Path) -> None:
    found = switch_file.extract(RAILS[RAIL], DAY, [row("att_1", 500_00, noon(DAY))], cycle=7)
    content = switch_file.render_p2p(found).replace(b"INR,500.00\r\nT", b"INR,501.00\r\nT")

    told = receive(warehouse, tmp_path, found.file_name, content)

    assert [problem.field for problem in told.problems] == ["Amount"]
    assert warehouse.rows("SELECT count(*) FROM raw_rail_rows") == [(0,)]
