"""A bank at work: operations, enquiries, the payer's own yes or no, and what ends by itself.

Belongs here: what follows a decision, run inside the records' transaction (`writer.py`). Does not:
HTTP, SQL, the decision (`decisions.py`), its words (`answers.py`), its effect (`moves.py`).
Nothing here is raised for a business decline: a decline is an answer and is remembered.
"""

import sqlite3
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from online.kernel.clock import IST, Clock
from online.kernel.errors import Conflict, IdempotencyKeyReused, InvalidRequest, NotFound
from online.sandbox import callbacks, cards, deemed, mandates, moves, payees, records
from online.sandbox.answers import WAITING, Answers
from online.sandbox.behaviour import APPROVED, Funding, Operation, Outcome, Status, When
from online.sandbox.decisions import decide
from online.sandbox.disputes import Dispute
from online.sandbox.links import Scanned
from online.sandbox.rails import RAILS, Rail
from online.sandbox.records import Eventual, PendingKind, StoredOperation
from online.sandbox.refusals import CANCELED, refusal
from online.sandbox.wire import Answer, Checks, OperationRequest

EXPIRED: Final = Outcome("declined", "U69", "The payer did not act in time")
DECLINED_BY_PAYER: Final = Outcome("declined", "ZA", "Declined by customer")
CHALLENGE_EXPIRED: Final = Outcome("declined", "3DS-T", "The payer did not confirm in time")
CHALLENGE_FAILED: Final = Outcome("declined", "3DS-N", "The payer was not authenticated")
_ENDS_LATER: Final[dict[When, PendingKind]] = {
    When.LATER: "later",
    When.UNSEEN: "unseen",
    When.DEEMED: "deemed",
    When.UNDECIDED: "deemed",
    When.CHALLENGE: "challenge",
}


class Reply(msgspec.Struct, frozen=True):
    """An answer, and when the caller gets it; no answer: the request never arrived."""

    answer: Answer | None
    when: When = When.AT_ONCE
    dispute: Dispute | None = None  # that began with it

    @property
    def held(self) -> bool:
        """Until after any caller's time-out."""
        return self.when in (When.HELD, When.UNSEEN, When.LOST)


class Bank:
    """All rails; they differ in data only. `pending_s`: the age at which what ends later ends."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        *,
        pending_s: int = 1,
        payer_expiry_s: int = 900,
        public_url: str = "http://127.0.0.1:8090",
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._pending = timedelta(seconds=pending_s)
        self._payer_expiry = timedelta(seconds=payer_expiry_s)
        self._answers = Answers(seed, public_url)

    def operate(
        self,
        db: sqlite3.Connection,
        rail: Rail,
        operation: Operation,
        request: OperationRequest,
        *,
        idempotency_key: str,
        scripted: Outcome | None = None,
    ) -> Reply:
        """Carry out an operation once; the same key again gets the first answer."""
        now = self._clock.now()
        self.ripen(db, now)
        fingerprint = _fingerprint(rail, operation, request)
        known = records.find_by_key(db, idempotency_key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise IdempotencyKeyReused(
                    "this key came with another request", param="Idempotency-Key"
                )
            return Reply(known.answer)
        if records.find(db, request.reference) is not None:
            raise Conflict("this reference came with another key", param="reference")
        today = now.astimezone(IST).date()
        root, outcome = decide(db, rail, operation, request, scripted=scripted, today=today)
        if outcome is not None and outcome.when is When.LOST:
            return Reply(None, When.LOST)
        stored, eventual = self._read(rail, operation, request, root=root, outcome=outcome, now=now)
        stored = msgspec.structs.replace(stored, idempotency_key=idempotency_key)
        records.insert(db, stored)
        if operation == "mandate":
            mandates.remember(db, stored, request)
        dispute = None
        if stored.answer.status == "approved" or stored.pending_kind == "deemed":
            dispute = self._take_effect(db, stored, eventual, now)
        ends_by_itself = stored.pending_kind in ("later", "unseen", "deemed") and stored.eventual
        if outcome is not None and ends_by_itself:
            self._plan_callback(db, stored, outcome)
        return Reply(stored.answer, outcome.when if outcome else When.AT_ONCE, dispute)

    def enquire(self, db: sqlite3.Connection, rail: Rail, reference: str) -> Answer:
        """What became of an operation."""
        self.ripen(db, self._clock.now())
        stored = records.find(db, reference)
        if stored is None or stored.rail != rail.name or stored.pending_kind == "unseen":
            raise NotFound("no such operation", param="reference")
        return self._present(db, stored)

    def enquiry_fails(self, db: sqlite3.Connection, reference: str) -> bool:
        """Whether this enquiry is one of those that come to nothing; they are used up."""
        return records.use_up_failing_enquiry(db, reference)

    def ripen(self, db: sqlite3.Connection, until: datetime) -> int:
        """End all that ends by itself by then, each at an instant of its own; answers how many."""
        due = records.ripe(db, until - self._pending)
        for stored in due:
            assert stored.eventual is not None
            self._finish(db, stored, stored.eventual, stored.created_at + self._pending)
        return len(due)

    def payer_acts(
        self, db: sqlite3.Connection, reference: str, *, approves: bool, funding: Funding = "bank"
    ) -> tuple[str, Answer]:
        """The payer of a pending payment says yes or no; gives the rail and the outcome."""
        now = self._clock.now()
        self.ripen(db, now)
        stored = records.find(db, reference)
        if stored is None:
            raise NotFound("no such operation", param="reference")
        wanted: Status = "approved" if approves else "declined"
        if stored.pending_kind is None:
            if stored.answer.status != wanted:
                raise Conflict(f"the payment is already {stored.answer.status}", param="reference")
            return stored.rail, stored.answer
        if self._is_too_late(stored):
            return stored.rail, self._present(db, stored)
        if approves:
            eventual = stored.eventual or Eventual(
                msgspec.structs.replace(APPROVED, funding=funding)
            )
            return stored.rail, self._finish(db, stored, eventual, now)
        no = CHALLENGE_FAILED if stored.pending_kind == "challenge" else DECLINED_BY_PAYER
        return stored.rail, self._refuse(db, stored, no)

    def check_scanned(self, db: sqlite3.Connection, scanned: Scanned) -> None:
        """Refuses a link that is not of the payment it names."""
        stored = records.find(db, scanned.reference)
        if stored is None or stored.answer.network_reference != scanned.transaction_id:
            raise NotFound("no such payment", param="tr")
        if stored.amount_minor != scanned.amount_minor:
            raise InvalidRequest("another amount than the payment's", param="am")

    def end_deemed(
        self, db: sqlite3.Connection, reference: str, *, credited: bool
    ) -> tuple[str, Answer]:
        """The payee's bank decides what is deemed, or takes its return back; gives the rail and the
        outcome. The same again is no news."""
        now = self._clock.now()
        self.ripen(db, now)
        return deemed.decide(db, reference, credited=credited, at=now, answers=self._answers)

    def challenged(self, db: sqlite3.Connection, reference: str) -> StoredOperation:
        """The card payment that a page of ours is about, as it stands now."""
        stored = records.find(db, reference)
        if stored is None or stored.eventual is None or not _is_card_payment(stored):
            raise NotFound("no such payment", param="reference")
        return msgspec.structs.replace(stored, answer=self._present(db, stored))

    def _present(self, db: sqlite3.Connection, stored: StoredOperation) -> Answer:
        """The answer as the payer's patience has made it."""
        if not self._is_too_late(stored):
            return stored.answer
        challenge = stored.pending_kind == "challenge"
        return self._refuse(db, stored, CHALLENGE_EXPIRED if challenge else EXPIRED)

    def _is_too_late(self, stored: StoredOperation) -> bool:
        waits = stored.pending_kind in ("payer", "challenge")
        return waits and self._clock.now() - stored.created_at >= self._payer_expiry

    def _read(
        self,
        rail: Rail,
        operation: Operation,
        request: OperationRequest,
        *,
        root: str,
        outcome: Outcome | None,
        now: datetime,
    ) -> tuple[StoredOperation, Eventual | None]:
        """The operation as it will be remembered, and what comes of it, now or later."""
        found = cards.checks(request.card, outcome) if request.card and outcome else None
        payee = payees.name_of(request.beneficiary) if request.beneficiary else None
        eventual = None if outcome is None else Eventual(outcome, found, payee)
        ends_later = outcome is None or outcome.when in _ENDS_LATER
        undecided = outcome is not None and outcome.when is When.UNDECIDED
        if outcome is None or outcome.when is When.CHALLENGE:
            answer = self._answers.first(rail, request, WAITING, now)
        elif outcome.when in (When.DEEMED, When.UNDECIDED):
            answer = self._answers.deemed(rail, request, outcome, now)
        elif ends_later:
            answer = self._answers.first(rail, request, outcome.meanwhile, now)
        else:
            answer = self._answers.final(rail, request, outcome, found, now)
        stored = StoredOperation(
            reference=request.reference,
            idempotency_key=request.reference,
            fingerprint=_fingerprint(rail, operation, request),
            rail=rail.name,
            operation=operation,
            amount_minor=request.amount,
            root=root,
            capture=request.capture,
            answer=answer,
            instrument=_instrument(request),
            created_at=now,
            pending_kind="payer" if outcome is None else _ENDS_LATER.get(outcome.when),
            eventual=eventual if ends_later and not undecided else None,
            dispute_reason=outcome.dispute if outcome else None,
            return_url=request.return_url,
            failing_enquiries=outcome.failing_enquiries if outcome else 0,
            kind=request.kind,
        )
        return stored, eventual

    def _plan_callback(
        self, db: sqlite3.Connection, stored: StoredOperation, outcome: Outcome
    ) -> None:
        callbacks.plan(
            db,
            rail=stored.rail,
            reference=stored.reference,
            due_at=stored.created_at + self._pending,
            manner=outcome.callback,
        )

    def _refuse(self, db: sqlite3.Connection, stored: StoredOperation, no: Outcome) -> Answer:
        """A payment that waits for its payer comes to nothing."""
        found: Checks | None = stored.eventual.checks if stored.eventual else None
        eventual = Eventual(no, cards.unauthenticated(found) if found else None)
        return self._finish(db, stored, eventual, self._clock.now())

    def _finish(
        self, db: sqlite3.Connection, stored: StoredOperation, eventual: Eventual, at: datetime
    ) -> Answer:
        """An operation ends at `at`; what has become impossible meanwhile is refused after all."""
        if eventual.outcome.status == "approved":
            no = self._refused_meanwhile(db, stored, at)
            eventual = eventual if no is None else Eventual(no)
        if stored.pending_kind == "deemed":
            return deemed.end(db, stored, eventual, at, answers=self._answers)
        answer = self._answers.last(stored, eventual)
        records.finish(db, stored.reference, answer)
        if answer.status == "approved":
            self._take_effect(db, stored, eventual, at)
        elif stored.operation == "mandate":
            mandates.set_status(db, stored.reference, "failed")
        return answer

    def _refused_meanwhile(
        self, db: sqlite3.Connection, stored: StoredOperation, at: datetime
    ) -> Outcome | None:
        """What has become impossible since it was asked for."""
        if stored.operation == "mandate_revoke":
            return None
        if stored.root == stored.reference:
            today = at.astimezone(IST).date()
            return mandates.refusal_of_debit(db, stored.reference, stored.amount_minor, today)
        amount_minor, root = stored.amount_minor, stored.root
        return refusal(db, stored.operation, amount_minor, root, asks=stored.reference)

    def _take_effect(
        self,
        db: sqlite3.Connection,
        stored: StoredOperation,
        eventual: Eventual | None,
        at: datetime,
    ) -> Dispute | None:
        lets_go = stored.operation in ("void", "mandate_revoke")
        payment = records.find(db, stored.root) if lets_go else None
        if payment is not None and payment.pending_kind is not None:
            self._refuse(db, payment, CANCELED)
        payee = eventual.payee if eventual else None
        returned = eventual is not None and eventual.outcome.returned
        dispute = moves.take_effect(
            db, stored, at=at, seed=self._seed, payee=payee, returned=returned
        )
        if dispute is not None:
            due_at = at + self._pending
            callbacks.plan(
                db, rail=stored.rail, reference=dispute.reference, due_at=due_at, kind="dispute"
            )
        return dispute


def _is_card_payment(stored: StoredOperation) -> bool:
    return RAILS[stored.rail].method == "card" and stored.operation == "authorize"


def _instrument(request: OperationRequest) -> str:
    if request.card is not None:
        return request.card.pan[-4:]
    if request.upi is not None:
        return request.upi.payer_vpa or ""
    if request.beneficiary is not None:
        return request.beneficiary.vpa or (request.beneficiary.account or "")[-4:]
    return ""


def _fingerprint(rail: Rail, operation: Operation, request: OperationRequest) -> str:
    """What must be the same when a key comes again; card data is left out of it."""
    parts = (
        *(rail.name, operation, request.reference, request.amount, request.currency),
        *(request.original_reference, request.capture, request.kind),
    )
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def rail_named(name: str) -> Rail:
    """The rail of this name, or a refusal."""
    try:
        return RAILS[name]
    except KeyError:
        raise NotFound(f"no rail {name[:40]!r}", param="rail") from None
