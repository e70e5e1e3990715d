"""Files by cycle: where an instant belongs, closing while the day runs, the same bytes always."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from online.kernel.clock import IST, FixedClock
from online.kernel.errors import Conflict, InvalidRequest
from online.sandbox import closing, cycles, fault_plans, wire
from online.sandbox.bank import Bank
from online.sandbox.closing import BankFile
from online.sandbox.magic import Operation
from online.sandbox.rails import ACCOUNTS, RAILS
from online.sandbox.wire import FaultPlan, FileFaults
from online.sandbox.writer import GroupWriter
from tests.unit.sandbox.banking import DAY, Desk, card, upi
from warehouse.bank_files.parse import parse

NEXT = DAY + timedelta(days=1)
SEED = 7


def _ist(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=IST)


@pytest.mark.parametrize(
    ("at", "day", "cycle"),
    [
        (_ist(DAY - timedelta(days=1), 21, 0, 0), DAY - timedelta(days=1), 10),
        (_ist(DAY - timedelta(days=1), 21, 0, 1), DAY, 1),
        (_ist(DAY, 0, 0, 0), DAY, 1),
        (_ist(DAY, 0, 0, 1), DAY, 2),
        (_ist(DAY, 5, 0, 0), DAY, 2),
        (_ist(DAY, 5, 0, 1), DAY, 3),
        (_ist(DAY, 6, 59), DAY, 3),
        (_ist(DAY, 8), DAY, 4),
        (_ist(DAY, 10), DAY, 5),
        (_ist(DAY, 12), DAY, 6),
        (_ist(DAY, 14), DAY, 7),
        (_ist(DAY, 16), DAY, 8),
        (_ist(DAY, 18), DAY, 9),
        (_ist(DAY, 20, 59), DAY, 10),
        (_ist(DAY, 21), DAY, 10),
    ],
)
def test_an_instant_is_in_one_cycle(at: datetime, day: date, cycle: int) -> None:
    assert (cycles.bank_day(at), cycles.cycle_at(day, at)) == (day, cycle)


def test_cycles_have_their_names() -> None:
    names = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
    assert [cycles.number_of(DAY, name) for name in names] == list(range(1, 11))
    with pytest.raises(InvalidRequest):
        cycles.number_of(DAY, "XI")


def _at(desk: Desk, hour: int) -> None:
    desk.clock.at = _ist(DAY, hour).astimezone(UTC)


def _order_refs(files: dict[str, bytes]) -> dict[str, list[str]]:
    """What each switch file shows, by its name."""
    return {
        name: [row.order_ref for row in parse(content, name).rail_rows]
        for name, content in files.items()
        if name.endswith(".csv")
    }


def _named(files: Sequence[BankFile]) -> dict[str, bytes]:
    return {file.name: file.content for file in files}


def test_each_cycle_is_a_settlement_of_its_own_and_an_acquirer_has_one_a_day() -> None:
    desk = Desk(at=_ist(DAY, 1).astimezone(UTC))
    refs: dict[str, list[str]] = {}
    for hour in (1, 12, 20):
        _at(desk, hour)
        for rail in ("upi_hdfc", "card_a"):
            refs.setdefault(f"{rail} {hour}", []).append(desk.pay(10_000 + hour, rail=rail))
    files = desk.close(DAY)
    shown = _order_refs(files)
    assert shown == {
        "upi_hdfc_settlement_2026-11-16_c02.csv": refs["upi_hdfc 1"],
        "upi_hdfc_settlement_2026-11-16_c06.csv": refs["upi_hdfc 12"],
        "upi_hdfc_settlement_2026-11-16_c10.csv": refs["upi_hdfc 20"],
        "card_a_settlement_2026-11-16.csv": [
            *refs["card_a 1"],
            *refs["card_a 12"],
            *refs["card_a 20"],
        ],
    }
    rows = [row for name in shown for row in parse(files[name], name).rail_rows]
    settled = {(row.settlement_id, row.utr) for row in rows}
    assert len({settlement_id for settlement_id, _ in settled}) == 4
    assert len({utr for _, utr in settled}) == 4
    paid = parse(desk.close(NEXT)["hdfc_camt053_2026-11-17.xml"], "x").statements[0].lines
    assert {(line.reference, line.bank_reference) for line in paid} == settled


def test_a_cycle_closes_while_the_day_runs_and_what_comes_later_is_in_the_next() -> None:
    desk = Desk()
    early = desk.pay(10_000)
    by_card = desk.pay(11_000, rail="card_a")
    closed = closing.close_cycle(desk.db, DAY, 5, seed=SEED)
    name = "upi_hdfc_settlement_2026-11-16_c05.csv"
    assert _order_refs(_named(closed)) == {name: [early]}
    with pytest.raises(Conflict):
        closing.close_cycle(desk.db, DAY, 10, seed=SEED)
    late = desk.pay(12_000)  # before eleven still, but the cycle is closed
    assert closing.close_cycle(desk.db, DAY, 5, seed=SEED) == closed
    files = desk.close(DAY)
    assert files[name] == closed[0].content
    assert _order_refs(files) == {
        name: [early],
        "upi_hdfc_settlement_2026-11-16_c06.csv": [late],
        "card_a_settlement_2026-11-16.csv": [by_card],
    }
    assert closing.close_cycle(desk.db, DAY, 10, seed=SEED) == [
        BankFile(name, files[name]) for name in sorted(files) if "_c" in name and "upi" in name
    ]
    with pytest.raises(Conflict):
        closing.close_cycle(desk.db, DAY - timedelta(days=1), 3, seed=SEED)


def test_faults_of_a_day_are_not_done_again_by_its_later_cycles() -> None:
    desk = Desk()
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY, late=0, extra=3))
    for number in range(20):
        desk.pay(10_000 + number)
    closing.close_cycle(desk.db, DAY, 5, seed=SEED)
    assert Counter(fault.fault for fault in fault_plans.truth(desk.db))["missing"] == 2
    for number in range(20):
        desk.pay(20_000 + number)
    desk.close(DAY)
    truth = fault_plans.truth(desk.db)
    assert Counter(fault.fault for fault in truth) == {
        "missing": 2,
        "wrong_amount": 2,
        "duplicate": 2,
        "extra": 3,
        "unknown_credit": 1,
    }
    assert len({fault.reference for fault in truth}) == len(truth)


def test_a_script_keeps_faults_up_by_rail() -> None:
    desk = Desk()
    by_rail = {"upi_hdfc": FileFaults(missing=1), "*": FileFaults(duplicate=1)}
    fault_plans.set_standing_faults(desk.db, by_rail, seed=3)
    for day in (DAY, NEXT):
        for rail in ("upi_hdfc", "upi_icici", "card_a"):
            for number in range(4):
                desk.pay(10_000 + number, rail=rail)
        desk.close(day)
        told = [fault for fault in fault_plans.truth(desk.db) if fault.bank_day == day]
        kinds = {(fault.fault, fault.rail == "upi_hdfc") for fault in told}
        assert kinds == {("missing", True), ("duplicate", False)}
        assert len(told) == 2
    fault_plans.set_standing_faults(desk.db, {}, seed=3)
    desk.pay(10_000)
    desk.close(NEXT + timedelta(days=1))
    assert len(fault_plans.truth(desk.db)) == 4


def test_a_file_that_was_cut_short_comes_again_whole_and_the_bank_pays_all_of_it() -> None:
    desk = Desk()
    plan = FaultPlan(bank_day=DAY, partial_settlement_file=1, **_NONE)
    fault_plans.set_fault_plan(desk.db, plan)
    refs = [desk.pay(10_000 + number) for number in range(9)]
    name = "upi_hdfc_settlement_2026-11-16_c05.csv"
    (first,) = _order_refs(desk.close(DAY)).values()
    truth = fault_plans.truth(desk.db)
    held = {fault.reference for fault in truth}
    assert {fault.kind for fault in truth} == {"missing_external"}
    assert {fault.resolved_on for fault in truth} == {NEXT}
    assert len(held) == 3
    assert set(first) == set(refs) - held
    files = desk.close(NEXT)
    again = parse(files[name.replace(".csv", "_r1.csv")], "x")
    assert [row.order_ref for row in again.rail_rows] == refs
    (paid,) = parse(files["hdfc_camt053_2026-11-17.xml"], "x").statements[0].lines
    assert paid.amount_minor == sum(row.net_minor for row in again.rail_rows)
    assert {row.utr for row in again.rail_rows} == {paid.bank_reference}


@pytest.mark.parametrize("rail", ["upi_hdfc", "upi_icici", "card_b"])
def test_a_wrong_utr_is_in_the_file_and_the_bank_names_nothing_of_it(rail: str) -> None:
    desk = Desk()
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY, wrong_utr=1, **_NONE))
    desk.pay(10_000, rail=rail)
    ((name, content),) = [(n, c) for n, c in desk.close(DAY).items() if n.endswith(".csv")]
    (row,) = parse(content, name).rail_rows
    announced, came = fault_plans.truth(desk.db)
    assert (announced.kind, announced.reference) == ("missing_external", row.settlement_id)
    assert came.kind == "unexpected_credit"
    assert came.reference != row.utr
    statements = {n: c for n, c in desk.close(NEXT).items() if not n.endswith(".csv")}
    lines = [line for c in statements.values() for line in parse(c, "x").statements[0].lines]
    assert [line.amount_minor for line in lines] == [row.net_minor]
    assert came.reference in (lines[0].bank_reference, lines[0].details[0].get("utr"))
    for content in statements.values():
        assert row.utr.encode() not in content
        assert row.settlement_id.encode() not in content


def test_a_debit_without_credit_is_shown_with_its_return() -> None:
    desk = Desk()
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY, debit_without_credit=1, **_NONE))
    desk.pay(10_000)
    desk.send("upi_hdfc", "authorize", 20_000, upi=upi("decline@khata"))
    declined = desk.last
    files = desk.close(DAY)
    rows = parse(files["upi_hdfc_settlement_2026-11-16_c05.csv"], "x").rail_rows
    shown = [row for row in rows if row.order_ref == declined]
    assert [(row.row_type, row.gross_minor) for row in shown] == [
        ("capture", 20_000),
        ("reversal", -20_000),
    ]
    assert sum(row.net_minor for row in shown) == 0
    truth = fault_plans.truth(desk.db)
    assert {(fault.kind, fault.reference) for fault in truth} == {
        ("missing_internal", declined),
        ("reversed_unpaired", declined),
    }


_NONE: dict[str, Any] = {
    "missing": 0,
    "extra": 0,
    "wrong_amount": 0,
    "duplicate": 0,
    "late": 0,
    "unknown_credit": 0,
}
_ALL = FaultPlan(
    bank_day=DAY, seed=5, debit_without_credit=2, partial_settlement_file=1, wrong_utr=1
)


class Call(NamedTuple):
    """One request of the gateway at its instant; `after`: what it is about."""

    at: datetime
    rail: str
    operation: Operation
    request: wire.OperationRequest


def _traffic(count: int) -> list[list[Call]]:
    """Payments over the whole bank day, then what goes back of some of them, and payouts."""
    rails = ("upi_hdfc", "upi_icici", "card_a", "card_b")
    begin = cycles.begin_of(DAY).astimezone(UTC)
    payments, later = [], []
    for number in range(count):
        rail = rails[number % 4]
        at = begin + timedelta(seconds=1 + number * 80_000 // count)
        vpa = {1: "decline@khata", 2: "pending@khata"}.get(number % 9, "ravi@ybl")
        part = {"upi": upi(vpa)} if rail.startswith("upi") else {"card": card()}
        reference = f"att_{number:026d}"
        amount = 10_001 + 137 * number
        request = wire.OperationRequest(reference, amount, "INR", **part)
        payments.append(Call(at, rail, "authorize", request))
        if number % 5 == 0:
            back = wire.OperationRequest(
                f"att_{number:025d}r", 2_000, "INR", original_reference=reference
            )
            later.append(Call(at + timedelta(minutes=40), rail, "refund", back))
        if number % 7 == 0:
            owner = wire.Beneficiary(
                account="919020000001", ifsc="UTIB0000123", name="Sagar Kirana Stores"
            )
            paid = wire.OperationRequest(f"att_{number:025d}p", 500, "INR", beneficiary=owner)
            later.append(Call(at, "bank_hdfc", "payout", paid))
    return [payments, later]


async def _play(folder: Path, traffic: list[list[Call]], rng: random.Random) -> dict[str, bytes]:
    """In any order, many at once, some twice, with restarts in between; the files of three days."""
    path = folder / "bank.sqlite"
    for phase in traffic:
        calls = [*phase, *rng.sample(phase, len(phase) // 10)]
        rng.shuffle(calls)
        while calls:
            size = rng.randint(1, 60)
            writer = GroupWriter(path)
            try:
                await asyncio.gather(*(_send(writer, call) for call in calls[:size]))
            finally:
                await asyncio.to_thread(writer.close)
            calls = calls[size:]
    writer = GroupWriter(path)
    files: dict[str, bytes] = {}
    try:
        await writer.run(lambda db: fault_plans.set_fault_plan(db, _ALL))
        for later in range(3):
            day = DAY + timedelta(days=later)
            closed = await writer.run(partial(_close, day=day))
            files |= _named(closed)
    finally:
        await asyncio.to_thread(writer.close)
    return files


def _close(db: sqlite3.Connection, day: date) -> list[BankFile]:
    Bank(FixedClock(cycles.end_of(day)), SEED).ripen(db, cycles.end_of(day))
    return closing.close_day(db, day, seed=SEED)


async def _send(writer: GroupWriter, call: Call) -> None:
    bank = Bank(FixedClock(call.at), SEED)
    rail, reference = RAILS[call.rail], call.request.reference
    await writer.run(
        lambda db: bank.operate(db, rail, call.operation, call.request, idempotency_key=reference)
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_traffic_gives_the_same_bytes_in_any_order(tmp_path: Path, seed: int) -> None:
    traffic = _traffic(240)
    played = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        rng = random.Random(f"{seed} {name}")
        played.append(asyncio.run(_play(tmp_path / name, traffic, rng)))
    assert played[0] == played[1]
    assert len([name for name in played[0] if name.startswith("upi_hdfc")]) >= 10


def test_each_file_is_read_to_what_the_bank_wrote(tmp_path: Path) -> None:
    """Through the reader: amounts, balances and control totals, day after day."""
    files = asyncio.run(_play(tmp_path, _traffic(120), random.Random(3)))
    read = {name: parse(content, name) for name, content in files.items()}
    assert [name for name, file in read.items() if file.problems] == []
    forms = Counter(file.format for file in read.values())
    assert forms["camt.053"] == forms["mt940"] == 3
    announced: dict[str, int] = {}
    for name, file in sorted(read.items()):
        for row in file.rail_rows:
            assert row.gross_minor - row.fee_minor - row.tax_minor == row.net_minor
        # A correction takes the place of the file that it corrects.
        if file.rail_rows:
            net_minor = sum(row.net_minor for row in file.rail_rows)
            announced[file.rail_rows[0].settlement_id] = net_minor
            assert name.removesuffix("_r1.csv") + "_r1.csv" in {*read, name} or "_r1" not in name
    balances = {account.number: 0 for account in ACCOUNTS.values()}
    credited = 0
    for name in sorted(name for name in read if not name.endswith(".csv")):
        (statement,) = read[name].statements
        assert statement.opening_minor == balances[statement.account]
        moved = sum(line.amount_minor for line in statement.lines)
        assert statement.closing_minor == statement.opening_minor + moved
        balances[statement.account] = statement.closing_minor
        credited += moved
    narratives = [
        (line.narrative, line.amount_minor)
        for file in read.values()
        for statement in file.statements
        for line in statement.lines
    ]
    stray = sum(minor for told, minor in narratives if "BALAJI" in told)
    payouts = sum(500 for calls in _traffic(120) for c in calls if c.operation == "payout")
    # Rows that are two days late are announced, and credited after the third day.
    rows = [row for file in read.values() for row in file.rail_rows]
    late = {row.settlement_id for row in rows if row.settled_on > NEXT}
    due = sum(net for settlement_id, net in announced.items() if settlement_id not in late)
    assert credited == due - payouts + stray
