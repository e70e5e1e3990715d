"""Reconciliation over days as they pass: what is open, breaks, explained later, and posted."""

from datetime import date, timedelta
from pathlib import Path

import msgspec

from online.sandbox import camt, switch_file
from tests.unit.warehouse.books import (
    DAY,
    NEXT_DAY,
    Books,
    bank_file,
    credit,
    noon,
    rail_file,
    rail_line,
    receive,
    stage,
)
from warehouse import postings
from warehouse.connection import Warehouse
from warehouse.reconciliation.days import (
    break_changes,
    conservation_gap,
    days_to_revisit,
    reconcile_day,
)

THIRD_DAY = NEXT_DAY + timedelta(days=1)
LAST_DAY = THIRD_DAY + timedelta(days=1)


def _kinds(warehouse: Warehouse, day: date) -> dict[str, str]:
    found = warehouse.rows(
        "SELECT kind, reference FROM recon_breaks WHERE business_date = $day", day=day
    )
    return {str(kind): str(reference) for kind, reference in found}


class Week:
    """The demo's story, told through the sandbox's own renderers."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse, self.folder = warehouse, folder
        books = Books(warehouse)
        names = ("good", "missing", "wrong", "twice", "late")
        self.references = {name: books.capture(name, 10_000, noon(DAY)) for name in names}
        self.references["refund"] = books.refund("refund", 2_500, noon(DAY))
        self.references["evening"] = books.capture("evening", 3_000, noon(DAY, minute=10 * 60))
        self.payout = books.pay_out("payout", 4_000, noon(NEXT_DAY))
        at = noon(DAY)
        self.settled = rail_file(
            [
                rail_line(self.references["good"], 10_000, at),
                rail_line(self.references["wrong"], 9_900, at),
                rail_line(self.references["twice"], 10_000, at),
                rail_line(self.references["twice"], 10_000, at),
                rail_line(self.references["refund"], -2_500, at),
                rail_line("att_unknown", 777, at),
            ],
            DAY,
        )

    def first_night(self) -> None:
        receive(self.warehouse, self.folder, "a.csv", switch_file.render(self.settled))
        receive(self.warehouse, self.folder, "a.xml", camt.render(bank_file(DAY, 0)))
        stage(self.warehouse, DAY)

    def second_night(self) -> None:
        evening = rail_line(self.references["evening"], 3_000, noon(DAY, minute=10 * 60))
        settled = rail_file([evening], NEXT_DAY)
        receive(self.warehouse, self.folder, "b.csv", switch_file.render(settled))
        entries = (
            credit(self.settled),
            camt.StatementEntry("payout", -4_000, "UTR4000", self.payout, f"PAYOUT {self.payout}"),
            camt.StatementEntry("stray", 55_000, "UTR55000", "NOTPROVIDED", "NEFT CR-SOMEONE"),
        )
        receive(self.warehouse, self.folder, "b.xml", camt.render(bank_file(NEXT_DAY, 0, *entries)))
        stage(self.warehouse, DAY, NEXT_DAY)

    def third_night(self) -> None:
        settled = rail_file([rail_line(self.references["late"], 10_000, noon(DAY))], THIRD_DAY)
        receive(self.warehouse, self.folder, "c.csv", switch_file.render(settled))
        stage(self.warehouse, THIRD_DAY)


def test_breaks_open_and_close_as_files_come(warehouse: Warehouse, tmp_path: Path) -> None:
    week = Week(warehouse, tmp_path)
    references = week.references
    week.first_night()
    first = reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    # The evening's capture is due in the next file, and the settlement on the next statement.
    assert first.breaks == {
        "missing_external": 2,
        "missing_internal": 1,
        "amount_mismatch": 1,
        "duplicate_external": 1,
    }
    assert conservation_gap(warehouse) == 0
    assert days_to_revisit(warehouse, upto=NEXT_DAY) == [DAY]

    week.second_night()
    again = reconcile_day(warehouse, DAY, as_of=THIRD_DAY)
    assert (again.opened, again.closed) == (0, 0)
    assert reconcile_day(warehouse, NEXT_DAY, as_of=THIRD_DAY).breaks == {"unexpected_credit": 1}
    assert _kinds(warehouse, NEXT_DAY) == {"unexpected_credit": "UTR55000"}
    rules = {str(rule) for (rule,) in warehouse.rows("SELECT rule FROM recon_matches")}
    assert rules == {"reference", "utr"}

    week.third_night()
    last = reconcile_day(warehouse, DAY, as_of=LAST_DAY)
    assert (last.opened, last.closed) == (1, 1)
    assert _kinds(warehouse, DAY)["timing"] == references["late"]
    assert _kinds(warehouse, DAY)["missing_external"] == references["missing"]
    assert reconcile_day(warehouse, THIRD_DAY, as_of=LAST_DAY).breaks == {}
    assert conservation_gap(warehouse) == 0


def test_after_all_postings_a_closed_day_owes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    week = Week(warehouse, tmp_path)
    balances: dict[str, int] = {}
    sent: set[tuple[str, str]] = set()

    def post(*days: date) -> None:
        for day in days:
            changes = break_changes(warehouse, day)
            for posting in postings.file_postings(warehouse, day) + postings.break_postings(
                changes
            ):
                if (posting.cause, posting.kind) in sent:
                    continue
                sent.add((posting.cause, posting.kind))
                for entry in posting.entries:
                    balances[entry.account] = balances.get(entry.account, 0) + entry.amount_minor

    for night, as_of in (
        (week.first_night, NEXT_DAY),
        (week.second_night, THIRD_DAY),
        (week.third_night, LAST_DAY),
    ):
        night()
        for day in (DAY, NEXT_DAY, THIRD_DAY):
            reconcile_day(warehouse, day, as_of=as_of)
        post(DAY, NEXT_DAY, THIRD_DAY)
    ledger = warehouse.rows(
        "SELECT sum(amount_minor) FROM raw_entries AS e INNER JOIN raw_accounts AS a"
        " ON e.account_id = a.id WHERE a.code = 'rail:upi_hdfc:receivable'"
    )[0][0]
    assert ledger + balances["rail:upi_hdfc:receivable"] == 0
    # missing 10,000 owed to us; wrong 100 short; a doubled row and a stranger's row too much.
    assert balances["suspense:upi_hdfc"] == -10_000 - 100 + 10_000 + 777
    assert balances["suspense:bank"] == 55_000
    assert sum(balances.values()) == 0


def test_the_same_run_again_changes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    week = Week(warehouse, tmp_path)
    week.first_night()
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    before = warehouse.rows("FROM recon_breaks ORDER BY ALL")
    changes = break_changes(warehouse, DAY)
    again = reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    assert (again.opened, again.closed) == (0, 0)
    assert warehouse.rows("FROM recon_breaks ORDER BY ALL") == before
    assert break_changes(warehouse, DAY) == changes


def test_a_break_that_comes_back_posts_anew(warehouse: Warehouse, tmp_path: Path) -> None:
    books = Books(warehouse)
    books.capture("lost", 10_000, noon(DAY))
    receive(
        warehouse,
        tmp_path,
        "a.csv",
        switch_file.render(rail_file([rail_line("att_x", 5, noon(DAY))], DAY)),
    )
    stage(warehouse, DAY)
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    staged = warehouse.frame("FROM stg_ledger_rows")
    warehouse.execute("DELETE FROM stg_ledger_rows")
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    warehouse.append("stg_ledger_rows", staged)
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    changes = [found for found in break_changes(warehouse, DAY) if found.kind == "missing_external"]
    assert [(c.generation, c.state) for c in changes] == [(1, "open"), (1, "closed"), (2, "open")]
    sent = postings.break_postings(changes)
    assert len({(posting.cause, posting.kind) for posting in sent}) == 3


def test_a_chargeback_that_we_hear_of_later_explains_itself(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    books = Books(warehouse)
    paid = books.capture("c", 10_000, noon(DAY))
    lines = [
        rail_line(paid, 10_000, noon(DAY)),
        rail_line("RAILDSPc", -10_000, noon(DAY), type="CHARGEBACK"),
    ]
    receive(warehouse, tmp_path, "a.csv", switch_file.render(rail_file(lines, DAY)))
    stage(warehouse, DAY)
    assert reconcile_day(warehouse, DAY, as_of=NEXT_DAY).breaks == {"missing_internal": 1}
    books.dispute("c", 10_000, noon(NEXT_DAY))
    assert books.lose("c", 10_000, noon(NEXT_DAY, minute=1)) == "RAILDSPc"
    stage(warehouse, DAY, NEXT_DAY)
    for day in (NEXT_DAY, DAY):
        assert reconcile_day(warehouse, day, as_of=THIRD_DAY).breaks == {}
        assert conservation_gap(warehouse, day) == 0
    posted = postings.break_postings(break_changes(warehouse, DAY))
    moved: dict[str, int] = {}
    for posting in posted:
        for entry in posting.entries:
            moved[entry.account] = moved.get(entry.account, 0) + entry.amount_minor
    assert [posting.kind for posting in posted] == ["break_suspense", "break_reversal"]
    assert set(moved.values()) == {0}


def test_a_reversal_waits_for_its_file_and_pairs_with_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """Undone in the evening: due in the next day's file, a break once that has come without it."""
    books = Books(warehouse)
    evening = noon(DAY, minute=10 * 60)
    paid = books.capture("a", 10_000, noon(DAY))
    back = books.reverse("back", "a", 10_000, evening)
    lines = [rail_line(paid, 10_000, noon(DAY))]
    receive(warehouse, tmp_path, "a.csv", switch_file.render(rail_file(lines, DAY)))
    stage(warehouse, DAY)
    assert reconcile_day(warehouse, DAY, as_of=NEXT_DAY).breaks == {}
    ((open_minor,),) = warehouse.rows("SELECT open_minor FROM recon_totals WHERE input = 'ledger'")
    assert open_minor == -10_000
    stranger = rail_line("att_x", 5, noon(NEXT_DAY))
    receive(warehouse, tmp_path, "b.csv", switch_file.render(rail_file([stranger], NEXT_DAY)))
    stage(warehouse, NEXT_DAY)
    assert reconcile_day(warehouse, DAY, as_of=THIRD_DAY).breaks == {"reversed_unpaired": 1}
    # The evening is of the next bank day, and its window ends a day after that.
    late = rail_line(back, -10_000, evening, type="REVERSAL")
    receive(warehouse, tmp_path, "c.csv", switch_file.render(rail_file([late], LAST_DAY)))
    stage(warehouse, LAST_DAY)
    found = reconcile_day(warehouse, DAY, as_of=LAST_DAY + timedelta(days=1))
    assert (found.breaks, found.opened, found.closed) == ({"timing": 1}, 1, 1)
    assert conservation_gap(warehouse) == 0


def test_a_rail_that_keeps_its_fee_of_a_reversed_payment_is_a_break_without_a_posting(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    books = Books(warehouse)
    paid = books.capture("a", 10_000, noon(DAY))
    back = books.reverse("back", "a", 10_000, noon(DAY))
    kept = rail_line(back, -10_000, noon(DAY), type="REVERSAL")
    kept = msgspec.structs.replace(kept, fee_back_minor=0, gst_back_minor=0)
    lines = [rail_line(paid, 10_000, noon(DAY)), kept]
    receive(warehouse, tmp_path, "a.csv", switch_file.render(rail_file(lines, DAY)))
    stage(warehouse, DAY)
    found = reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    # 50 basis points, as the rail charged them and does not give them back.
    assert (found.breaks, found.money_at_stake_minor) == ({"fee_mismatch": 1}, 50)
    assert conservation_gap(warehouse) == 0
    assert postings.break_postings(break_changes(warehouse, DAY)) == []
