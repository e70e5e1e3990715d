"""Why a bank will not do something to an earlier payment.

Belongs here: the rules of captures, voids, reversals and refunds, read from the records. Does
not: what happens when it will (`bank.py`). A refusal is an answer like any other.
"""

import sqlite3
from typing import Final

from online.sandbox import disputes, records
from online.sandbox.behaviour import Operation, Outcome
from online.sandbox.records import StoredOperation

NOT_FOUND: Final = Outcome("declined", "25", "No such payment at this bank")
WRONG_STATE: Final = Outcome("declined", "12", "Not possible for this payment any more")
WRONG_AMOUNT: Final = Outcome("declined", "13", "A reversal undoes all that was captured")
TOO_MUCH: Final = Outcome("declined", "61", "More than is left of this payment")
CANCELED: Final = Outcome("declined", "17", "Canceled by the merchant")


def refusal(
    db: sqlite3.Connection, operation: Operation, amount_minor: int, root: str, *, asks: str = ""
) -> Outcome | None:
    """Why the bank will not do this to a payment; None: it will. `asks`: the operation itself,
    where it is among those under way.
    """
    payment = records.find(db, root)
    if payment is None:
        return NOT_FOUND
    if payment.operation != "authorize" or payment.reversed:
        return WRONG_STATE
    if payment.kind == "p2p":
        # Its payer may still be waited for; what people have sent each other, nobody takes back.
        waits = operation == "void" and payment.pending_kind == "later"
        return None if waits else WRONG_STATE
    if operation == "void" and payment.pending_kind in ("payer", "challenge"):
        return None
    if payment.answer.status != "approved" and payment.pending_kind != "deemed":
        return WRONG_STATE
    if operation == "refund":
        return TOO_MUCH if amount_minor > refundable_minor(db, payment, but=asks) else None
    if operation == "reverse":
        return _of_reversal(db, payment, amount_minor)
    gone = payment.captured_minor + records.released(db, payment.reference)
    left_to_capture = payment.amount_minor - gone
    if payment.voided or left_to_capture == 0:
        return WRONG_STATE
    # A void releases all that is left, whatever amount it names; an extension keeps all of it.
    part = operation in ("capture", "release")
    return TOO_MUCH if part and amount_minor > left_to_capture else None


def refundable_minor(db: sqlite3.Connection, payment: StoredOperation, *, but: str = "") -> int:
    """Captured, and neither given back nor about to be, nor in dispute."""
    taken = payment.refunded_minor + records.refunds_under_way(db, payment.reference, but=but)
    return payment.captured_minor - taken - disputes.held_back(db, payment.reference)


def _of_reversal(
    db: sqlite3.Connection, payment: StoredOperation, amount_minor: int
) -> Outcome | None:
    """Only what nobody has touched since, and no file has told of."""
    touched = refundable_minor(db, payment) != payment.captured_minor
    if payment.captured_minor == 0 or touched:
        return WRONG_STATE
    if amount_minor != payment.captured_minor:
        return WRONG_AMOUNT
    closed = records.last_closed(db)
    days = [capture.bank_day for capture in records.captures_of(db, payment.reference)]
    return WRONG_STATE if closed is not None and min(days) <= closed else None
