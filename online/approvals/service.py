"""Requests under partial delegations: asked, approved, declined, expired. The slice's face.

Each ends once: the row's version decides between an approval, a refusal and the end of its time,
and what it held goes back in the commit that ends it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.approvals import domain, store
from online.approvals.domain import OPEN_REQUESTS, AlreadyApproved, Request, TooManyRequests
from online.approvals.store import REQUESTS, Filters
from online.delegations.domain import Delegation
from online.delegations.service import Delegations
from online.devices.service import Devices
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Conflict, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import FOREVER, Change, LimitMove
from online.ledger.writer import Writer
from online.limits.authority import Purchase, Source
from online.limits.domain import returned, taken
from online.limits.service import Limits, Spend
from online.merchants.service import Merchants
from online.payments.domain import Payment
from online.payments.methods import under
from online.payments.orders import Call, Done, Order
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut

_SWEEP: Final = 200


class RequestOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a secondary wants to pay. Amount in minor units of `currency`."""

    merchant_id: UUID
    delegation_id: UUID
    amount_minor: int
    currency: str
    device_id: str
    note: str | None
    livemode: bool


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """The primary's yes: `signature` over the request's challenge by their device."""

    request_id: UUID
    merchant_id: UUID
    device_id: str
    signature: bytes
    metadata: Metadata


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`."""

    database: Database
    writer: Writer
    clock: Clock
    merchants: Merchants
    devices: Devices
    delegations: Delegations
    limits: Limits
    payments: Payments


class Approvals:
    """Use cases on requests."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    # ── asking ───────────────────────────────────────────────────────────────────────────

    async def ask(
        self,
        order: RequestOrder,
        key: IdempotencyKey,
        render: Callable[[Request], Answer],
        metadata: Metadata,
    ) -> Answer:
        """Holds what the payment would take, of the delegation and of the primary's own limits."""
        async with replays_first(self._with.database, key):
            await self.expire_due(order.delegation_id)
            moved, moves = await self._asked(order, metadata)
            answer = render(moved.state)
            known = key.making("dlr", moved.state.id)
            reserve = msgspec.structs.replace(known, status=answer.status, body=answer.body)
            await self._with.writer.submit(
                Change(snapshots=(moved.row,), events=moved.events, limits=moves, reserve=reserve)
            )
        return answer

    async def _asked(
        self, order: RequestOrder, metadata: Metadata
    ) -> tuple[Moved[Request], tuple[LimitMove, ...]]:
        now = self._with.clock.now()
        found = await self._with.delegations.get(order.delegation_id, order.merchant_id)
        if found.kind != "partial":
            raise Conflict("a full delegation pays without approval: POST /payments")
        rule = self._with.delegations.rule(now).partial
        purchase = Purchase(
            merchant_id=order.merchant_id,
            livemode=order.livemode,
            amount_minor=order.amount_minor,
            currency=order.currency,
            customer_id=found.secondary_id,
            device_id=order.device_id,
        )
        source = await self._with.delegations.granted(found, purchase)
        moves = (
            _place(found, rule.open_requests),
            *source.authority.moves,
            *await self._primary_moves(found, purchase, source, now),
        )
        event = ev.DelegationRequestMade(
            merchant_id=ids.encode("mrc", order.merchant_id),
            delegation_id=found.reference,
            primary_id=found.primary,
            secondary_id=found.secondary,
            amount=order.amount_minor,
            currency=order.currency,
            device_id=order.device_id,
            expires_at=now + rule.approve_within,
            held=taken(moves),
            note=order.note,
        )
        origin = Origin(id=ids.new(now), merchant_id=order.merchant_id, livemode=order.livemode)
        return REQUESTS.create(origin, [event], now, metadata), moves

    async def _primary_moves(
        self, found: Delegation, purchase: Purchase, source: Source, now: datetime
    ) -> tuple[LimitMove, ...]:
        """What the payment would take of the primary's own limits."""
        merchant = await self._with.merchants.get(found.merchant_id)
        spend = Spend(
            kind="p2m",
            subject=f"customer:{found.primary_id}",
            merchant_id=merchant.id,
            amount_minor=purchase.amount_minor,
            at=now,
            livemode=purchase.livemode,
            customer_id=found.primary_id,
            mcc=merchant.mcc,
            purpose=source.purpose,
            verified=merchant.verified,
        )
        return (await self._with.limits.decide(spend)).moves

    # ── deciding ─────────────────────────────────────────────────────────────────────────

    async def approve(self, approval: Approval, call: Call) -> Done:
        """Makes the payment: its first commit gives back what the request held, and ends it. What
        was approved before is answered with the payment that was made then."""
        while True:
            try:
                async with replays_first(self._with.database, call.key):
                    order = await self._approved(approval)
                return await self._with.payments.pay(order, call, approval.metadata)
            except VersionConflict:  # somebody decided, or its time ended
                continue
            except AlreadyApproved as done:
                payment = await self._with.payments.get(done.payment_id, approval.merchant_id)
                return Done(payment, call.render(payment, None, None))

    async def _approved(self, approval: Approval) -> Order:
        now = self._with.clock.now()
        request = await self.get(approval.request_id, approval.merchant_id)
        domain.check_approvable(request, now)
        device = await self._with.devices.signed_by(
            approval.device_id,
            request.primary_id,
            request.merchant_id,
            approval.signature,
            request.challenge,
        )
        payment_id = ids.new(now)
        event = ev.DelegationRequestApproved(
            payment_id=ids.encode("pay", payment_id),
            device_id=device.reference,
            signature=approval.signature.hex(),
        )
        moved = REQUESTS.move(request, [event], now, approval.metadata)
        purchase = Purchase(
            merchant_id=request.merchant_id,
            livemode=request.livemode,
            amount_minor=request.amount_minor,
            currency=request.currency,
            customer_id=request.secondary_id,
            device_id=request.device_id,
        )
        found = await self._with.delegations.get(request.delegation_id, request.merchant_id)
        source = await self._with.delegations.granted(found, purchase)
        authority = msgspec.structs.replace(
            source.authority,
            moves=(device.guarded, *source.authority.moves),
            rows=(moved.row,),
            events=moved.events,
            released=returned(request.held, request.livemode),
            facts={**(source.authority.facts or {}), "request_id": request.reference},
        )
        return Order(
            id=payment_id,
            merchant_id=request.merchant_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            instrument=under(msgspec.structs.replace(source, authority=authority), purchase),
            capture_method="automatic",
            priority="balanced",
            customer_id=request.secondary_id,
            device_id=request.device_id,
        )

    async def decline(
        self, request_id: UUID, merchant_id: UUID, reason: str | None, metadata: Metadata
    ) -> Request:
        """The primary says no, or the secondary wants it no more. Again is no news."""
        event = ev.DelegationRequestDeclined(reason=reason)
        while True:
            now = self._with.clock.now()
            request = await self.get(request_id, merchant_id)
            if request.status is domain.Status.DECLINED:
                return request
            domain.check_in_time(request, now)
            moved = REQUESTS.move(request, [event], now, metadata)
            try:
                await self._with.writer.submit(_ended(moved))
            except VersionConflict:
                continue
            return moved.state

    async def expire_due(self, delegation_id: UUID | None = None) -> int:
        """Gives back what requests held whose time is over; answers how many. For the worker, and
        of one delegation before something new is asked under it."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.due(connection, now, _SWEEP, delegation_id)
        metadata = Metadata(actor="worker:approvals")
        event: Event = ev.DelegationRequestExpired()
        moves = [REQUESTS.move(request, [event], now, metadata) for request in due]
        refusals = await self._with.writer.submit_all([_ended(moved) for moved in moves])
        return sum(refusal is None for refusal in refusals)

    # ── seeing ───────────────────────────────────────────────────────────────────────────

    async def get(self, request_id: UUID, merchant_id: UUID) -> Request:
        async with self._with.database.connection() as connection:
            found = await store.get(connection, request_id, merchant_id)
        if found is None:
            raise NotFound("there is no such request")
        return found

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Request], bool]:
        """Of one delegation, newest first; whether there are more."""
        await self._with.delegations.get(filters.delegation_id, merchant_id)
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, merchant_id, filters, asked), asked)

    async def payments(
        self, delegation_id: UUID, merchant_id: UUID, asked: Window
    ) -> tuple[list[Payment], bool]:
        """Every payment under a delegation, newest first: what its primary may see."""
        found = await self._with.delegations.get(delegation_id, merchant_id)
        return await self._with.payments.page_under(found.reference, merchant_id, asked)


def _place(found: Delegation, most: int) -> LimitMove:
    """A place among the requests that wait for the primary."""
    return LimitMove(
        subject=found.subject,
        rule=OPEN_REQUESTS,
        window_start=FOREVER,
        delta=1,
        cap=most,
        livemode=found.livemode,
        refusal=TooManyRequests,
    )


def _ended(moved: Moved[Request]) -> Change:
    request = moved.state
    back = returned(request.held, request.livemode)
    return Change(snapshots=(moved.row,), events=moved.events, limits=back)
