"""Mandates at the bank: what payers permit, debits under them, and what payers do in their apps.

Belongs here: the records of mandates and the rules of their debits, run inside the records'
transaction. Does not: HTTP (`mandate_calls.py`), what an operation's answer looks like (`bank.py`).
"""

import sqlite3
from datetime import date
from typing import Final, Literal

from msgspec import Struct

from online.kernel.errors import Conflict, NotFound
from online.sandbox import magic
from online.sandbox.behaviour import APPROVED, Outcome
from online.sandbox.records import StoredOperation
from online.sandbox.refusals import NOT_FOUND, TOO_MUCH
from online.sandbox.wire import Notice, OperationRequest

Status = Literal["pending", "active", "paused", "revoked", "failed"]
REVOKED: Final = Outcome("declined", "JPMR", "The mandate is revoked")
PAUSED: Final = Outcome("declined", "JPMP", "The mandate is paused")
EXPIRED: Final = Outcome("declined", "JPMX", "The mandate has expired")
_INSTEAD: Final = {"revoked": REVOKED, "paused": PAUSED}
_AFTER: Final[dict[str, tuple[Status, frozenset[Status]]]] = {
    "pause": ("paused", frozenset({"active"})),
    "resume": ("active", frozenset({"paused"})),
    "revoke": ("revoked", frozenset({"active", "paused"})),
}


class Mandate(Struct, frozen=True):
    """A row of `mandates`; `reference` is the gateway's attempt that asked for it."""

    reference: str
    rail: str
    vpa: str
    amount_minor: int
    is_exact: bool
    start_on: date
    end_on: date
    umn: str
    status: Status


def find(db: sqlite3.Connection, reference: str) -> Mandate | None:
    row = db.execute(
        "select reference, rail, vpa, amount, is_exact, start_on, end_on, umn, status"
        " from mandates where reference = ?",
        (reference,),
    ).fetchone()
    if row is None:
        return None
    reference, rail, vpa, amount, is_exact, start_on, end_on, umn, status = row
    days = (date.fromisoformat(start_on), date.fromisoformat(end_on))
    return Mandate(reference, rail, vpa, amount, bool(is_exact), *days, umn, status)


def remember(db: sqlite3.Connection, stored: StoredOperation, request: OperationRequest) -> None:
    """What a payer is asked for, or has said already."""
    asked = request.mandate
    assert asked is not None  # by `wire.check_shape`
    status = {"approved": "active", "pending": "pending"}.get(stored.answer.status, "failed")
    if stored.pending_kind is not None:
        status = "pending"
    db.execute(
        "insert into mandates values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(stored.reference, stored.rail, stored.instrument, stored.amount_minor),
            *(int(asked.amount_rule == "exact"), asked.start_on.isoformat()),
            *(asked.end_on.isoformat(), stored.answer.rail_reference, status),
        ),
    )


def set_status(db: sqlite3.Connection, reference: str, status: Status) -> None:
    db.execute("update mandates set status = ? where reference = ?", (status, reference))


def decide(
    db: sqlite3.Connection, rail: str, request: OperationRequest, today: date
) -> tuple[bool, Outcome | None]:
    """What a debit under a mandate comes to, and whether that is so whatever else is asked for;
    no outcome: its payer has to give their PIN."""
    upi = request.upi
    assert upi is not None  # it names the mandate
    mandate = find(db, upi.mandate or "")
    if mandate is None or mandate.rail != rail or mandate.status in ("pending", "failed"):
        return True, NOT_FOUND
    no = _refusal(mandate, request.amount, today)
    if no is not None:
        return True, no
    before = _debits(db, mandate.reference)
    db.execute("insert into mandate_debits values (?, ?)", (request.reference, mandate.reference))
    asked_for = magic.of_debit(mandate.vpa, before)
    if asked_for is not None:
        return False, asked_for
    return False, None if upi.factor_required else APPROVED


def refusal_of_debit(
    db: sqlite3.Connection, reference: str, amount: int, today: date
) -> Outcome | None:
    """Why a debit that waited for its payer is refused after all; None: it is not, or is none."""
    row = db.execute(
        "select mandate from mandate_debits where reference = ?", (reference,)
    ).fetchone()
    mandate = None if row is None else find(db, row[0])
    return None if mandate is None else _refusal(mandate, amount, today)


def _refusal(mandate: Mandate, amount_minor: int, today: date) -> Outcome | None:
    if mandate.status in _INSTEAD:
        return _INSTEAD[mandate.status]
    if not mandate.start_on <= today <= mandate.end_on:
        return EXPIRED
    wrong = mandate.is_exact and amount_minor != mandate.amount_minor
    return TOO_MUCH if wrong or amount_minor > mandate.amount_minor else None


def _debits(db: sqlite3.Connection, reference: str) -> int:
    query = "select count(*) from mandate_debits where mandate = ?"
    return int(db.execute(query, (reference,)).fetchone()[0])


def refusal_of_revocation(db: sqlite3.Connection, rail: str, reference: str) -> Outcome | None:
    """None: it can be revoked, or is already."""
    mandate = find(db, reference)
    if mandate is None or mandate.rail != rail or mandate.status == "failed":
        return NOT_FOUND
    return None


def payer_acts(db: sqlite3.Connection, reference: str, action: str) -> Mandate:
    """Pause, resume or revoke in the payer's app; the same again is no news."""
    mandate = find(db, reference)
    if mandate is None:
        raise NotFound("no such mandate", param="reference")
    wanted, allowed = _AFTER[action]
    if mandate.status != wanted:
        if mandate.status not in allowed:
            raise Conflict(f"the mandate is {mandate.status}", param="reference")
        set_status(db, reference, wanted)
    return mandate


def take_notice(db: sqlite3.Connection, rail: str, reference: str, notice: Notice) -> None:
    """What the payer is told; the same execution again changes nothing."""
    mandate = find(db, reference)
    if mandate is None or mandate.rail != rail:
        raise NotFound("no such mandate", param="reference")
    if mandate.status not in ("active", "paused"):
        raise Conflict(f"the mandate is {mandate.status}", param="reference")
    db.execute(
        "insert or ignore into mandate_notices values (?, ?, ?, ?)",
        (notice.reference, reference, notice.amount, notice.debit_from.isoformat()),
    )
