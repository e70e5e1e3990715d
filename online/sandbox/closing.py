"""The close of a bank day: what moved becomes settlements, files and a statement, once.

Belongs here: the order of things at the close, its SQL, and putting files into the inbox.
Does not: the look of the files (`switch_file.py`, `camt.py`) and the faults (`faults.py`).
The bytes are stored in the same transaction: closing a day again gives the same files.
"""

import os
import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from online.kernel.errors import Conflict
from online.sandbox import camt, faults, records, switch_file
from online.sandbox.camt import Statement, StatementEntry
from online.sandbox.faults import Bent, Fault
from online.sandbox.rails import ACCOUNT, RAILS
from online.sandbox.records import Movement
from online.sandbox.switch_file import Line, Settlement
from online.sandbox.wire import FaultPlan

_ENCODER: Final = msgspec.json.Encoder()
_PLAN: Final = msgspec.json.Decoder(FaultPlan)
_FAULT: Final = msgspec.json.Decoder(Fault)


class BankFile(msgspec.Struct, frozen=True):
    """A file as the bank sends it."""

    name: str
    content: bytes


def set_opening(db: sqlite3.Connection, bank: str, amount_minor: int) -> None:
    """The balance before the first statement."""
    if records.last_closed(db) is not None:
        raise Conflict("a day is closed already: its statement has the opening balance")
    db.execute("insert or replace into openings values (?, ?)", (bank, amount_minor))


def set_fault_plan(db: sqlite3.Connection, plan: FaultPlan) -> None:
    """The faults for a day that is still open."""
    last = records.last_closed(db)
    if last is not None and plan.bank_day <= last:
        raise Conflict(f"{plan.bank_day} is closed", param="bank_day")
    row = (plan.bank_day.isoformat(), _ENCODER.encode(plan))
    db.execute("insert or replace into fault_plans values (?, ?)", row)


def truth(db: sqlite3.Connection) -> list[Fault]:
    """Every fault that went into a file so far."""
    rows = db.execute("select fault from faults order by id")
    return [_FAULT.decode(row[0]) for row in rows]


def close_day(db: sqlite3.Connection, day: date, *, seed: int) -> list[BankFile]:
    """Close a day and give its files; for a closed day, the same files again."""
    stored = _stored_files(db, day)
    if stored:
        return stored
    last = records.last_closed(db)
    if last is not None and day <= last:
        raise Conflict(f"days close in order, and {last} is closed", param="bank_day")
    movements = records.unreported(db, day)
    payments = [movement for movement in movements if movement.type != "PAYOUT"]
    payouts = [movement for movement in movements if movement.type == "PAYOUT"]
    bent = faults.bend(payments, _plan_of(db, day), day, seed)
    # Before today's settlements are stored: the bank credits a settlement on a later day.
    entries = [*_settlement_entries(db, day), *_payout_entries(payouts)]
    _keep_faults(db, day, bent)
    entries += _stray_entries(db, day)
    settlements = _settle(bent.lines, day, seed)
    for settled in settlements:
        _keep_settlement(db, settled)
    _mark_reported(db, day, movements, bent)
    statement = Statement(ACCOUNT, day, _next_sequence(db), _opening(db), entries)
    row = (day.isoformat(), statement.opening_minor, statement.closing_minor)
    db.execute("insert into statements values (?, ?, ?)", row)
    files = [BankFile(settled.file_name, switch_file.render(settled)) for settled in settlements]
    files.append(BankFile(statement.file_name, camt.render(statement)))
    for file in files:
        row_of_file = (day.isoformat(), file.name, file.content)
        db.execute("insert into bank_files values (?, ?, ?)", row_of_file)
    return sorted(files, key=lambda file: file.name)


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


def _settle(lines: Sequence[Line], day: date, seed: int) -> list[Settlement]:
    """One settlement a rail that has any row, rows by time."""
    by_rail: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line.moved_at, line.order_ref)):
        by_rail.setdefault(line.rail, []).append(line)
    return [
        switch_file.settlement(RAILS[rail], day, by_rail[rail], seed) for rail in sorted(by_rail)
    ]


def _stored_files(db: sqlite3.Connection, day: date) -> list[BankFile]:
    query = "select name, content from bank_files where bank_day = ? order by name"
    return [BankFile(*row) for row in db.execute(query, (day.isoformat(),))]


def _plan_of(db: sqlite3.Connection, day: date) -> FaultPlan | None:
    query = "select plan from fault_plans where bank_day = ?"
    row = db.execute(query, (day.isoformat(),)).fetchone()
    return None if row is None else _PLAN.decode(row[0])


def _opening(db: sqlite3.Connection) -> int:
    """The closing balance of the last statement; before the first one, what was set."""
    query = "select closing from statements order by bank_day desc limit 1"
    row = db.execute(query).fetchone()
    if row is None:
        query = "select amount from openings where bank = ?"
        row = db.execute(query, (ACCOUNT.bank,)).fetchone()
    return 0 if row is None else int(row[0])


def _next_sequence(db: sqlite3.Connection) -> int:
    return int(db.execute("select count(*) + 1 from statements").fetchone()[0])


def _settlement_entries(db: sqlite3.Connection, day: date) -> list[StatementEntry]:
    """The settlements that earlier days announced and no statement shows yet."""
    rows = db.execute(
        "select settlement_id, rail, net, utr from settlements where booked_on is null"
        " order by settled_on, settlement_id"
    ).fetchall()
    db.execute("update settlements set booked_on = ? where booked_on is null", (day.isoformat(),))
    return [
        StatementEntry(
            kind="settlement",
            amount_minor=net_minor,
            utr=utr,
            end_to_end_id=settlement_id,
            narrative=f"{RAILS[rail].method.upper()} SETTLEMENT {settlement_id}",
        )
        for settlement_id, rail, net_minor, utr in rows
        if net_minor != 0
    ]


def _payout_entries(payouts: Sequence[Movement]) -> list[StatementEntry]:
    return [
        StatementEntry(
            kind="payout",
            amount_minor=-payout.amount_minor,
            utr=payout.rrn,
            end_to_end_id=payout.reference,
            narrative=f"NEFT DR-{payout.payee or ''}-PAYOUT {payout.reference}",
        )
        for payout in payouts
    ]


def _stray_entries(db: sqlite3.Connection, day: date) -> list[StatementEntry]:
    key = (day.isoformat(),)
    rows = db.execute(
        "select utr, amount, narrative from stray_credits"
        " where booked_on is null and value_day <= ? order by value_day, utr",
        key,
    ).fetchall()
    db.execute(
        "update stray_credits set booked_on = ?1 where booked_on is null and value_day <= ?1", key
    )
    return [
        StatementEntry("stray", amount_minor, utr, "NOTPROVIDED", narrative)
        for utr, amount_minor, narrative in rows
    ]


def _keep_faults(db: sqlite3.Connection, day: date, bent: Bent) -> None:
    for fault in bent.faults:
        row = (day.isoformat(), _ENCODER.encode(fault))
        db.execute("insert into faults (bank_day, fault) values (?, ?)", row)
    for stray in bent.stray_credits:
        db.execute(
            "insert into stray_credits (utr, amount, narrative, value_day) values (?, ?, ?, ?)",
            (stray.utr, stray.amount_minor, stray.narrative, stray.value_day.isoformat()),
        )


def _keep_settlement(db: sqlite3.Connection, settled: Settlement) -> None:
    db.execute(
        "insert into settlements (settlement_id, rail, settled_on, net, utr)"
        " values (?, ?, ?, ?, ?)",
        (
            *(settled.settlement_id, settled.rail, settled.settled_on.isoformat()),
            *(settled.net_minor, settled.utr),
        ),
    )


def _mark_reported(
    db: sqlite3.Connection, day: date, movements: Sequence[Movement], bent: Bent
) -> None:
    """Each row is in one file; a missing one never comes, a late one waits for its day."""
    for reference, report_on in bent.postponed.items():
        db.execute(
            "update movements set report_on = ? where reference = ?",
            (report_on.isoformat(), reference),
        )
    db.executemany(
        "update movements set reported_on = ? where reference = ?",
        [
            (day.isoformat(), movement.reference)
            for movement in movements
            if movement.reference not in bent.postponed
        ],
    )
