"""How many files and rows go wrong on a day: what was planned for it, or what a script keeps up.

Belongs here: plans and their SQL, and what of a plan is still to be done. Does not: which rows
(`faults.py`, `settlement_faults.py`).
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from online.kernel.errors import Conflict
from online.sandbox import records
from online.sandbox.faults import ANY_RAIL, KINDS, Fault, Order
from online.sandbox.rails import RAILS
from online.sandbox.wire import FaultPlan, FileFaults

_ENCODER: Final = msgspec.json.Encoder()
_PLAN: Final = msgspec.json.Decoder(FaultPlan)
_FAULT: Final = msgspec.json.Decoder(Fault)


class _Standing(msgspec.Struct, frozen=True):
    """Faults that every day gets, and the seed that chooses."""

    faults: FileFaults
    seed: int


_STANDING: Final = msgspec.json.Decoder(_Standing)


def set_fault_plan(db: sqlite3.Connection, plan: FaultPlan) -> None:
    """The faults for a day that is still open."""
    last = records.last_closed(db)
    if last is not None and plan.bank_day <= last:
        raise Conflict(f"{plan.bank_day} is closed", param="bank_day")
    row = (plan.bank_day.isoformat(), _ENCODER.encode(plan))
    db.execute("insert or replace into fault_plans values (?, ?)", row)


def set_standing_faults(
    db: sqlite3.Connection, by_rail: Mapping[str, FileFaults], *, seed: int
) -> None:
    """The faults of every day that has no plan of its own, by rail or `*`; they replace others."""
    db.execute("delete from standing_faults")
    db.executemany(
        "insert into standing_faults values (?, ?)",
        [(rail, _ENCODER.encode(_Standing(faults, seed))) for rail, faults in by_rail.items()],
    )


def truth(db: sqlite3.Connection) -> list[Fault]:
    """Every fault that went into a file so far."""
    rows = db.execute("select fault from faults order by id")
    return [_FAULT.decode(row[0]) for row in rows]


def orders(db: sqlite3.Connection, day: date, part: str = "") -> list[Order]:
    """What is to go wrong in files of `day` that has not gone wrong yet; `part`: which cycles."""
    rows = db.execute("select fault from faults where bank_day = ?", (day.isoformat(),))
    had = [_FAULT.decode(row[0]) for row in rows]
    return [_left(order, had) for order in _planned(db, day, part)]


def keep(db: sqlite3.Connection, day: date, faults: list[Fault]) -> None:
    """Remember what went wrong in files that were closed on `day`."""
    rows = [(day.isoformat(), _ENCODER.encode(fault)) for fault in faults]
    db.executemany("insert into faults (bank_day, fault) values (?, ?)", rows)


def _planned(db: sqlite3.Connection, day: date, part: str) -> list[Order]:
    query = "select plan from fault_plans where bank_day = ?"
    row = db.execute(query, (day.isoformat(),)).fetchone()
    if row is not None:
        plan = _PLAN.decode(row[0])
        return [Order(ANY_RAIL, frozenset(RAILS), plan, plan.seed, part=part)]
    rows = db.execute("select rail, plan from standing_faults order by rail").fetchall()
    named = {rail for rail, _ in rows}
    return [
        Order(scope, rails, standing.faults, standing.seed, part=part)
        for scope, plan in rows
        for standing in (_STANDING.decode(plan),)
        for rails in (frozenset(RAILS) - named if scope == ANY_RAIL else frozenset({scope}),)
    ]


def _left(order: Order, had: list[Fault]) -> Order:
    done = Counter(
        fault.fault
        for fault in had
        if fault.kind == KINDS[fault.fault][0]
        and (fault.rail in order.rails or (fault.rail is None and order.scope == ANY_RAIL))
    )
    # Of a file that was cut short each row is told; the files are counted.
    done["partial_settlement_file"] = len(
        {fault.settlement_id for fault in had if fault.settlement_id and fault.rail in order.rails}
    )
    left = {name: max(getattr(order.faults, name) - done[name], 0) for name in KINDS}
    faults = FileFaults(**left)
    return msgspec.structs.replace(order, faults=faults, done=dict(done))
