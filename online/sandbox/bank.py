"""What a bank decides: operations, enquiries and the payer's own yes or no.

Belongs here: the rules, run inside the records' transaction (`writer.py`). Does not: HTTP, SQL.
Nothing here is raised for a business decline: a decline is an answer and is remembered.
"""

import sqlite3
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import msgspec

from online.kernel.clock import IST, Clock
from online.kernel.errors import Conflict, IdempotencyKeyReused, NotFound
from online.kernel.money import format_minor
from online.sandbox import magic, numbers, records
from online.sandbox.magic import APPROVED, Behaviour, Operation, Outcome
from online.sandbox.rails import CURRENCY, RAILS, Rail
from online.sandbox.records import StoredOperation
from online.sandbox.wire import Answer, NextAction, OperationRequest, Status

NOT_FOUND: Final = Outcome("declined", "25", "No such payment at this bank")
WRONG_STATE: Final = Outcome("declined", "12", "Not possible for this payment any more")
TOO_MUCH: Final = Outcome("declined", "61", "More than is left of this payment")
EXPIRED_CARD: Final = Outcome("declined", "54", "Expired card")
EXPIRED: Final = Outcome("declined", "U69", "The payer did not act in time")
DECLINED_BY_PAYER: Final = Outcome("declined", "ZA", "Declined by customer")


class Reply(msgspec.Struct, frozen=True):
    """An answer, and how the caller gets it: at once, after a hold, or never."""

    answer: Answer | None
    held: bool = False
    nudge_later: bool = False


class Bank:
    """All rails; they differ in data only."""

    def __init__(
        self, clock: Clock, seed: int, *, pending_s: int = 1, payer_expiry_s: int = 900
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._pending = timedelta(seconds=pending_s)
        self._payer_expiry = timedelta(seconds=payer_expiry_s)

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
        age = self._clock.now() - stored.created_at
        if stored.pending_kind == "later" and age >= self._pending:
            return self._finish(db, stored, APPROVED)
        if stored.pending_kind == "payer" and age >= self._payer_expiry:
            return self._finish(db, stored, EXPIRED)
        return stored.answer

    def payer_acts(
        self, db: sqlite3.Connection, reference: str, *, approves: bool
    ) -> tuple[str, Answer]:
        """The payer of a pending UPI payment says yes or no; gives the rail and the outcome."""
        stored = records.find(db, reference)
        if stored is None:
            raise NotFound("no such operation", param="reference")
        wanted: Status = "approved" if approves else "declined"
        if stored.pending_kind is None:
            if stored.answer.status != wanted:
                raise Conflict(f"the payment is already {stored.answer.status}", param="reference")
            return stored.rail, stored.answer
        if self._clock.now() - stored.created_at >= self._payer_expiry:
            return stored.rail, self._finish(db, stored, EXPIRED)
        outcome = APPROVED if approves else DECLINED_BY_PAYER
        return stored.rail, self._finish(db, stored, outcome)

    def _decide(
        self, db: sqlite3.Connection, rail: Rail, operation: Operation, request: OperationRequest
    ) -> tuple[str, Outcome | None]:
        """The authorization it belongs to and the outcome; no outcome: the payer has to act."""
        root = request.reference
        if operation in ("capture", "void", "refund"):
            original = records.find(db, request.original_reference or "")
            if original is None or original.rail != rail.name:
                return root, NOT_FOUND
            root = original.root
            refusal = _refusal(db, operation, request.amount, root)
            if refusal is not None:
                return root, refusal
        forced = magic.of_amount(operation, request.amount, upi=rail.method == "upi")
        if forced is not None:
            return root, forced
        if request.card is not None:
            return root, self._of_card(request)
        if request.upi is not None:
            payer = request.upi.payer_vpa
            return root, None if payer is None else magic.of_vpa(payer)
        return root, APPROVED

    def _of_card(self, request: OperationRequest) -> Outcome:
        card = request.card
        assert card is not None
        today = self._clock.now().astimezone(IST).date()
        if (card.exp_year, card.exp_month) < (today.year, today.month):
            return EXPIRED_CARD
        return magic.of_card(card.pan)

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
        later = outcome is not None and outcome.behaviour is Behaviour.LATER
        pending = outcome is None or later
        answer = self._answer(db, rail, request, None if pending else outcome, now)
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
            pending_kind=None if not pending else "later" if later else "payer",
        )
        records.insert(db, stored)
        if answer.status == "approved":
            payee = request.beneficiary.name if request.beneficiary else None
            self._take_effect(db, stored, at=now, payee=payee)
        held = outcome is not None and outcome.behaviour is Behaviour.HELD
        return Reply(answer, held=held, nudge_later=later)

    def _finish(self, db: sqlite3.Connection, stored: StoredOperation, outcome: Outcome) -> Answer:
        """A pending payment ends now."""
        old = stored.answer
        answer = Answer(
            status=outcome.status,
            code=outcome.code,
            rail_reference=old.rail_reference,
            network_reference=old.network_reference,
            auth_code=None,
            message=outcome.message,
            next_action=None,
        )
        records.finish(db, stored.reference, answer, 0)
        if outcome.status == "approved":
            self._take_effect(db, stored, at=self._clock.now())
        return answer

    def _take_effect(
        self,
        db: sqlite3.Connection,
        stored: StoredOperation,
        *,
        at: datetime,
        payee: str | None = None,
    ) -> None:
        """An approved operation moves money, or the right to it."""
        amount_minor = stored.amount_minor
        if stored.operation == "void":
            records.set_voided(db, stored.root)
        elif stored.operation == "refund":
            records.add_refunded(db, stored.root, amount_minor)
            records.add_movement(db, stored, "REFUND", at=at)
        elif stored.operation == "payout":
            records.add_movement(db, stored, "PAYOUT", at=at, payee=payee)
        elif stored.operation == "capture" or stored.capture:
            records.add_captured(db, stored.root, amount_minor)
            records.add_movement(db, stored, "PAY", at=at)

    def _answer(
        self,
        db: sqlite3.Connection,
        rail: Rail,
        request: OperationRequest,
        outcome: Outcome | None,
        now: datetime,
    ) -> Answer:
        attempt = 0
        while True:
            number = numbers.rail_reference(rail, self._seed, request.reference, now, attempt)
            if not records.rail_reference_taken(db, rail.name, number):
                break
            attempt += 1
        network = numbers.network_reference(rail, self._seed, request.reference)
        approved_card = request.card is not None and outcome is not None and outcome.code == "00"
        return Answer(
            status="pending" if outcome is None else outcome.status,
            code="01" if outcome is None else outcome.code,
            rail_reference=number,
            network_reference=network,
            auth_code=numbers.auth_code(self._seed, request.reference) if approved_card else None,
            message="Waiting for the payer" if outcome is None else outcome.message,
            next_action=_next_action(request, network) if outcome is None else None,
        )


def _refusal(
    db: sqlite3.Connection, operation: Operation, amount_minor: int, root: str
) -> Outcome | None:
    """Why the bank will not capture, void or refund this much of a payment; None: it will."""
    payment = records.find(db, root)
    if payment is None:
        return NOT_FOUND
    if payment.operation != "authorize" or payment.answer.status != "approved":
        return WRONG_STATE
    left_to_capture = payment.amount_minor - payment.captured_minor
    if operation == "refund":
        left = payment.captured_minor - payment.refunded_minor
        return TOO_MUCH if amount_minor > left else None
    if payment.voided or left_to_capture == 0:
        return WRONG_STATE
    # A void releases all that is left, whatever amount it names.
    return TOO_MUCH if operation == "capture" and amount_minor > left_to_capture else None


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


def _next_action(request: OperationRequest, network_reference: str | None) -> NextAction | None:
    """The link that a UPI app opens, or that a QR code shows (UPI linking specification)."""
    upi = request.upi
    if upi is None or upi.flow == "collect":
        return None
    fields = {
        "pa": upi.payee_vpa,
        "pn": "Khata",
        "tid": network_reference or "",
        "tr": request.reference,
        "tn": upi.note[:50],
        "am": format_minor(request.amount, CURRENCY),
        "cu": CURRENCY,
        "mode": "04" if upi.flow == "intent" else "15",
    }
    query = "&".join(f"{name}={quote(value, safe='@.')}" for name, value in fields.items() if value)
    kind = "upi_intent" if upi.flow == "intent" else "upi_qr"
    return NextAction(type=kind, link=f"upi://pay?{query}")  # type: ignore[arg-type]


def rail_named(name: str) -> Rail:
    """The rail of this name, or a refusal."""
    try:
        return RAILS[name]
    except KeyError:
        raise NotFound(f"no rail {name[:40]!r}", param="rail") from None
