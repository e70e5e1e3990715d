"""The close of a bank day, or of a cycle of it: what moved becomes settlements and files, once.

Belongs here: the order of things at the close, and putting files into the inbox. Does not: the
look of the files (`switch_file.py`, `camt.py`, `mt940.py`), the accounts (`bank_books.py`) and the
faults (`faults.py`). The bytes are stored in the same transaction: closing again gives the same
files. They depend on what moved and when, never on the order in which calls came.
"""

import os
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import msgspec

from online.kernel.errors import Conflict
from online.sandbox import (
    bank_books,
    camt,
    cycles,
    fault_plans,
    faults,
    mt940,
    records,
    settlement_faults,
    switch_file,
)
from online.sandbox.faults import Bent, Order
from online.sandbox.rails import RAILS
from online.sandbox.records import Movement
from online.sandbox.settlement_faults import Shown
from online.sandbox.switch_file import Line, Settlement

_RENDER: Final = {"camt053": camt.render, "mt940": mt940.render}


class BankFile(msgspec.Struct, frozen=True):
    """A file as the bank sends it."""

    name: str
    content: bytes


def close_day(db: sqlite3.Connection, day: date, *, seed: int) -> list[BankFile]:
    """Close a day and give all its files; for a closed day, the same files again."""
    if not _is_closed(db, day):
        _refuse_disorder(db, day)
        movements = records.unreported(db, day)
        payouts = [movement for movement in movements if movement.type in records.PAYOUTS]
        payments = [movement for movement in movements if movement.type not in records.PAYOUTS]
        _report(db, day, payments, until=cycles.last_of(day), seed=seed)
        _mark_reported(db, day, payouts)
        statements = bank_books.close(db, day, payouts)
        files = [
            BankFile(each.file_name, _RENDER[each.account.statement](each)) for each in statements
        ]
        _keep_files(db, day, [*files, *_corrected(db, day)])
    return _stored_files(db, day)


def close_cycle(db: sqlite3.Connection, day: date, cycle: int, *, seed: int) -> list[BankFile]:
    """Close a cycle, and those before it, while the day goes on; gives the files of all of them.

    What moves later on, though it be before the cycle's end, is in the next one.
    """
    first = _first_open(db, day)
    if not _is_closed(db, day) and first <= cycle:
        _refuse_disorder(db, day)
        if cycle == cycles.last_of(day):
            raise Conflict("the last cycle closes with its day", param="cycle")
        payments = [
            movement
            for movement in records.unreported(db, day)
            if cycles.settles_in_cycles(RAILS[movement.rail])
            and cycles.cycle_at(day, movement.moved_at) <= cycle
        ]
        _report(db, day, payments, until=cycle, seed=seed)
        db.executemany(
            "insert into cycles_closed values (?, ?)",
            [(day.isoformat(), number) for number in range(first, cycle + 1)],
        )
    suffixes = tuple(f"_c{number:02d}.csv" for number in range(1, cycle + 1))
    return [file for file in _stored_files(db, day) if file.name.endswith(suffixes)]


def deliver(files: Sequence[BankFile], inbox: Path) -> list[str]:
    """Put the files into the inbox; a reader never sees half of one."""
    inbox.mkdir(parents=True, exist_ok=True)
    for file in files:
        write_atomically(inbox / file.name, file.content)
    return [str(inbox / file.name) for file in files]


def write_atomically(path: Path, content: bytes) -> None:
    """A hidden temporary name in the same folder, synced, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


def _refuse_disorder(db: sqlite3.Connection, day: date) -> None:
    last = records.last_closed(db)
    if last is not None and day <= last:
        raise Conflict(f"days close in order, and {last} is closed", param="bank_day")


def _is_closed(db: sqlite3.Connection, day: date) -> bool:
    query = "select 1 from statements where bank_day = ?"
    return db.execute(query, (day.isoformat(),)).fetchone() is not None


def _first_open(db: sqlite3.Connection, day: date) -> int:
    query = "select coalesce(max(cycle), 0) + 1 from cycles_closed where bank_day = ?"
    return int(db.execute(query, (day.isoformat(),)).fetchone()[0])


def _report(
    db: sqlite3.Connection, day: date, payments: Sequence[Movement], *, until: int, seed: int
) -> None:
    """What moved becomes settlements and their files, with the faults that are due."""
    part = "" if until == cycles.last_of(day) else f"c{until:02d}"
    orders = fault_plans.orders(db, day, part)
    bent = _bend(db, day, payments, orders, until=until, seed=seed)
    first = _first_open(db, day)
    people = [line for line in bent.lines if line.type in switch_file.P2P]
    ours = [line for line in bent.lines if line.type not in switch_file.P2P]
    settlements = _settle(ours, day, first=first, seed=seed)
    touched = {fault.reference for fault in bent.faults}
    shown, wrong = settlement_faults.spoil(settlements, orders, touched, day)
    fault_plans.keep(db, day, [*bent.faults, *wrong])
    for stray in bent.stray_credits:
        db.execute(
            "insert into stray_credits (utr, amount, narrative, value_day, bank)"
            " values (?, ?, ?, ?, ?)",
            (*msgspec.structs.astuple(stray)[:3], stray.value_day.isoformat(), stray.bank),
        )
    for each in shown:
        bank_books.keep_settlement(db, each)
    _keep_files(db, day, [_file(each.file) for each in shown])
    _keep_files(db, day, _extracts(people, day, first=first))
    _keep_corrections(db, day + timedelta(days=1), shown)
    for reference, report_on in bent.postponed.items():
        row = (report_on.isoformat(), reference)
        db.execute("update movements set report_on = ? where reference = ?", row)
    _mark_reported(db, day, [m for m in payments if m.reference not in bent.postponed])


def _bend(
    db: sqlite3.Connection,
    day: date,
    payments: Sequence[Movement],
    orders: Sequence[Order],
    *,
    until: int,
    seed: int,
) -> Bent:
    """The rows of the files, each rail's by the order that there is for it."""
    all_rows = Bent([], [], {}, [], [])
    ordered = {rail for order in orders for rail in order.rails}
    all_rows.lines.extend(faults.line_of(m) for m in payments if m.rail not in ordered)
    told = {fault.reference for fault in fault_plans.truth(db)} if orders else set()
    for order in orders:
        refused = []
        if order.faults.debit_without_credit:
            rails = {rail for rail in order.rails if cycles.settles_in_cycles(RAILS[rail])}
            span = cycles.begin_of(day), cycles.end_of_cycle(day, until)
            refused = [r for r in records.refused(db, rails, *span) if r.reference not in told]
        mine = [movement for movement in payments if movement.rail in order.rails]
        bent = faults.bend(mine, refused, order, day, seed)
        all_rows.lines.extend(bent.lines)
        all_rows.postponed.update(bent.postponed)
        all_rows.stray_credits.extend(bent.stray_credits)
        all_rows.faults.extend(bent.faults)
    return all_rows


def _settle(lines: Sequence[Line], day: date, *, first: int, seed: int) -> list[Settlement]:
    """One settlement for each cycle of a switch and day of an acquirer that has any row.

    Rows stand by time. What is of a cycle that is closed already is in the `first` open one.
    """
    groups = _by_cycle(lines, day, first)
    return [
        switch_file.settlement(RAILS[rail], day, groups[rail, cycle], seed, cycle=cycle)
        for rail, cycle in sorted(groups)
    ]


def _extracts(lines: Sequence[Line], day: date, *, first: int) -> list[BankFile]:
    """What a switch tells of transfers between people: the same cycles, and no settlement."""
    groups = _by_cycle(lines, day, first)
    found = [
        switch_file.extract(RAILS[rail], day, groups[rail, cycle], cycle=cycle)
        for rail, cycle in sorted(groups)
    ]
    return [BankFile(each.file_name, switch_file.render_p2p(each)) for each in found]


def _by_cycle(lines: Sequence[Line], day: date, first: int) -> dict[tuple[str, int], list[Line]]:
    groups: dict[tuple[str, int], list[Line]] = {}
    for line in sorted(lines, key=_by_time):
        in_cycles = cycles.settles_in_cycles(RAILS[line.rail])
        cycle = max(first, cycles.cycle_at(day, line.moved_at)) if in_cycles else 0
        groups.setdefault((line.rail, cycle), []).append(line)
    return groups


def _by_time(line: Line) -> tuple[object, ...]:
    return line.moved_at, line.order_ref, line.type


def _file(settled: Settlement) -> BankFile:
    return BankFile(settled.file_name, switch_file.render(settled))


def _keep_corrections(db: sqlite3.Connection, comes_on: date, shown: Sequence[Shown]) -> None:
    """A file that was cut short comes again, whole, under a name of its own."""
    for each in shown:
        if each.is_partial:
            whole = _file(each.settlement)
            name = f"{whole.name.removesuffix('.csv')}_r1.csv"
            row = (comes_on.isoformat(), name, whole.content)
            db.execute("insert into reissues values (?, ?, ?)", row)


def _corrected(db: sqlite3.Connection, day: date) -> list[BankFile]:
    """The corrections that are due, each once."""
    query = "delete from reissues where comes_on <= ? returning name, content"
    return [BankFile(*row) for row in db.execute(query, (day.isoformat(),)).fetchall()]


def _keep_files(db: sqlite3.Connection, day: date, files: Sequence[BankFile]) -> None:
    rows = [(day.isoformat(), file.name, file.content) for file in files]
    db.executemany("insert into bank_files values (?, ?, ?)", rows)


def _stored_files(db: sqlite3.Connection, day: date) -> list[BankFile]:
    query = "select name, content from bank_files where bank_day = ? order by name"
    return [BankFile(*row) for row in db.execute(query, (day.isoformat(),))]


def _mark_reported(db: sqlite3.Connection, day: date, movements: Sequence[Movement]) -> None:
    """Each row is in one file; a missing one never comes, a late one waits for its day."""
    db.executemany(
        "update movements set reported_on = ? where reference = ?",
        [(day.isoformat(), movement.reference) for movement in movements],
    )
