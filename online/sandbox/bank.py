"""What a bank decides: operations, enquiries and the payer's own yes or no.

Belongs here: the rules, run inside the records' transaction (`writer.py`). Does not: HTTP, SQL,
what an issuer finds (`cards.py`), disputes (`disputes.py`).
Nothing here is raised for a business decline: a decline is an answer and is remembered.
"""

import sqlite3
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from online.kernel.clock import IST, Clock
from online.kernel.errors import Conflict, IdempotencyKeyReused, NotFound
from online.sandbox import cards, disputes, links, magic, numbers, records
from online.sandbox.disputes import Dispute
from online.sandbox.magic import APPROVED, Behaviour, Funding, Operation, Outcome
from online.sandbox.rails import RAILS, Rail
from online.sandbox.records import Eventual, Movement, MovementType, StoredOperation
from online.sandbox.refusals import CANCELED, NOT_FOUND, refusal
from online.sandbox.switch_file import charges
from online.sandbox.wire import Answer, Checks, OperationRequest, Status

EXPIRED: Final = Outcome("declined", "U69", "The payer did not act in time")
DECLINED_BY_PAYER: Final = Outcome("declined", "ZA", "Declined by customer")
CHALLENGE_EXPIRED: Final = Outcome("declined", "3DS-T", "The payer did not confirm in time")
CHALLENGE_FAILED: Final = Outcome("declined", "3DS-N", "The payer was not authenticated")
_WAITS: Final = (Behaviour.LATER, Behaviour.CHALLENGE)


class Reply(msgspec.Struct, frozen=True):
    """An answer, and how the caller gets it: at once, after a hold, or never."""

    answer: Answer | None
    held: bool = False
    nudge_later: bool = False
    dispute: Dispute | None = None  # that began with it


class Bank:
    """All rails; they differ in data only."""

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
        self._public_url = public_url

    def operate(
        self,
        db: sqlite3.Connection,
        rail: Rail,
        operation: Operation,
        request: OperationRequest,
        idempotency_key: str,
    ) -> Reply:
        """Carry out an operation once; the same key again gets the first answer."""
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
        root, outcome = self._decide(db, rail, operation, request)
        if outcome is not None and outcome.behaviour is Behaviour.LOST:
            return Reply(None, held=True)
        return self._remember(
            db, rail, operation, request, key=idempotency_key, root=root, outcome=outcome
        )

    def enquire(self, db: sqlite3.Connection, rail: Rail, reference: str) -> Answer:
        """What became of an operation."""
        stored = records.find(db, reference)
        if stored is None or stored.rail != rail.name:
            raise NotFound("no such operation", param="reference")
        return self._present(db, stored)

    def payer_acts(
        self, db: sqlite3.Connection, reference: str, *, approves: bool, funding: Funding = "bank"
    ) -> tuple[str, Answer]:
        """The payer of a pending payment says yes or no; gives the rail and the outcome."""
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
            return stored.rail, self._finish(db, stored, eventual)
        no = CHALLENGE_FAILED if stored.pending_kind == "challenge" else DECLINED_BY_PAYER
        return stored.rail, self._refuse(db, stored, no)

    def challenged(self, db: sqlite3.Connection, reference: str) -> StoredOperation:
        """The card payment that a page of ours is about, as it stands now."""
        stored = records.find(db, reference)
        if stored is None or stored.eventual is None or not _is_card_payment(stored):
            raise NotFound("no such payment", param="reference")
        return msgspec.structs.replace(stored, answer=self._present(db, stored))

    def _present(self, db: sqlite3.Connection, stored: StoredOperation) -> Answer:
        """The answer as time has made it."""
        age = self._clock.now() - stored.created_at
        if stored.pending_kind == "later" and age >= self._pending:
            return self._finish(db, stored, stored.eventual or Eventual(APPROVED))
        if self._is_too_late(stored):
            challenge = stored.pending_kind == "challenge"
            return self._refuse(db, stored, CHALLENGE_EXPIRED if challenge else EXPIRED)
        return stored.answer

    def _is_too_late(self, stored: StoredOperation) -> bool:
        waits = stored.pending_kind in ("payer", "challenge")
        return waits and self._clock.now() - stored.created_at >= self._payer_expiry

    def _decide(
        self, db: sqlite3.Connection, rail: Rail, operation: Operation, request: OperationRequest
    ) -> tuple[str, Outcome | None]:
        """The authorization it belongs to and the outcome; no outcome: the payer has to act."""
        root = request.reference
        if operation in ("capture", "void", "reverse", "refund"):
            original = records.find(db, request.original_reference or "")
            if original is None or original.rail != rail.name:
                return root, NOT_FOUND
            root = original.root
            no = refusal(db, operation, request.amount, root)
            if no is not None:
                return root, no
        forced = magic.of_amount(operation, request.amount, upi=rail.method == "upi")
        if forced is not None:
            return root, forced
        if request.card is not None:
            return root, cards.decide(request.card, self._clock.now().astimezone(IST).date())
        if request.upi is not None:
            payer = request.upi.payer_vpa
            return root, None if payer is None else magic.of_vpa(payer)
        return root, APPROVED

    def _remember(
        self,
        db: sqlite3.Connection,
        rail: Rail,
        operation: Operation,
        request: OperationRequest,
        *,
        key: str,
        root: str,
        outcome: Outcome | None,
    ) -> Reply:
        now = self._clock.now()
        waits = outcome is not None and outcome.behaviour in _WAITS
        pending = outcome is None or waits
        found = cards.checks(request.card, outcome) if request.card and outcome else None
        answer = self._answer(db, rail, request, None if pending else outcome, found)
        stored = StoredOperation(
            reference=request.reference,
            idempotency_key=key,
            fingerprint=_fingerprint(rail, operation, request),
            rail=rail.name,
            operation=operation,
            amount_minor=request.amount,
            root=root,
            capture=request.capture,
            answer=answer,
            instrument=_instrument(request),
            created_at=now,
            pending_kind=_pending_kind(outcome),
            eventual=Eventual(outcome, found) if outcome and waits else None,
            dispute_reason=outcome.dispute if outcome else None,
            return_url=request.return_url,
        )
        records.insert(db, stored)
        dispute = None
        if answer.status == "approved":
            payee = request.beneficiary.name if request.beneficiary else None
            dispute = self._take_effect(db, stored, at=now, payee=payee)
        return Reply(
            answer,
            held=outcome is not None and outcome.behaviour is Behaviour.HELD,
            nudge_later=stored.pending_kind == "later",
            dispute=dispute,
        )

    def _refuse(self, db: sqlite3.Connection, stored: StoredOperation, no: Outcome) -> Answer:
        """A pending payment comes to nothing."""
        found = stored.eventual.checks if stored.eventual else None
        return self._finish(
            db, stored, Eventual(no, cards.unauthenticated(found) if found else None)
        )

    def _finish(
        self, db: sqlite3.Connection, stored: StoredOperation, eventual: Eventual
    ) -> Answer:
        """A pending operation ends now."""
        old, outcome = stored.answer, eventual.outcome
        approved = outcome.status == "approved"
        by_card = approved and _is_card_payment(stored)
        by_upi = RAILS[stored.rail].method == "upi" and stored.operation == "authorize"
        answer = Answer(
            status=outcome.status,
            code=outcome.code,
            rail_reference=old.rail_reference,
            network_reference=old.network_reference,
            auth_code=numbers.auth_code(self._seed, stored.reference) if by_card else None,
            message=outcome.message,
            next_action=None,
            checks=eventual.checks,
            funding=outcome.funding if by_upi and approved else None,
        )
        records.finish(db, stored.reference, answer, 0)
        if approved:
            self._take_effect(db, stored, at=self._clock.now())
        return answer

    def _take_effect(
        self,
        db: sqlite3.Connection,
        stored: StoredOperation,
        *,
        at: datetime,
        payee: str | None = None,
    ) -> Dispute | None:
        """An approved operation moves money, or the right to it. Money may be disputed at once."""
        amount_minor = stored.amount_minor
        if stored.operation == "void":
            self._release(db, stored.root)
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
            return self._disputed_at_once(db, stored.root, at)
        return None

    def _release(self, db: sqlite3.Connection, root: str) -> None:
        """What is left of an authorization goes; one that waits for its payer ends."""
        payment = records.find(db, root)
        assert payment is not None
        if payment.pending_kind is not None:
            self._refuse(db, payment, CANCELED)
        records.set_voided(db, root)

    def _disputed_at_once(self, db: sqlite3.Connection, root: str, at: datetime) -> Dispute | None:
        payment = records.find(db, root)
        if payment is None or payment.dispute_reason is None:
            return None
        if disputes.of_payment(db, root) is not None:
            return None
        return disputes.open_one(
            db, payment, at=at, seed=self._seed, reason_code=payment.dispute_reason
        )

    def _answer(
        self,
        db: sqlite3.Connection,
        rail: Rail,
        request: OperationRequest,
        outcome: Outcome | None,
        found: Checks | None,
    ) -> Answer:
        number = numbers.free_rail_reference(
            rail,
            self._seed,
            request.reference,
            self._clock.now(),
            lambda candidate: records.rail_reference_taken(db, rail.name, candidate),
        )
        network = numbers.network_reference(rail, self._seed, request.reference)
        if outcome is None:
            return Answer(
                status="pending",
                code="01",
                rail_reference=number,
                network_reference=network,
                auth_code=None,
                message="Waiting for the payer" if request.upi or request.card else "Under way",
                next_action=links.next_action(request, network, self._public_url),
            )
        approved = outcome.status == "approved"
        by_card = request.card is not None and approved
        return Answer(
            status=outcome.status,
            code=outcome.code,
            rail_reference=number,
            network_reference=network,
            auth_code=numbers.auth_code(self._seed, request.reference) if by_card else None,
            message=outcome.message,
            next_action=None,
            checks=found,
            funding=outcome.funding if request.upi is not None and approved else None,
        )


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
    """Money of an operation moves now, on the bank day that is open."""
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


def _pending_kind(outcome: Outcome | None) -> records.PendingKind | None:
    if outcome is None:
        return "payer"
    kinds: dict[Behaviour, records.PendingKind] = {
        Behaviour.LATER: "later",
        Behaviour.CHALLENGE: "challenge",
    }
    return kinds.get(outcome.behaviour)


def _is_card_payment(stored: StoredOperation) -> bool:
    return RAILS[stored.rail].method == "card" and stored.operation == "authorize"


def _instrument(request: OperationRequest) -> str:
    if request.card is not None:
        return request.card.pan[-4:]
    if request.upi is not None:
        return request.upi.payer_vpa or ""
    if request.beneficiary is not None:
        return request.beneficiary.account[-4:]
    return ""


def _fingerprint(rail: Rail, operation: Operation, request: OperationRequest) -> str:
    """What must be the same when a key comes again; card data is left out of it."""
    parts = (
        *(rail.name, operation, request.reference, request.amount, request.currency),
        *(request.original_reference, request.capture),
    )
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def rail_named(name: str) -> Rail:
    """The rail of this name, or a refusal."""
    try:
        return RAILS[name]
    except KeyError:
        raise NotFound(f"no rail {name[:40]!r}", param="rail") from None
