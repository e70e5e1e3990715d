"""What becomes of breaks: causes, owners, suspense, ages, payers' clocks, files issued again."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from online.kernel import ids
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
from tests.unit.warehouse.test_days import LAST_DAY, THIRD_DAY, Week
from warehouse.breaks.rules import load_break_rules, load_tat_rules
from warehouse.breaks.tat import tat_postings
from warehouse.connection import Warehouse
from warehouse.postings import (
    Posting,
    break_postings,
    decide_file_postings,
    file_postings,
    suspense_of,
)
from warehouse.reconciliation.days import break_changes, days_to_revisit, reconcile_day

WEEK = (DAY, NEXT_DAY, THIRD_DAY)


class Ledger:
    """Takes postings as online does: each cause once under its kind."""

    def __init__(self) -> None:
        self.sent: set[tuple[str, str]] = set()
        self.balances: Counter[str] = Counter()

    def take(self, postings: Iterable[Posting]) -> None:
        for posting in postings:
            if (posting.cause, posting.kind) not in self.sent:
                self.sent.add((posting.cause, posting.kind))
                for entry in posting.entries:
                    self.balances[entry.account] += entry.amount_minor

    def run(self, warehouse: Warehouse, *days: date, as_of: date) -> None:
        for day in days:
            reconcile_day(warehouse, day, as_of=as_of)
        for day in days:
            self.take(decide_file_postings(warehouse, day))
            self.take(break_postings(break_changes(warehouse, day)))

    @property
    def suspense(self) -> Mapping[str, int]:
        return {a: n for a, n in self.balances.items() if a.startswith("suspense:") and n}


def open_suspense(warehouse: Warehouse) -> Mapping[str, int]:
    found = warehouse.rows(
        "SELECT suspense_account, sum(suspense_minor)::BIGINT FROM recon_breaks"
        " WHERE suspense_minor <> 0 GROUP BY 1"
    )
    return {str(account): int(minor) for account, minor in found}


def told(warehouse: Warehouse, *columns: str) -> dict[str, tuple[object, ...]]:
    rows = warehouse.rows(f"SELECT reference, {', '.join(columns)} FROM recon_breaks")
    return {str(reference): tuple(rest) for reference, *rest in rows}


def test_every_break_has_a_cause_an_owner_and_its_money(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week = Week(warehouse, tmp_path)
    ledger = Ledger()
    week.first_night()
    week.second_night()
    ledger.run(warehouse, *WEEK, as_of=THIRD_DAY)
    names = week.references
    assert told(warehouse, "cause", "owner", "at_stake_minor", "suspense_minor") == {
        names["missing"]: ("rail_omitted_row", "upi-operations", 10_000, -10_000),
        names["late"]: ("rail_omitted_row", "upi-operations", 10_000, -10_000),
        names["wrong"]: ("unknown", "upi-operations", 100, -100),
        names["twice"]: ("duplicate_in_file", "upi-operations", 10_000, 10_000),
        "att_unknown": ("debited_not_credited", "upi-operations", 777, 777),
        "UTR55000": ("unannounced_credit", "treasury", 55_000, 55_000),
    }
    assert ledger.suspense == open_suspense(warehouse)
    ages = warehouse.rows("SELECT DISTINCT business_date, age_days, age_bucket FROM recon_breaks")
    assert set(ages) == {(DAY, 2, "2-3"), (NEXT_DAY, 1, "0-1")}


def test_suspense_follows_the_breaks_through_late_rows(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week, ledger = Week(warehouse, tmp_path), Ledger()
    nights = (week.first_night, week.second_night, week.third_night)
    for night, as_of in zip(nights, (NEXT_DAY, THIRD_DAY, LAST_DAY), strict=True):
        night()
        ledger.run(warehouse, *WEEK, as_of=as_of)
        assert ledger.suspense == open_suspense(warehouse)
    ledger.run(warehouse, *WEEK, as_of=LAST_DAY)
    assert ledger.suspense == open_suspense(warehouse)
    for day in WEEK:
        for found in break_changes(warehouse, day):
            stored = warehouse.rows(
                "SELECT suspense_account, suspense_minor FROM recon_break_log"
                " WHERE break_id = $id LIMIT 1",
                id=found.break_id,
            )[0]
            assert (suspense_of(found) or (None, 0)) == stored


# ── the bank's side ──────────────────────────────────────────────────────────────────────


def _announced(warehouse: Warehouse, folder: Path) -> switch_file.Settlement:
    books = Books(warehouse)
    paid = rail_line(books.capture("a", 100_000, noon(DAY)), 100_000, noon(DAY))
    settled = rail_file([paid], DAY)
    receive(warehouse, folder, "a.csv", switch_file.render(settled))
    receive(warehouse, folder, "a.xml", camt.render(bank_file(DAY, 0)))
    return settled


@pytest.mark.parametrize(
    ("shown", "kind", "cause", "short"),
    [
        ([0.9], "amount_mismatch", "short_settled", 0.1),
        ([1, 1], "duplicate_external", "duplicate_at_bank", -1),
        ([], "missing_external", "unpaid_settlement", 1),
    ],
)
def test_announced_money_that_the_bank_shows_otherwise(
    warehouse: Warehouse,
    tmp_path: Path,
    shown: list[float],
    kind: str,
    cause: str,
    short: float,
) -> None:
    settled = _announced(warehouse, tmp_path)
    net = settled.net_minor
    entries = [
        msgspec.structs.replace(credit(settled), amount_minor=round(net * part)) for part in shown
    ]
    receive(warehouse, tmp_path, "b.xml", camt.render(bank_file(NEXT_DAY, 0, *entries)))
    third = camt.render(bank_file(THIRD_DAY, sum(e.amount_minor for e in entries)))
    receive(warehouse, tmp_path, "c.xml", third)
    stage(warehouse, *WEEK)
    ledger = Ledger()
    ledger.run(warehouse, *WEEK, as_of=THIRD_DAY)
    assert told(warehouse, "kind", "cause") == {settled.settlement_id: (kind, cause)}
    gap = net - sum(e.amount_minor for e in entries)
    assert abs(gap - net * short) <= 1
    assert ledger.balances["rail:upi_hdfc:in_transit"] == 0
    assert ledger.balances["bank:hdfc"] == -sum(e.amount_minor for e in entries)
    assert ledger.suspense == open_suspense(warehouse) == {"suspense:upi_hdfc": -gap}


def test_money_for_nobody_and_a_settlement_of_its_amount_suppose_a_wrong_utr(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    settled = _announced(warehouse, tmp_path)
    stray = camt.StatementEntry("stray", settled.net_minor, "UTRWRONG", "NOTPROVIDED", "NEFT CR")
    receive(warehouse, tmp_path, "b.xml", camt.render(bank_file(NEXT_DAY, 0, stray)))
    receive(warehouse, tmp_path, "c.xml", camt.render(bank_file(THIRD_DAY, settled.net_minor)))
    stage(warehouse, *WEEK)
    for day in (*WEEK, DAY, NEXT_DAY):
        reconcile_day(warehouse, day, as_of=LAST_DAY)
    assert {cause for (cause,) in told(warehouse, "cause").values()} == {"wrong_utr"}


# ── files issued again ───────────────────────────────────────────────────────────────────


def test_a_file_issued_again_reopens_and_its_postings_follow(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    books, ledger = Books(warehouse), Ledger()
    kept, dropped = (books.capture(name, 10_000, noon(DAY)) for name in ("kept", "dropped"))
    first = rail_file([rail_line(name, 10_000, noon(DAY)) for name in (kept, dropped)], DAY)
    receive(warehouse, tmp_path, "a.csv", switch_file.render(first))
    stage(warehouse, DAY)
    ledger.run(warehouse, DAY, as_of=NEXT_DAY)
    receivable, transit = "rail:upi_hdfc:receivable", "rail:upi_hdfc:in_transit"
    assert (ledger.balances[receivable], ledger.balances[transit]) == (20_000, -first.net_minor)
    assert break_changes(warehouse, DAY) == []

    again = rail_file([rail_line(kept, 10_000, noon(DAY))], DAY)
    receive(warehouse, tmp_path, "b.csv", switch_file.render(again))
    stage(warehouse, DAY)
    assert days_to_revisit(warehouse, upto=DAY + timedelta(days=40), changed=[DAY]) == [DAY]
    for _ in range(2):  # a rerun posts nothing more
        ledger.run(warehouse, DAY, as_of=NEXT_DAY)
        assert told(warehouse, "kind", "cause") == {dropped: ("missing_external", "reissued_file")}
        assert ledger.balances[transit] == -again.net_minor
        assert ledger.balances[receivable] == 20_000  # 10,000 by the file, 10,000 to suspense
        assert ledger.suspense == open_suspense(warehouse) == {"suspense:upi_hdfc": -10_000}
    kinds = Counter(posting.kind for posting in decide_file_postings(warehouse, DAY))
    assert kinds == {"rail_settlement": 2, "rail_settlement_reversal": 1}


def test_what_was_taken_back_and_is_so_after_all_posts_anew(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    _announced(warehouse, tmp_path)
    stage(warehouse, DAY)
    ledger = Ledger()
    staged = warehouse.frame("FROM stg_rail_rows")
    (once,) = [p for p in file_postings(warehouse, DAY) if p.kind == "rail_settlement"]
    for rows in (staged, None, staged, None, staged):
        warehouse.execute("DELETE FROM stg_rail_rows")
        if rows is not None:
            warehouse.append("stg_rail_rows", rows)
        ledger.take(decide_file_postings(warehouse, DAY))
        wanted = {e.account: e.amount_minor for e in once.entries} if rows is not None else {}
        assert {a: n for a, n in ledger.balances.items() if n} == wanted


# ── the payer's clock ────────────────────────────────────────────────────────────────────


def test_a_payer_who_was_debited_is_owed_for_each_day_after_t_plus_5(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    Books(warehouse)
    attempt = ids.encode("att", ids.derived("attempt", "unheard"))
    settled = rail_file([rail_line(attempt, 5_000, noon(DAY))], DAY)
    receive(warehouse, tmp_path, "a.csv", switch_file.render(settled))
    stage(warehouse, DAY)
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    due = DAY + timedelta(days=5)
    ((found_due, per_day),) = told(warehouse, "tat_due_on", "tat_per_day_minor").values()
    assert (found_due, per_day) == (due, 10_000)
    assert tat_postings(warehouse, as_of=due) == []
    ledger = Ledger()
    for days in (1, 2, 2, 4):
        ledger.take(tat_postings(warehouse, as_of=due + timedelta(days=days)))
        assert ledger.balances["refunds:upi_hdfc:payable"] == 10_000 * days
        assert ledger.balances["costs:tat"] == -10_000 * days
    resolved = noon(due + timedelta(days=5))
    (broken,) = break_changes(warehouse, DAY)
    warehouse.execute(
        "INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version,"
        " \"timestamp\", data, metadata, livemode, xid) VALUES ($id, $id, 'break',"
        " 'break.resolved', 2, $at, '{}', '{}', false, 1)",
        id=broken.break_id,
        at=resolved,
    )
    ledger.take(tat_postings(warehouse, as_of=due + timedelta(days=30)))
    assert ledger.balances["costs:tat"] == -10_000 * 5


def test_the_clock_stops_when_the_row_comes_after_all(warehouse: Warehouse, tmp_path: Path) -> None:
    books = Books(warehouse)
    attempt = ids.encode("att", ids.derived("attempt", "unheard"))
    settled = rail_file([rail_line(attempt, 5_000, noon(DAY))], DAY)
    receive(warehouse, tmp_path, "a.csv", switch_file.render(settled))
    stage(warehouse, DAY)
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    books.capture("unheard", 5_000, noon(DAY))
    stage(warehouse, DAY)
    seventh = DAY + timedelta(days=7)
    reconcile_day(warehouse, DAY, as_of=seventh)
    assert len(tat_postings(warehouse, as_of=DAY + timedelta(days=20))) == 2


@pytest.mark.parametrize(
    ("rail", "row_type", "day", "days"),
    [
        ("upi_hdfc", "capture", DAY, 5),
        ("upi_hdfc", "p2p", DAY, 1),
        ("card_a", "capture", DAY, 5),
        ("bank_hdfc", "capture", DAY, None),
        ("upi_hdfc", "capture", date(2019, 10, 14), None),
    ],
)
def test_turn_around_times(rail: str, row_type: str, day: date, days: int | None) -> None:
    rule = load_tat_rules().of(rail, row_type, "INR", day)
    assert (rule.days if rule else None) == days


def test_somebody_owns_whatever_no_rule_names() -> None:
    rules = load_break_rules()
    last = rules.owners[-1]
    assert (last.side, last.kinds, last.row_types, last.rail) == (None, (), (), None)


# ── which days a night looks at ──────────────────────────────────────────────────────────


def test_an_old_day_is_looked_at_again_only_for_a_row_that_may_explain_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week = Week(warehouse, tmp_path)
    week.first_night()
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    later = DAY + timedelta(days=30)
    assert days_to_revisit(warehouse, upto=DAY + timedelta(days=2)) == [DAY]
    assert days_to_revisit(warehouse, upto=later) == []
    stranger = rail_file([rail_line("att_other", 5, noon(later))], later)
    receive(warehouse, tmp_path, "x.csv", switch_file.render(stranger))
    stage(warehouse, later)
    assert days_to_revisit(warehouse, upto=later, changed=[later]) == [later]
    late = rail_file([rail_line(week.references["missing"], 10_000, noon(DAY))], later)
    receive(warehouse, tmp_path, "y.csv", switch_file.render(late))
    stage(warehouse, later)
    assert days_to_revisit(warehouse, upto=later, changed=[later]) == [DAY, later]
