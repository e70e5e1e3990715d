"""Disputes: a payer's bank takes a payment back, unless the merchant's evidence convinces it.

Belongs here: the rules and the one table. Does not: who is told (`app.py`). Money moves only when
a dispute is lost: as a chargeback, in that day's file.
"""

import sqlite3
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from online.kernel.errors import Conflict, InvalidRequest, NotFound
from online.sandbox import numbers, records
from online.sandbox.rails import CURRENCY, RAILS
from online.sandbox.records import Movement, StoredOperation
from online.sandbox.wire import DisputeView, OpenDispute

Verdict = Literal["won", "lost"]
_FIND: Final = """
    select reference, original_reference, rail, amount, reason_code, status, rail_reference,
        network_reference, opened_at, respond_by, evidence
    from disputes """


class Dispute(msgspec.Struct, frozen=True):
    """One row; `rail_reference` and `network_reference` are those of the chargeback."""

    reference: str
    original_reference: str
    rail: str
    amount_minor: int
    reason_code: str
    status: Literal["open", "won", "lost"]
    rail_reference: str
    network_reference: str | None
    opened_at: datetime
    respond_by: datetime
    evidence: str | None = None

    def view(self) -> DisputeView:
        return DisputeView(
            reference=self.reference,
            original_reference=self.original_reference,
            amount=self.amount_minor,
            currency=CURRENCY,
            reason_code=self.reason_code,
            status=self.status,
            respond_by=self.respond_by,
        )


def reference_of(authorization: str) -> str:
    """`dsp_` and what names the authorizing attempt."""
    return f"dsp_{authorization.partition('_')[2] or authorization}"


def find(db: sqlite3.Connection, reference: str) -> Dispute | None:
    return _one(db, _FIND + "where reference = ?", reference)


def of_payment(db: sqlite3.Connection, root: str) -> Dispute | None:
    """The dispute of an authorization; there is never a second one."""
    return _one(db, _FIND + "where original_reference = ?", root)


def held_back(db: sqlite3.Connection, root: str) -> int:
    """How much of a payment cannot be refunded, since a dispute has it or took it."""
    dispute = of_payment(db, root)
    return dispute.amount_minor if dispute is not None and dispute.status != "won" else 0


def open_one(
    db: sqlite3.Connection,
    payment: StoredOperation,
    *,
    at: datetime,
    seed: int,
    amount_minor: int | None = None,
    reason_code: str | None = None,
) -> Dispute:
    """The payer of a captured payment disputes it, by default all that is left."""
    if of_payment(db, payment.reference) is not None:
        raise Conflict("the payment is disputed already", param="original_reference")
    taken = payment.refunded_minor + records.refunds_under_way(db, payment.reference)
    left = 0 if payment.reversed else payment.captured_minor - taken
    if left == 0:
        raise Conflict("nothing of the payment is left to dispute", param="original_reference")
    if amount_minor is not None and amount_minor > left:
        raise InvalidRequest(f"at most {left} can be disputed", param="amount")
    rail = RAILS[payment.rail]
    reference = reference_of(payment.reference)
    if find(db, reference) is not None:
        raise Conflict("another dispute has this reference", param="original_reference")
    dispute = Dispute(
        reference=reference,
        original_reference=payment.reference,
        rail=rail.name,
        amount_minor=amount_minor or left,
        reason_code=reason_code or rail.dispute_reason,
        status="open",
        rail_reference=numbers.rail_reference(rail, seed, reference, at),
        network_reference=payment.answer.network_reference,
        opened_at=at,
        respond_by=at + timedelta(days=rail.evidence_days),
    )
    row = (
        *(dispute.reference, dispute.original_reference, dispute.rail, dispute.amount_minor),
        *(dispute.reason_code, dispute.status, dispute.rail_reference),
        *(dispute.network_reference, at.isoformat(), dispute.respond_by.isoformat(), None),
    )
    db.execute("insert into disputes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return dispute


def open_for(db: sqlite3.Connection, asked: OpenDispute, *, at: datetime, seed: int) -> Dispute:
    """The same for a payment by the reference of any of its operations."""
    known = records.find(db, asked.original_reference)
    payment = records.find(db, known.root) if known is not None else None
    if payment is None or payment.operation != "authorize":
        raise NotFound("no such payment", param="original_reference")
    return open_one(
        db,
        payment,
        at=at,
        seed=seed,
        amount_minor=asked.amount,
        reason_code=asked.reason_code,
    )


def decide(db: sqlite3.Connection, reference: str, verdict: Verdict, at: datetime) -> Dispute:
    """The payer's bank decides; `lost` takes the money back. The same verdict again is no news."""
    dispute = find(db, reference)
    if dispute is None:
        raise NotFound("no such dispute", param="reference")
    if dispute.status == verdict:
        return dispute
    if dispute.status != "open":
        raise Conflict(f"the dispute is already {dispute.status}", param="reference")
    db.execute("update disputes set status = ? where reference = ?", (verdict, reference))
    if verdict == "lost":
        day = records.open_day(db, at)
        chargeback = Movement(
            reference=dispute.reference,
            rail=dispute.rail,
            type="CHARGEBACK",
            amount_minor=dispute.amount_minor,
            moved_at=at,
            bank_day=day,
            report_on=day,
            rrn=dispute.rail_reference,
            network_ref=dispute.network_reference,
            payee=None,
        )
        records.add_movement(db, chargeback)
    return msgspec.structs.replace(dispute, status=verdict)


def take_evidence(db: sqlite3.Connection, rail: str, reference: str, evidence: str) -> None:
    """What the merchant says; the last word counts, as long as the dispute is open."""
    dispute = find(db, reference)
    if dispute is None or dispute.rail != rail:
        raise NotFound("no such dispute", param="reference")
    if dispute.status != "open":
        raise Conflict(f"the dispute is already {dispute.status}", param="reference")
    db.execute("update disputes set evidence = ? where reference = ?", (evidence, reference))


def _one(db: sqlite3.Connection, query: str, key: str) -> Dispute | None:
    row = db.execute(query, (key,)).fetchone()
    if row is None:
        return None
    fields = dict(zip(Dispute.__struct_fields__, row, strict=True))
    for name in ("opened_at", "respond_by"):
        fields[name] = datetime.fromisoformat(fields[name])
    return Dispute(**fields)
