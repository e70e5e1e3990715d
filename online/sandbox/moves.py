"""What moves when an operation has effect: money, or the right to it.

Belongs here: effects on the records. Does not: whether and when (`bank.py`), and how a movement
looks in a file (`switch_file.py`).
"""

import sqlite3
from datetime import datetime

from online.sandbox import disputes, records
from online.sandbox.disputes import Dispute
from online.sandbox.rails import RAILS
from online.sandbox.records import Movement, MovementType, StoredOperation
from online.sandbox.switch_file import charges


def take_effect(
    db: sqlite3.Connection,
    stored: StoredOperation,
    *,
    at: datetime,
    seed: int,
    payee: str | None = None,
) -> Dispute | None:
    """An approved operation moves money at `at`. Money may be disputed at once."""
    amount_minor = stored.amount_minor
    if stored.operation == "void":
        records.set_voided(db, stored.root)
    elif stored.operation == "refund":
        records.add_refunded(db, stored.root, amount_minor)
        _move(db, stored, "REFUND", at)
    elif stored.operation == "reverse":
        back = [
            charges(RAILS[m.rail], m.amount_minor) for m in records.captures_of(db, stored.root)
        ]
        records.set_reversed(db, stored.root)
        fee_back, gst_back = (sum(parts) for parts in zip(*back, strict=True))
        _move(db, stored, "REVERSAL", at, fee_back=fee_back, gst_back=gst_back)
    elif stored.operation == "payout":
        _move(db, stored, "PAYOUT", at, payee=payee)
    elif stored.operation == "capture" or stored.capture:
        records.add_captured(db, stored.root, amount_minor)
        _move(db, stored, "PAY", at)
        return _disputed_at_once(db, stored.root, at, seed)
    return None


def _disputed_at_once(db: sqlite3.Connection, root: str, at: datetime, seed: int) -> Dispute | None:
    payment = records.find(db, root)
    if payment is None or payment.dispute_reason is None:
        return None
    if disputes.of_payment(db, root) is not None:
        return None
    return disputes.open_one(db, payment, at=at, seed=seed, reason_code=payment.dispute_reason)


def _move(
    db: sqlite3.Connection,
    stored: StoredOperation,
    kind: MovementType,
    at: datetime,
    *,
    payee: str | None = None,
    fee_back: int = 0,
    gst_back: int = 0,
) -> None:
    """Money of an operation moves, on the bank day that is open."""
    day = records.open_day(db, at)
    movement = Movement(
        reference=stored.reference,
        rail=stored.rail,
        type=kind,
        amount_minor=stored.amount_minor,
        moved_at=at,
        bank_day=day,
        report_on=day,
        rrn=stored.answer.rail_reference,
        network_ref=stored.answer.network_reference,
        payee=payee,
        fee_back_minor=fee_back,
        gst_back_minor=gst_back,
    )
    records.add_movement(db, movement)
