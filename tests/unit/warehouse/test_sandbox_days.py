"""The sandbox's own files against books of the same traffic: each fault is found, nothing else is.

The books are written from what the banks know to have moved, as online posts it; the files are
what the banks make of it, by cycle, in two formats, with every fault that they can put in.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from msgspec.structs import replace

from online.kernel.clock import IST
from online.sandbox import cycles, fault_plans, records
from online.sandbox.rails import ACCOUNTS
from online.sandbox.wire import FaultPlan
from tests.unit.sandbox.banking import Desk, upi
from tests.unit.warehouse.books import DAY, Books, receive, stage
from warehouse import postings
from warehouse.connection import Warehouse
from warehouse.reconciliation.days import break_changes, conservation_gap, reconcile_day

DAYS = [DAY + timedelta(days=later) for later in range(4)]
# The bank day begins on the evening before.
BOOK_DAYS = [DAY - timedelta(days=1), *DAYS]
PLAN = FaultPlan(
    bank_day=DAY,
    seed=5,
    missing=5,
    extra=5,
    wrong_amount=5,
    duplicate=5,
    late=5,
    debit_without_credit=2,
    partial_settlement_file=2,
    wrong_utr=2,
    wrong_status=2,
)


class World:
    """Banks with a day of traffic behind them, and our books of it."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse, self.folder = warehouse, folder
        self.desk, self.books = Desk(), Books(warehouse)
        self.late: dict[str, str] = {}  # attempts whose payment was over, by those that return them

    def trade(self, count: int) -> None:
        rails = ("upi_hdfc", "upi_icici", "card_a", "card_b")
        begin = cycles.begin_of(DAY).astimezone(UTC)
        for number in range(count):
            rail = rails[number % 4]
            self.desk.clock.at = begin + timedelta(seconds=60 + number * 80_000 // count)
            paid = self.desk.pay(10_001 + 137 * number, rail=rail)
            if number % 9 == 0:
                self.desk.after("refund", paid, 2_500, rail)
            if number % 11 == 1:
                self.desk.after("reverse", paid, 10_001 + 137 * number, rail)
            if number % 13 == 2:
                self.desk.payout(500 + number)
            if number % 10 == 3:
                self.desk.send("upi_icici", "authorize", 20_000, upi=upi("decline@khata"))
            if number % 17 == 4:
                self._late(rail, 30_000 + number)
            if number % 3 == 0:
                self._between_people(number)

    def _between_people(self, number: int) -> None:
        """Some are sent, some return by themselves a moment later, some are declined."""
        payers = ("asha@ybl", "ravi@oksbi", "debit_returned@khata", "decline@khata")
        people = replace(upi(payers[number % 7 % 4]), payee_vpa="meera@okicici")
        rail = ("upi_hdfc", "upi_icici")[number % 2]
        self.desk.send(rail, "authorize", 40_000 + number, upi=people, kind="p2p")

    def _late(self, rail: str, amount: int) -> None:
        """Approved after we had given the payment up, and returned by ourselves."""
        taken = self.desk.pay(amount, rail=rail)
        self.desk.after("reverse", taken, amount, rail)
        self.late[taken] = self.late[self.desk.last] = taken

    def write_books(self) -> None:
        """What moved, as online posts it: late money under kinds of its own."""
        kinds = {"PAY": "capture", "REFUND": "refund_confirmed", "REVERSAL": "reversal"}
        late_kinds = {"PAY": "late_money", "REVERSAL": "late_money_reversed"}
        for moved in records.unreported(self.desk.db, DAYS[-1]):
            at, amount = moved.moved_at, moved.amount_minor
            if moved.type == "PAYOUT":
                legs = [("merchant:payable", -amount), ("payouts:bank_hdfc:in_transit", amount)]
                self.books.post("payout_sent", moved.reference, legs, at)
                continue
            if moved.type in ("P2P", "P2P_RETURN"):
                sent = amount if moved.type == "P2P" else -amount
                memo = [(f"p2p:{moved.rail}:payer", -sent), (f"p2p:{moved.rail}:payee", sent)]
                kind = "p2p" if moved.type == "P2P" else "p2p_returned"
                about = {"transfer_id": f"trf_{moved.order_ref}"}
                self.books.post(kind, moved.order_ref, memo, at, json.dumps(about))
                continue
            receivable = f"rail:{moved.rail}:receivable"
            signed = amount if moved.type == "PAY" else -amount
            late = self.late.get(moved.reference)
            original = self._original(moved.reference)
            about = {"payment_id": f"pay_{original}"} | ({"late_attempt_id": late} if late else {})
            kind = (late_kinds if late else kinds)[moved.type]
            legs = [(receivable, -signed), ("merchant:pending", signed)]
            self.books.post(kind, moved.reference, legs, at, json.dumps(about))

    def _original(self, reference: str) -> str:
        stored = records.find(self.desk.db, reference)
        assert stored is not None
        return stored.root

    def nights(self) -> Iterator[tuple[date, dict[str, bytes]]]:
        """Each bank day's files, received and staged."""
        for day in DAYS:
            night = datetime.combine(day + timedelta(days=1), time(1), IST).astimezone(UTC)
            self.desk.clock.at = max(self.desk.clock.at, night)
            files = self.desk.close(day)
            for name, content in files.items():
                loaded = receive(self.warehouse, self.folder, name, content)
                assert loaded.problems == []
            # A correction is about the day before.
            stage(self.warehouse, day - timedelta(days=1), day)
            yield day, files

    def breaks(self) -> Counter[tuple[str, str]]:
        rows = self.warehouse.rows("SELECT kind, reference FROM recon_breaks")
        return Counter((str(kind), str(reference)) for kind, reference in rows)


def _injected(world: World, upto: date) -> Counter[tuple[str, str]]:
    """What has to be found once files to `upto` are here."""
    return Counter(
        (fault.kind, fault.reference)
        for fault in fault_plans.truth(world.desk.db)
        if fault.resolved_on is None or fault.resolved_on > upto
    )


def _reconcile(world: World, upto: date) -> None:
    for day in BOOK_DAYS:
        if day <= upto:
            reconcile_day(world.warehouse, day, as_of=upto + timedelta(days=1))


def test_a_day_without_faults_is_explained_whole(warehouse: Warehouse, tmp_path: Path) -> None:
    world = World(warehouse, tmp_path)
    world.trade(60)
    world.write_books()
    for day, _ in world.nights():
        _reconcile(world, day)
        assert world.breaks() == Counter()
        assert conservation_gap(warehouse) == 0
    assert _left(warehouse) == {}


def test_each_fault_is_found_by_its_kind_and_nothing_else_is(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    world = World(warehouse, tmp_path)
    world.trade(80)
    world.write_books()
    fault_plans.set_fault_plan(world.desk.db, PLAN)
    seen: Counter[tuple[str, str]] = Counter()
    for day, _ in world.nights():
        _reconcile(world, day)
        seen |= world.breaks()
        assert conservation_gap(warehouse) == 0
    truth = fault_plans.truth(world.desk.db)
    assert Counter(fault.fault for fault in truth) >= Counter(
        {name: 1 for name in PLAN.__struct_fields__ if name not in ("bank_day", "seed")}
    )
    assert world.breaks() == _injected(world, DAYS[-1])
    # What a corrected file explained was a break until it came.
    passing = {(fault.kind, fault.reference) for fault in truth if fault.resolved_on}
    assert passing
    assert passing <= set(seen)
    assert _left(warehouse) == {}
    assert _causes(world) == {
        "debit_without_credit": {"debited_and_returned"},
        "wrong_utr": {"wrong_utr"},
        "unknown_credit": {"unannounced_credit"},
    }


def _causes(world: World) -> dict[str, set[str]]:
    """What reconciliation supposes of some of the faults."""
    owed = "SELECT count(*) FROM recon_breaks WHERE cause = $cause AND tat_due_on IS NOT NULL"
    assert world.warehouse.rows(owed, cause="debited_and_returned") == [(0,)]
    rows = world.warehouse.rows("SELECT kind, reference, cause FROM recon_breaks")
    supposed = {(str(kind), str(reference)): str(cause) for kind, reference, cause in rows}
    told: dict[str, set[str]] = {}
    for fault in fault_plans.truth(world.desk.db):
        # The cause of others may be that their file was issued again.
        if fault.fault in ("debit_without_credit", "wrong_utr", "unknown_credit"):
            told.setdefault(fault.fault, set()).add(supposed[fault.kind, fault.reference])
    return told


def _left(warehouse: Warehouse) -> dict[str, int]:
    """What files and breaks leave in transit and on receivables; bank accounts are as stated."""
    left: Counter[str] = Counter()
    ledger = warehouse.rows(
        "SELECT account.code, sum(entry.amount_minor)::BIGINT FROM raw_entries AS entry"
        " INNER JOIN raw_accounts AS account ON entry.account_id = account.id"
        " WHERE account.code LIKE 'rail:%' OR account.code LIKE 'payouts:%' GROUP BY ALL"
    )
    left.update({code: int(minor) for code, minor in ledger})
    banks: Counter[str] = Counter()
    for day in BOOK_DAYS:
        found = postings.decide_file_postings(warehouse, day)
        found += postings.break_postings(break_changes(warehouse, day))
        for entry in (entry for posting in found for entry in posting.entries):
            if entry.account.startswith(("rail:", "payouts:")):
                left[entry.account] += entry.amount_minor
            if entry.account.startswith("bank:"):
                banks[entry.account] -= entry.amount_minor
    stated = warehouse.rows(
        "SELECT account, arg_max(closing_minor, closing_date) FROM raw_bank_balances GROUP BY ALL"
    )
    by_number = {account.number: f"bank:{bank}" for bank, account in ACCOUNTS.items()}
    assert banks == {by_number[str(number)]: int(minor) for number, minor in stated}
    return {account: minor for account, minor in left.items() if minor}
