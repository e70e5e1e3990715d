"""Intents: the public face of the slice."""

import hmac
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from online.intents import domain, store
from online.intents.domain import Intent, Progress, Status
from online.intents.store import INTENTS
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Forbidden, NotFound, Refused, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.payments.domain import Payment
from online.payments.onus import ONUS
from online.payments.orders import Call, Followed, Instrument, Order
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.platform.sql import Connection

_EXPIRY_BATCH: Final = 500
_OVERDUE_BATCH: Final = 50

log = structlog.get_logger("khata.intents")


class NewIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What to be paid. Amount in minor units."""

    merchant_id: UUID
    livemode: bool
    amount_minor: int
    currency: str
    payment_methods: list[str]
    capture_method: str
    priority: str
    valid_for: timedelta
    customer_id: UUID | None = None
    description: str | None = None


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """How an intent is to be paid."""

    instrument: Instrument
    device_id: str | None = None
    ip_hash: str | None = None
    return_url: str | None = None


class IntentFollower:
    """Moves an intent along with its payment; handed to `Payments` as its follower."""

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed:
        if payment.intent_id is None:
            return Followed(None, (), ())
        intent = await store.get(connection, payment.intent_id, payment.merchant_id)
        if intent is None:
            raise NotFound("no such intent", "id")
        progress = Progress(
            payment_id=ids.encode("pay", payment.id),
            status=payment.status,
            method=payment.method,
            amount_minor=payment.amount_minor,
            capture_method=payment.capture_method,
            at=payment.updated_at,
            next_action=payment.next_action,
            last_error=payment.last_error,
            at_once=payment.rail == ONUS and payment.status == "captured",
        )
        events = domain.follow(intent, progress)
        if not events:
            return Followed(intent, (), ())
        moved = INTENTS.move(intent, events, payment.updated_at, metadata)
        return Followed(moved.state, (moved.row,), moved.events)


class Intents:
    """Use cases on intents."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        payments: Payments,
        secret_key: bytes,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._payments = payments
        self._secret_key = secret_key
        self._overdue_seen: UUID | None = None

    def client_secret(self, intent_id: UUID) -> str:
        """Derived, never stored: good for this intent alone."""
        digest = hmac.digest(self._secret_key, intent_id.bytes, "sha256").hex()[:40]
        return f"{ids.encode('pi', intent_id)}_secret_{digest}"

    def check_secret(self, intent_id: UUID, secret: str | None) -> None:
        """For callers with a publishable key."""
        known = self.client_secret(intent_id)
        if secret is None or not hmac.compare_digest(known.encode(), secret.encode()):
            raise Forbidden("the client_secret does not belong to this intent", "client_secret")

    async def get(self, intent_id: UUID, merchant_id: UUID) -> Intent:
        async with self._database.connection() as connection:
            intent = await store.get(connection, intent_id, merchant_id)
        if intent is None:
            raise NotFound("no such intent", "id")
        return intent

    async def create(
        self,
        new: NewIntent,
        key: IdempotencyKey | None,
        render: Callable[[Intent], Answer],
        metadata: Metadata,
    ) -> Intent:
        """Stores an intent; with a key, its answer in the same commit."""
        now = self._clock.now()
        created = ev.IntentCreated(
            merchant_id=ids.encode("mrc", new.merchant_id),
            amount=new.amount_minor,
            currency=new.currency,
            payment_methods=new.payment_methods,
            capture_method=new.capture_method,
            priority=new.priority,
            expires_at=now + new.valid_for,
            customer_id=ids.encode("cus", new.customer_id) if new.customer_id else None,
            description=new.description,
        )
        origin = Origin(id=ids.new(now), merchant_id=new.merchant_id, livemode=new.livemode)
        moved = INTENTS.create(origin, [created], now, metadata)
        await self._writer.submit(
            Change(
                snapshots=(moved.row,),
                events=moved.events,
                reserve=_answered(key, moved.state, render(moved.state)),
            )
        )
        return moved.state

    def replaying(self, key: IdempotencyKey) -> AbstractAsyncContextManager[None]:
        """Around what a call asks before it confirms: a repeated one is answered by its key."""
        return replays_first(self._database, key)

    async def confirm(
        self,
        intent_id: UUID,
        merchant_id: UUID,
        confirmation: Confirmation,
        call: Call,
        metadata: Metadata,
    ) -> Answer:
        """Pays an intent by a new payment under it; again when it was updated meanwhile."""
        while True:
            try:
                return await self._confirm_once(
                    intent_id, merchant_id, confirmation, call, metadata
                )
            except VersionConflict:
                continue

    async def _confirm_once(
        self,
        intent_id: UUID,
        merchant_id: UUID,
        confirmation: Confirmation,
        call: Call,
        metadata: Metadata,
    ) -> Answer:
        async with replays_first(self._database, call.key):
            intent = await self.get(intent_id, merchant_id)
            domain.check_confirm(intent, confirmation.instrument.method, self._clock.now())
        order = Order(
            merchant_id=intent.merchant_id,
            amount_minor=intent.amount_minor,
            currency=intent.currency,
            instrument=confirmation.instrument,
            capture_method=intent.capture_method,
            priority=intent.priority,
            customer_id=intent.customer_id or confirmation.instrument.customer_id,
            device_id=confirmation.device_id,
            ip_hash=confirmation.ip_hash,
            intent_id=intent.id,
            return_url=confirmation.return_url,
        )
        return (await self._payments.pay(order, call, metadata)).answer

    async def cancel(
        self, intent_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Answer:
        """Cancels an intent, with what is authorized or waiting under it."""
        async with replays_first(self._database, call.key):
            return await self._cancel(intent_id, merchant_id, call, metadata)

    async def _cancel(
        self, intent_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Answer:
        while True:
            intent = await self.get(intent_id, merchant_id)
            if intent.payment_id and intent.status in {
                Status.REQUIRES_ACTION,
                Status.REQUIRES_CAPTURE,
            }:
                done = await self._payments.cancel(intent.payment_id, merchant_id, call, metadata)
                return done.answer
            try:
                return await self._cancel_alone(intent, call, metadata)
            except VersionConflict:
                continue

    async def _cancel_alone(self, intent: Intent, call: Call, metadata: Metadata) -> Answer:
        event = ev.IntentCanceled(reason="requested")
        moved = INTENTS.move(intent, [event], self._clock.now(), metadata)
        answer = call.render(None, moved.state, None)
        key = _answered(call.key, moved.state, answer)
        await self._writer.submit(Change(snapshots=(moved.row,), events=moved.events, reserve=key))
        return answer

    async def update(
        self,
        intent_id: UUID,
        merchant_id: UUID,
        check: Callable[[Intent], dict[str, Any]],
        metadata: Metadata,
    ) -> Intent:
        """Changes the terms; `check` answers with the new fields, or refuses this version."""
        while True:
            intent = await self.get(intent_id, merchant_id)
            event = domain.update(intent, check(intent))
            moved = INTENTS.move(intent, [event], self._clock.now(), metadata)
            try:
                await self._writer.submit(Change(snapshots=(moved.row,), events=moved.events))
            except VersionConflict:
                continue
            return moved.state

    async def page(
        self, merchant_id: UUID, status: str | None, asked: Window
    ) -> tuple[list[Intent], bool]:
        """Newest first; whether there are more."""
        async with self._database.connection() as connection:
            return cut(await store.page(connection, merchant_id, status, asked), asked)

    async def expire_due(self) -> int:
        """Ends intents whose time has passed; answers how many. For the worker."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            due = await store.expired(connection, now, _EXPIRY_BATCH)
        metadata = Metadata(actor="worker:expiry")
        moves = [INTENTS.move(intent, [ev.IntentExpired()], now, metadata) for intent in due]
        refusals = await self._writer.submit_all(
            [Change(snapshots=(m.row,), events=m.events) for m in moves]
        )
        ended = await self._cancel_overdue(now, metadata)
        return sum(refusal is None for refusal in refusals) + ended

    async def _cancel_overdue(self, now: datetime, metadata: Metadata) -> int:
        """Intents that still wait for the payer: the payment goes first, the intent follows.

        Round after round goes on where the last one ended: some that cannot be ended now (a rail
        that does not answer) must not keep the others waiting.
        """
        async with self._database.connection() as connection:
            waiting = await store.overdue(connection, now, self._overdue_seen, _OVERDUE_BATCH)
        whole = len(waiting) < _OVERDUE_BATCH
        self._overdue_seen = None if whole else waiting[-1].id
        ended = 0
        for intent in waiting:
            if intent.payment_id is None:
                continue
            try:
                await self._payments.cancel(intent.payment_id, intent.merchant_id, None, metadata)
                ended += 1
            except Refused as refused:  # the payer was faster, or a void is under way
                log.debug("intent_not_expired", id=str(intent.id), code=refused.code)
        return ended


def _answered(key: IdempotencyKey | None, intent: Intent, answer: Answer) -> IdempotencyKey | None:
    if key is None:
        return None
    return msgspec.structs.replace(
        key.making("pi", intent.id), status=answer.status, body=answer.body
    )
