"""The bank's memory of operations and of the money they moved: typed rows, one function a query.

Belongs here: SQL on `operations` and `movements`. Does not: what a bank decides (`bank.py`) and
what it writes at the close of a day (`closing.py`).
"""

import sqlite3
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from online.sandbox.behaviour import Operation, Outcome
from online.sandbox.cycles import bank_day
from online.sandbox.wire import Answer, Checks

AGAIN: Final = "/"  # in no reference of the gateway
MovementType = Literal[
    "PAY", "REFUND", "REVERSAL", "CHARGEBACK", "PAYOUT", "PAYOUT_RETURN", "P2P", "P2P_RETURN"
]
PAYOUTS: Final = frozenset({"PAYOUT", "PAYOUT_RETURN"})
P2P: Final = frozenset({"P2P", "P2P_RETURN"})
PendingKind = Literal["payer", "later", "unseen", "challenge", "deemed"]

_ENCODER: Final = msgspec.json.Encoder()
_ANSWER: Final = msgspec.json.Decoder(Answer)
# The columns of a `StoredOperation`, in its order.
_FIND: Final = """
    select reference, idempotency_key, fingerprint, rail, operation, amount, root, capture, answer,
        instrument, created_at, pending_kind, captured, refunded, voided, reversed, eventual,
        dispute_reason, return_url, failing_enquiries, kind
    from operations """
_FIND_BY_REFERENCE: Final = _FIND + "where reference = ?"
_FIND_BY_KEY: Final = _FIND + "where idempotency_key = ?"
_FIND_RIPE: Final = (
    _FIND
    + """where pending_kind in ('later', 'unseen', 'deemed') and eventual is not null
        and created_at <= ?
    order by created_at, reference"""
)
_INSERT: Final = """
    insert into operations (reference, idempotency_key, fingerprint, rail, operation, amount, root,
        capture, answer, instrument, created_at, pending_kind, captured, refunded, voided,
        reversed, eventual, dispute_reason, return_url, failing_enquiries, kind, status,
        rail_reference)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# The columns of a `Movement`, in its order.
_CAPTURES: Final = """
    select reference, rail, type, amount, moved_at, bank_day, report_on, rrn, network_ref, payee,
        fee_back, gst_back
    from movements
    where type = 'PAY' and reference in (
        select ?1 union all
        select reference from operations where root = ?1 and operation <> 'authorize')
    order by moved_at, reference"""
_UNREPORTED: Final = """
    select reference, rail, type, amount, moved_at, bank_day, report_on, rrn, network_ref, payee,
        fee_back, gst_back
    from movements
    where reported_on is null and report_on <= ?
    order by moved_at, reference"""
_REFUSED: Final = """
    select reference, rail, amount, created_at, rail_reference, answer
    from operations
    where operation = 'authorize' and kind = 'p2m' and status = 'declined'
        and created_at > ? and created_at <= ?
    order by reference"""
_MOVE: Final = """
    insert into movements (reference, rail, type, amount, moved_at, bank_day, report_on, rrn,
        network_ref, payee, fee_back, gst_back)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Eventual(msgspec.Struct, frozen=True):
    """What a pending operation comes to, unless it is refused or too late."""

    outcome: Outcome
    checks: Checks | None = None
    payee: str | None = None  # of a payout


_EVENTUAL: Final = msgspec.json.Decoder(Eventual)


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
    pending_kind: PendingKind | None = None
    captured_minor: int = 0
    refunded_minor: int = 0
    voided: bool = False
    reversed: bool = False
    eventual: Eventual | None = None
    dispute_reason: str | None = None
    return_url: str | None = None
    failing_enquiries: int = 0
    kind: Literal["p2m", "p2p"] = "p2m"


class Refused(msgspec.Struct, frozen=True):
    """A payment that was declined."""

    reference: str
    rail: str
    amount_minor: int
    at: datetime
    rrn: str
    network_ref: str | None


class Movement(msgspec.Struct, frozen=True):
    """Money that moved on a rail; `amount_minor` is positive. What moved once more under the same
    reference has a suffix to it.
    """

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
    fee_back_minor: int = 0
    gst_back_minor: int = 0

    @property
    def order_ref(self) -> str:
        """What the gateway knows it by."""
        return self.reference.partition(AGAIN)[0]


def _operation_of(row: tuple[object, ...]) -> StoredOperation:
    fields = dict(zip(StoredOperation.__struct_fields__, row, strict=True))
    fields["answer"] = _ANSWER.decode(row[8])  # type: ignore[arg-type]
    fields["capture"] = bool(row[7])
    fields["created_at"] = datetime.fromisoformat(str(row[10]))
    fields["voided"], fields["reversed"] = bool(row[14]), bool(row[15])
    fields["eventual"] = None if row[16] is None else _EVENTUAL.decode(row[16])  # type: ignore[arg-type]
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
        *(int(stored.reversed), stored.eventual and _ENCODER.encode(stored.eventual)),
        *(stored.dispute_reason, stored.return_url, stored.failing_enquiries, stored.kind),
        *(stored.answer.status, stored.answer.rail_reference),
    )
    db.execute(_INSERT, values)


def ripe(db: sqlite3.Connection, born_by: datetime) -> list[StoredOperation]:
    """What ends by itself and is that old, the oldest first; not what somebody has to decide."""
    return [_operation_of(row) for row in db.execute(_FIND_RIPE, (born_by.isoformat(),))]


def finish(db: sqlite3.Connection, reference: str, answer: Answer) -> None:
    """A pending operation reaches its end."""
    db.execute(
        "update operations set status = ?, answer = ?, pending_kind = null"
        " where reference = ? and pending_kind is not null",
        (answer.status, _ENCODER.encode(answer), reference),
    )


def use_up_failing_enquiry(db: sqlite3.Connection, reference: str) -> bool:
    """Whether an enquiry about this operation was still to fail; now one less is."""
    sql = (
        "update operations set failing_enquiries = failing_enquiries - 1"
        " where reference = ? and failing_enquiries > 0"
    )
    return db.execute(sql, (reference,)).rowcount == 1


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


def set_standing(db: sqlite3.Connection, root: str) -> None:
    """A payment that was undone is there again."""
    db.execute("update operations set reversed = 0, voided = 0 where reference = ?", (root,))


def amend(db: sqlite3.Connection, reference: str, answer: Answer) -> None:
    """What was said to be the end was not."""
    db.execute(
        "update operations set status = ?, answer = ? where reference = ?",
        (answer.status, _ENCODER.encode(answer), reference),
    )


def set_reversed(db: sqlite3.Connection, root: str) -> None:
    """All of a payment was undone; what was never taken is released with it."""
    db.execute("update operations set reversed = 1, voided = 1 where reference = ?", (root,))


def released(db: sqlite3.Connection, root: str) -> int:
    """The sum of the parts of an authorization that were let go."""
    query = (
        "select coalesce(sum(amount), 0) from operations where root = ?"
        " and operation <> 'authorize' and operation = 'release' and status = 'approved'"
    )
    return int(db.execute(query, (root,)).fetchone()[0])


def refunds_under_way(db: sqlite3.Connection, root: str, *, but: str = "") -> int:
    """The sum of refunds that wait for their end, but for one."""
    query = (
        "select coalesce(sum(amount), 0) from operations where root = ?"
        " and operation <> 'authorize' and operation = 'refund' and pending_kind is not null"
        " and reference <> ?"
    )
    return int(db.execute(query, (root, but)).fetchone()[0])


def last_closed(db: sqlite3.Connection) -> date | None:
    """The last bank day that is closed."""
    value = db.execute("select max(bank_day) from statements").fetchone()[0]
    return None if value is None else date.fromisoformat(value)


def open_day(db: sqlite3.Connection, at: datetime) -> date:
    """The bank day of what moves at `at`, or the next one that is still open."""
    day, closed = bank_day(at), last_closed(db)
    return closed + timedelta(days=1) if closed is not None and closed >= day else day


def add_movement(db: sqlite3.Connection, moved: Movement) -> None:
    """Money moved."""
    values = (
        *(moved.reference, moved.rail, moved.type, moved.amount_minor, moved.moved_at.isoformat()),
        *(moved.bank_day.isoformat(), moved.report_on.isoformat()),
        *(moved.rrn, moved.network_ref, moved.payee),
        *(moved.fee_back_minor, moved.gst_back_minor),
    )
    db.execute(_MOVE, values)


def captures_of(db: sqlite3.Connection, root: str) -> list[Movement]:
    """What was taken of an authorization, with it or after it."""
    return [_movement_of(row) for row in db.execute(_CAPTURES, (root,))]


def unreported(db: sqlite3.Connection, day: date) -> list[Movement]:
    """What the files of `day` have to show, in the order they show it."""
    return [_movement_of(row) for row in db.execute(_UNREPORTED, (day.isoformat(),))]


def refused(
    db: sqlite3.Connection, rails: Collection[str], after: datetime, until: datetime
) -> list[Refused]:
    """Payments of some rails that were declined in a span of time."""
    span = (after.astimezone(UTC).isoformat(), until.astimezone(UTC).isoformat())
    return [
        Refused(
            *(reference, rail, amount_minor, datetime.fromisoformat(created_at), rrn),
            network_ref=_ANSWER.decode(answer).network_reference,
        )
        for reference, rail, amount_minor, created_at, rrn, answer in db.execute(_REFUSED, span)
        if rail in rails
    ]


def _movement_of(row: tuple[Any, ...]) -> Movement:
    reference, rail, kind, amount_minor, moved_at, bank_day_of, report_on, *rest = row
    return Movement(
        reference,
        rail,
        kind,
        amount_minor,
        datetime.fromisoformat(moved_at),
        date.fromisoformat(bank_day_of),
        date.fromisoformat(report_on),
        *rest,
    )
