"""Holds: the public face of the slice. What happens at a rail happens to the payment behind."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from online.holds import store
from online.holds.domain import Behind, Hold, follow
from online.holds.store import HOLDS, Filters
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest, NotFound
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.merchants.service import Merchants
from online.payments.authorizations import BlockRule, block_purpose
from online.payments.domain import TERMINAL, Payment
from online.payments.orders import Call, Done, Followed, Order
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.lists import Window, cut
from online.platform.sql import Connection


class HoldFollower:
    """Opens a hold with its payment and moves it along; handed to `Payments` as its follower."""

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed:
        hold = await store.of_payment(connection, payment.id, payment.merchant_id)
        behind = _behind(payment)
        if hold is None:
            return _opened(payment, behind, metadata)
        events = follow(hold, behind)
        if not events:
            return Followed(hold, (), ())
        moved = HOLDS.move(hold, events, payment.updated_at, metadata)
        return Followed(moved.state, (moved.row,), moved.events)


class Holds:
    """Use cases on holds."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        payments: Payments,
        *,
        merchants: Merchants,
        blocks: tuple[BlockRule, ...],
    ) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._merchants = merchants
        self._blocks = blocks

    async def get(self, hold_id: UUID, merchant_id: UUID) -> Hold:
        async with self._database.connection() as connection:
            hold = await store.get(connection, hold_id, merchant_id)
        return _found(hold)

    async def of_payment(self, payment_id: UUID, merchant_id: UUID) -> Hold:
        async with self._database.connection() as connection:
            hold = await store.of_payment(connection, payment_id, merchant_id)
        return _found(hold)

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Hold], bool]:
        """Newest first; whether there are more."""
        async with self._database.connection() as connection:
            return cut(await store.page(connection, merchant_id, filters, asked), asked)

    async def purpose(self, merchant_id: UUID) -> str:
        """What a payer's app is told of a block by UPI for this merchant, today."""
        merchant = await self._merchants.get(merchant_id)
        purpose = block_purpose(self._blocks, mcc=merchant.mcc, at=self._clock.now())
        if purpose is None:
            raise InvalidRequest("money cannot be blocked by UPI", "payment_method.type")
        return purpose

    async def place(self, order: Order, call: Call, metadata: Metadata) -> Done:
        """A payment that is authorized and not taken, and the hold that follows it."""
        return await self._payments.pay(order, call, metadata)

    async def capture(self, hold: Hold, amount: int | None, call: Call, metadata: Metadata) -> Done:
        """Takes a part of it; no amount means all that is left."""
        return await self._payments.capture(
            hold.payment_id, hold.merchant_id, amount, call, metadata
        )

    async def release(self, hold: Hold, amount: int | None, call: Call, metadata: Metadata) -> Done:
        return await self._payments.holding.release(
            hold.payment_id, hold.merchant_id, amount, call, metadata
        )

    async def extend(self, hold: Hold, call: Call, metadata: Metadata) -> Done:
        return await self._payments.holding.extend(
            hold.payment_id, hold.merchant_id, call, metadata
        )

    async def cancel(self, hold: Hold, call: Call, metadata: Metadata) -> Done:
        return await self._payments.cancel(hold.payment_id, hold.merchant_id, call, metadata)


def opening(now: datetime, purpose: str | None, description: str | None) -> dict[str, Any]:
    """What a payment says about the hold that it is made for."""
    told = {"purpose": purpose, "description": description}
    return {"id": ids.encode("hold", ids.new(now))} | {k: v for k, v in told.items() if v}


class _Opening(Struct, frozen=True):
    id: str
    purpose: str | None = None
    description: str | None = None


def _opened(payment: Payment, behind: Behind, metadata: Metadata) -> Followed:
    said = _Opening(**(payment.hold or {}))
    requested = ev.HoldRequested(
        payment_id=ids.encode("pay", payment.id),
        merchant_id=ids.encode("mrc", payment.merchant_id),
        customer_id=ids.encode("cus", payment.customer_id) if payment.customer_id else None,
        amount=payment.amount_minor,
        currency=payment.currency,
        method=payment.method,
        purpose=said.purpose,
        description=said.description,
    )
    origin = Origin(
        id=ids.decode("hold", said.id),
        merchant_id=payment.merchant_id,
        livemode=payment.livemode,
    )
    at = payment.created_at
    made = HOLDS.create(origin, [requested], at, metadata)
    events = follow(made.state, behind)
    if events:
        made = HOLDS.create(origin, [requested, *events], at, metadata)
    return Followed(made.state, (made.row,), made.events)


def _behind(payment: Payment) -> Behind:
    never = payment.status in TERMINAL and payment.authorization_expires_at is None
    return Behind(
        status=payment.status,
        authorized_minor=payment.authorized_minor,
        captured_minor=payment.captured_minor,
        expires_at=payment.authorization_expires_at,
        is_over=never,
        error_code=(payment.last_error or {}).get("code"),
    )


def _found(hold: Hold | None) -> Hold:
    if hold is None:
        raise NotFound("no such hold", "id")
    return hold
