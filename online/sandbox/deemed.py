"""Deemed approvals: the payer of a UPI payment is debited, and the payee's bank has still to say
whether it has the money.

Belongs here: how one ends, and what moves by it. Does not: who is told (`callbacks.py`). The
switch settles it as a success at once: a return is a row of its own in the file of its day.
"""

import sqlite3
from datetime import datetime

import msgspec

from online.kernel.errors import Conflict, NotFound
from online.sandbox import moves, records
from online.sandbox.answers import Answers
from online.sandbox.behaviour import RET, TCC, Outcome
from online.sandbox.records import Eventual, StoredOperation
from online.sandbox.wire import Answer


def end(
    db: sqlite3.Connection,
    stored: StoredOperation,
    eventual: Eventual,
    at: datetime,
    *,
    answers: Answers,
) -> Answer:
    """TCC or RET. What was undone meanwhile cannot go back a second time: it was credited."""
    now = records.find(db, stored.reference)
    assert now is not None  # it is what ends
    returned = eventual.outcome.status != "approved" and not now.reversed
    answer = _answer(answers, stored, eventual if returned else Eventual(_credited(eventual)))
    records.finish(db, stored.reference, answer)
    if returned and now.captured_minor:
        moves.send_back(db, stored, at, seed=answers.seed)
    return answer


def decide(
    db: sqlite3.Connection, reference: str, *, credited: bool, at: datetime, answers: Answers
) -> tuple[str, Answer]:
    """What somebody makes the payee's bank say. A bank may take a return back, never a credit."""
    stored = records.find(db, reference)
    if stored is None:
        raise NotFound("no such operation", param="reference")
    wanted = TCC if credited else RET
    if stored.pending_kind == "deemed":
        return stored.rail, end(db, stored, Eventual(wanted), at, answers=answers)
    if stored.answer.code == wanted.code:
        return stored.rail, stored.answer
    if stored.answer.code != RET.code:
        raise Conflict("the payment is not deemed", param="reference")
    answer = _answer(answers, stored, Eventual(TCC))
    records.amend(db, reference, answer)
    moves.credit_again(db, stored, at)
    return stored.rail, answer


def _answer(answers: Answers, stored: StoredOperation, eventual: Eventual) -> Answer:
    return msgspec.structs.replace(answers.last(stored, eventual), funding=stored.answer.funding)


def _credited(eventual: Eventual) -> Outcome:
    return eventual.outcome if eventual.outcome.status == "approved" else TCC
