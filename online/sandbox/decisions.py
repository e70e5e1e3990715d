"""What a bank decides about an operation: the outcome, and which payment it belongs to.

Belongs here: the order in which reasons count. Does not: the tables (`magic.py`, `script.py`),
the rules of refusal (`refusals.py`), and what an outcome does (`bank.py`).
"""

import sqlite3
from datetime import date

from online.sandbox import cards, magic, mandates, payees, records
from online.sandbox.behaviour import APPROVED, Operation, Outcome
from online.sandbox.rails import Rail
from online.sandbox.refusals import NOT_FOUND, refusal
from online.sandbox.wire import OperationRequest, UpiPart


def decide(
    db: sqlite3.Connection,
    rail: Rail,
    operation: Operation,
    request: OperationRequest,
    *,
    scripted: Outcome | None,
    today: date,
) -> tuple[str, Outcome | None]:
    """The authorization it belongs to and the outcome; no outcome: the payer has to act.

    What is impossible is refused; then counts what the caller asked for by a magic value, then
    the script.
    """
    root = request.reference
    if operation in ("capture", "void", "release", "extend", "reverse", "refund"):
        original = records.find(db, request.original_reference or "")
        if original is None or original.rail != rail.name:
            return root, NOT_FOUND
        root = original.root
        no = refusal(db, operation, request.amount, root)
        if no is not None:
            return root, no
    if operation == "mandate_revoke":
        no = mandates.refusal_of_revocation(db, rail.name, request.original_reference or "")
        if no is not None:
            return root, no
        root = request.original_reference or ""
    asked_for = magic.of_amount(operation, request.amount, rail.method)
    if request.upi is not None and request.upi.mandate is not None:
        final, outcome = mandates.decide(db, rail.name, request, today)
        return root, outcome if final else asked_for or _waits(request.upi, outcome, scripted)
    asked_for = asked_for or _of_instrument(request, today)
    return root, asked_for or scripted or _ordinary(request)


def _of_instrument(request: OperationRequest, today: date) -> Outcome | None:
    if request.card is not None:
        return cards.decide(request.card, today)
    if request.beneficiary is not None:
        return payees.outcome_of(request.beneficiary, request.amount)
    if request.upi is not None and request.upi.payer_vpa is not None:
        asks = magic.of_vpa if request.mandate is None else magic.of_mandate
        return asks(request.upi.payer_vpa)
    return None


def _waits(upi: UpiPart, outcome: Outcome | None, scripted: Outcome | None) -> Outcome | None:
    """Of a debit under a mandate: who has to give their PIN is waited for, whatever the script."""
    return outcome if upi.factor_required or outcome is not APPROVED else scripted or outcome


def _ordinary(request: OperationRequest) -> Outcome | None:
    waits_for_payer = request.upi is not None and request.upi.payer_vpa is None
    return None if waits_for_payer else APPROVED
