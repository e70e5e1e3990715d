"""The bank's memory of operations and of the money they moved: typed rows, one function a query.

Belongs here: SQL on `operations` and `movements`. Does not: what a bank decides (`bank.py`) and
what it writes at the close of a day (`closing.py`).
"""

import sqlite3
from datetime import date, datetime, timedelta
from typing import Final, Literal

import msgspec

from online.kernel.clock import IST
from online.sandbox.magic import Operation
from online.sandbox.wire import Answer

MovementType = Literal["PAY", "REFUND", "PAYOUT"]
CUT_OFF_HOUR: Final = 21

_ENCODER: Final = msgspec.json.Encoder()
_ANSWER: Final = msgspec.json.Decoder(Answer)
# The columns of a `StoredOperation`, in its order.
_FIND: Final = """
    select reference, idempotency_key, fingerprint, rail, operation, amount, root, capture, answer,
        instrument, created_at, pending_kind, captured, refunded, voided
    from operations """
_FIND_BY_REFERENCE: Final = _FIND + "where reference = ?"
_FIND_BY_KEY: Final = _FIND + "where idempotency_key = ?"
_INSERT: Final = """
    insert into operations (reference, idempotency_key, fingerprint, rail, operation, amount, root,
        capture, answer, instrument, created_at, pending_kind, captured, refunded, voided,
        status, rail_reference)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class StoredOperation(msgspec.Struct, frozen=True):
    """One operation as the bank remembers it."""

    reference: str
    idempotency_key: str
    fingerprint: str
    rail: str
    operation: Operation
    amount_minor: int
    root: str
    capture: bool
    answer: Answer
    instrument: str
    created_at: datetime
    pending_kind: Literal["payer", "later"] | None = None
    captured_minor: int = 0
    refunded_minor: int = 0
    voided: bool = False


class Movement(msgspec.Struct, frozen=True):
    """Money that moved on a rail; `amount_minor` is positive."""

    reference: str
    rail: str
    type: MovementType
    amount_minor: int
    moved_at: datetime
    bank_day: date
    report_on: date
    rrn: str
    network_ref: str | None
    payee: str | None


def bank_day(at: datetime) -> date:
    """The bank's day of an instant: D runs from D-1 21:00 (excluded) to D 21:00 IST."""
    local = at.astimezone(IST)
    cut_off = local.replace(hour=CUT_OFF_HOUR, minute=0, second=0, microsecond=0)
    return local.date() if local <= cut_off else local.date() + timedelta(days=1)


def _operation_of(row: tuple[object, ...]) -> StoredOperation:
    fields = dict(zip(StoredOperation.__struct_fields__, row, strict=True))
    fields["answer"] = _ANSWER.decode(row[8])  # type: ignore[arg-type]
    fields["capture"] = bool(row[7])
    fields["created_at"] = datetime.fromisoformat(str(row[10]))
    fields["voided"] = bool(row[14])
    return StoredOperation(**fields)  # type: ignore[arg-type]


def find(db: sqlite3.Connection, reference: str) -> StoredOperation | None:
    """The operation the gateway knows by this reference."""
    row = db.execute(_FIND_BY_REFERENCE, (reference,)).fetchone()
    return None if row is None else _operation_of(row)


def find_by_key(db: sqlite3.Connection, idempotency_key: str) -> StoredOperation | None:
    """The operation that this idempotency key made."""
    row = db.execute(_FIND_BY_KEY, (idempotency_key,)).fetchone()
    return None if row is None else _operation_of(row)


def insert(db: sqlite3.Connection, stored: StoredOperation) -> None:
    """Remember a new operation."""
    values = (
        *(stored.reference, stored.idempotency_key, stored.fingerprint, stored.rail),
        *(stored.operation, stored.amount_minor, stored.root, int(stored.capture)),
        *(_ENCODER.encode(stored.answer), stored.instrument, stored.created_at.isoformat()),
        *(stored.pending_kind, stored.captured_minor, stored.refunded_minor, int(stored.voided)),
        *(stored.answer.status, stored.answer.rail_reference),
    )
    db.execute(_INSERT, values)


def finish(db: sqlite3.Connection, reference: str, answer: Answer, captured_minor: int) -> None:
    """A pending operation reaches its end."""
    db.execute(
        "update operations set status = ?, answer = ?, pending_kind = null, captured = ?"
        " where reference = ? and pending_kind is not null",
        (answer.status, _ENCODER.encode(answer), captured_minor, reference),
    )


def add_captured(db: sqlite3.Connection, root: str, amount_minor: int) -> None:
    """Part of an authorization was taken."""
    sql = "update operations set captured = captured + ? where reference = ?"
    db.execute(sql, (amount_minor, root))


def add_refunded(db: sqlite3.Connection, root: str, amount_minor: int) -> None:
    """Part of what was captured went back."""
    sql = "update operations set refunded = refunded + ? where reference = ?"
    db.execute(sql, (amount_minor, root))


def set_voided(db: sqlite3.Connection, root: str) -> None:
    """What is left of an authorization was released."""
    db.execute("update operations set voided = 1 where reference = ?", (root,))


def rail_reference_taken(db: sqlite3.Connection, rail: str, rail_reference: str) -> bool:
    """Whether another operation of this rail has this reference number."""
    query = "select 1 from operations where rail = ? and rail_reference = ?"
    return db.execute(query, (rail, rail_reference)).fetchone() is not None


def add_movement(
    db: sqlite3.Connection,
    stored: StoredOperation,
    kind: MovementType,
    *,
    at: datetime,
    payee: str | None = None,
) -> None:
    """Money moved now: on the bank day of `at`, or on the next one that is still open."""
    day = bank_day(at)
    closed = db.execute("select max(bank_day) from statements").fetchone()[0]
    if closed is not None and date.fromisoformat(closed) >= day:
        day = date.fromisoformat(closed) + timedelta(days=1)
    values = (
        *(stored.reference, stored.rail, kind, stored.amount_minor, at.isoformat()),
        *(day.isoformat(), day.isoformat()),
        *(stored.answer.rail_reference, stored.answer.network_reference, payee),
    )
    db.execute(
        "insert into movements (reference, rail, type, amount, moved_at, bank_day, report_on,"
        " rrn, network_ref, payee) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def unreported(db: sqlite3.Connection, day: date) -> list[Movement]:
    """What the files of `day` have to show, in the order they show it."""
    rows = db.execute(
        "select reference, rail, type, amount, moved_at, bank_day, report_on, rrn, network_ref,"
        " payee from movements where reported_on is null and report_on <= ?"
        " order by moved_at, reference",
        (day.isoformat(),),
    )
    return [
        Movement(
            reference,
            rail,
            kind,
            amount_minor,
            datetime.fromisoformat(moved_at),
            date.fromisoformat(bank_day_of),
            date.fromisoformat(report_on),
            rrn=rest[0],
            network_ref=rest[1],
            payee=rest[2],
        )
        for reference, rail, kind, amount_minor, moved_at, bank_day_of, report_on, *rest in rows
    ]
