"""What moves when an operation has effect: money, or the right to it.

Belongs here: effects on the records. Does not: whether and when (`bank.py`), and how a movement
looks in a file (`switch_file.py`).
"""

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from online.sandbox import disputes, mandates, numbers, records
from online.sandbox.disputes import Dispute
from online.sandbox.rails import RAILS
from online.sandbox.records import Movement, MovementType, StoredOperation
from online.sandbox.switch_file import charges

_BETWEEN_PEOPLE: Final[dict[MovementType, MovementType]] = {"PAY": "P2P", "REVERSAL": "P2P_RETURN"}


def take_effect(
    db: sqlite3.Connection,
    stored: StoredOperation,
    *,
    at: datetime,
    seed: int,
    payee: str | None = None,
    returned: bool = False,
) -> Dispute | None:
    """An approved operation moves money at `at`. Money may be disputed at once."""
    amount_minor = stored.amount_minor
    if stored.operation in ("release", "extend"):
        return None  # moves nothing: what is left is counted from the operations
    if stored.operation == "mandate":
        mandates.set_status(db, stored.reference, "active")
        return None
    if stored.operation == "mandate_revoke":
        mandates.set_status(db, stored.root, "revoked")
        return None
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
        if returned:
            _send_payout_back(db, stored, at, seed=seed, payee=payee)
    elif stored.operation == "capture" or stored.capture:
        records.add_captured(db, stored.root, amount_minor)
        _move(db, stored, "PAY", at)
        return _disputed_at_once(db, stored.root, at, seed)
    return None


def _send_payout_back(
    db: sqlite3.Connection, stored: StoredOperation, at: datetime, *, seed: int, payee: str | None
) -> None:
    """The beneficiary's bank returns it: on the statement of the next day, naming the payout."""
    name = f"{stored.reference}{records.AGAIN}ret"
    rrn = numbers.rail_reference(RAILS[stored.rail], seed, name, at)
    _move(db, stored, "PAYOUT_RETURN", at, payee=payee, again=(name, rrn), after=timedelta(days=1))


def send_back(db: sqlite3.Connection, stored: StoredOperation, at: datetime, *, seed: int) -> None:
    """The payee's bank returns a payment that counted as one: the file shows it under the payment's
    reference, with a number of its own."""
    rail = RAILS[stored.rail]
    fee_back, gst_back = charges(rail, stored.amount_minor)
    records.set_reversed(db, stored.reference)
    name = f"{stored.reference}{records.AGAIN}ret"
    rrn = numbers.rail_reference(rail, seed, name, at)
    _move(db, stored, "REVERSAL", at, fee_back=fee_back, gst_back=gst_back, again=(name, rrn))


def credit_again(db: sqlite3.Connection, stored: StoredOperation, at: datetime) -> None:
    """A return that was none: the payment is in the file once more."""
    records.set_standing(db, stored.reference)
    name = f"{stored.reference}{records.AGAIN}tcc"
    _move(db, stored, "PAY", at, again=(name, stored.answer.rail_reference))


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
    again: tuple[str, str] | None = None,
    after: timedelta = timedelta(),
) -> None:
    """Money of an operation moves, on the bank day that is open. `again`: the name and number of
    what moves under it once more."""
    day = records.open_day(db, at)
    reference, rrn = again or (stored.reference, stored.answer.rail_reference)
    if stored.kind == "p2p":
        # None of it comes through us: there is nothing to charge.
        kind, fee_back, gst_back = _BETWEEN_PEOPLE[kind], 0, 0
    movement = Movement(
        reference=reference,
        rail=stored.rail,
        type=kind,
        amount_minor=stored.amount_minor,
        moved_at=at,
        bank_day=day,
        report_on=day + after,
        rrn=rrn,
        network_ref=stored.answer.network_reference,
        payee=payee,
        fee_back_minor=fee_back,
        gst_back_minor=gst_back,
    )
    records.add_movement(db, movement)
