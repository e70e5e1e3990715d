"""Handles: made, read, revoked, paid under. The public face of the slice.

A payment does not move a handle: it takes from its counters and passes its guard. So fifty at once
need no retry, and a revocation waits for none of them.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import msgspec

from online.customers.domain import Customer, mask_vpa
from online.handles import domain, store
from online.handles.domain import TERMINAL, TOTAL, USES, Handle, Status
from online.handles.store import HANDLES, Filters
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import FOREVER, Change, LimitMove, close, reopen
from online.ledger.counters import Used, used
from online.ledger.writer import Writer
from online.limits.authority import Authority, Purchase, Source
from online.platform.db import Database
from online.platform.lists import Window, cut
from online.rails.domain import VpaReference
from online.vault.sealed import Place
from online.vault.service import Vault

_SWEEP: Final = 200
_LONGEST: Final = timedelta(days=3650)
_PLACE: Final = "handle"


class HandleOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A handle to make; amounts in minor units of `currency`."""

    merchant_id: UUID
    customer_id: UUID
    vpa: str
    purpose: str
    currency: str
    max_amount_minor: int
    max_total_minor: int | None
    max_uses: int
    expires_at: datetime
    livemode: bool

    def __repr__(self) -> str:
        return "HandleOrder(…)"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do to a handle; `match` refuses a version that was not the one decided on."""

    handle_id: UUID
    merchant_id: UUID
    metadata: Metadata
    match: Callable[[int], None]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A handle, how it stands at that moment and what is left of it (None: no such cap)."""

    handle: Handle
    state: Status
    uses_left: int
    amount_left: int | None


class CustomerDirectory(Protocol):
    """Raises `NotFound` for what is not a customer of the merchant (`customers` fulfils it)."""

    async def get(self, customer_id: UUID, merchant_id: UUID) -> Customer: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `ground.py`."""

    database: Database
    writer: Writer
    clock: Clock
    customers: CustomerDirectory
    vault: Vault


class Handles:
    """Use cases on handles. `source` is what payments ask."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def create(self, order: HandleOrder, metadata: Metadata) -> tuple[Shown, str]:
        """The handle and its alias, which is told this once: only its keyed hash is kept."""
        now = self._with.clock.now()
        if not now < order.expires_at <= now + _LONGEST:
            raise InvalidRequest("must lie ahead, by ten years at most", "expires_at")
        if order.max_total_minor is not None and order.max_total_minor < order.max_amount_minor:
            raise InvalidRequest("is less than one payment may be", "max_total")
        await self._with.customers.get(order.customer_id, order.merchant_id)
        alias = ids.encode("tok", UUID(bytes=os.urandom(16)))
        origin = Origin(id=ids.new(now), merchant_id=order.merchant_id, livemode=order.livemode)
        moved = HANDLES.create(origin, [self._created(order, alias)], now, metadata)
        handle = moved.state
        place = Place(purpose=_PLACE, id=handle.id, merchant_id=handle.merchant_id)
        sealed = self._with.vault.seal_text(place, order.vpa.lower(), livemode=handle.livemode)
        await self._with.writer.submit(
            Change(
                snapshots=(moved.row,),
                events=moved.events,
                appends=(sealed,),
                limits=_opened(handle),
            )
        )
        return await self._shown(handle), alias

    def _created(self, order: HandleOrder, alias: str) -> ev.HandleCreated:
        return ev.HandleCreated(
            merchant_id=ids.encode("mrc", order.merchant_id),
            customer_id=ids.encode("cus", order.customer_id),
            purpose=order.purpose,
            currency=order.currency,
            max_amount=order.max_amount_minor,
            max_total=order.max_total_minor,
            max_uses=order.max_uses,
            expires_at=order.expires_at,
            alias_hash=self._with.vault.alias_hash(alias),
            instrument=self._with.vault.instrument_hash(order.vpa),
            instrument_mask=mask_vpa(order.vpa),
        )

    async def show(self, handle_id: UUID, merchant_id: UUID) -> Shown:
        return await self._shown(await self._get(handle_id, merchant_id))

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Shown], bool]:
        """Newest first; whether there are more."""
        async with self._with.database.connection() as connection:
            rows, more = cut(await store.page(connection, merchant_id, filters, asked), asked)
            counted = await used(connection, [handle.subject for handle in rows])
        return [_shown(handle, counted, filters.now) for handle in rows], more

    async def revoke(self, ask: Ask, reason: str | None) -> Shown:
        """At once: a payment that races with it is refused, or was before it. Again is no news."""
        while True:
            handle = await self._get(ask.handle_id, ask.merchant_id)
            ask.match(handle.version)
            if handle.status in TERMINAL:
                return await self._shown(handle)
            event = ev.HandleRevoked(reason=reason)
            moved = HANDLES.move(handle, [event], self._with.clock.now(), ask.metadata)
            closed = close(handle.subject, handle.livemode)
            try:
                await self._with.writer.submit(_change(moved, closed))
            except VersionConflict:
                continue
            return await self._shown(moved.state)

    async def expire_due(self) -> int:
        """Records whose time is over; answers how many. For the worker."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.expiring(connection, now, _SWEEP)
        metadata = Metadata(actor="worker:handles")
        event: Event = ev.HandleExpired()
        moves = [HANDLES.move(handle, [event], now, metadata) for handle in due]
        refusals = await self._with.writer.submit_all([_change(moved) for moved in moves])
        return sum(refusal is None for refusal in refusals)

    # ── what others ask ──────────────────────────────────────────────────────────────────

    async def source(self, reference: str, purchase: Purchase) -> Source:
        """What pays behind an alias, for this purchase; refusals of `domain`, or `NotFound`."""
        alias_hash = self._with.vault.alias_hash(reference)
        async with self._with.database.connection() as connection:
            handle = await store.of_alias(connection, alias_hash, purchase.merchant_id)
        if handle is None:
            raise NotFound("there is no such handle", "payment_method.upi.handle")
        domain.check_live(handle, self._with.clock.now())
        domain.check_scope(handle, purchase)
        return _source(handle, domain.moves(handle, purchase.amount_minor))

    async def payee(
        self, reference: str | None, customer_id: UUID | None, merchant_id: UUID
    ) -> Source:
        """Whom a handle (`hdl_…`), or a customer's newest live one, reaches. Takes nothing of it:
        being paid uses up no handle, a revoked one is paid no more."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            if reference is not None:
                handle_id = ids.decode("hdl", reference)
                handle = await store.get(connection, handle_id, merchant_id)
            elif customer_id is not None:
                handle = await store.newest_live(connection, customer_id, merchant_id, now)
            else:
                handle = None
        if handle is None:
            raise NotFound("there is no handle that reaches the payee")
        domain.check_live(handle, now)
        return _source(handle, (domain.guarded(handle),))

    async def _get(self, handle_id: UUID, merchant_id: UUID) -> Handle:
        async with self._with.database.connection() as connection:
            handle = await store.get(connection, handle_id, merchant_id)
        if handle is None:
            raise NotFound("there is no such handle")
        return handle

    async def _shown(self, handle: Handle) -> Shown:
        async with self._with.database.connection() as connection:
            counted = await used(connection, [handle.subject])
        return _shown(handle, counted, self._with.clock.now())


def _opened(handle: Handle) -> tuple[LimitMove, ...]:
    """Makes the guard's row, so that a payment and a revocation wait for each other there."""
    return close(handle.subject, handle.livemode), reopen(handle.subject, handle.livemode)


def _change(moved: Moved[Handle], *limits: LimitMove) -> Change:
    return Change(snapshots=(moved.row,), events=moved.events, limits=limits)


def _source(handle: Handle, moves: tuple[LimitMove, ...]) -> Source:
    return Source(
        authority=Authority(
            kind="handle",
            id=handle.reference,
            customer_id=handle.customer_id,
            moves=moves,
            facts={"purpose": handle.purpose},
        ),
        key=handle.instrument,
        mask=handle.instrument_mask,
        vpa=VpaReference(purpose=_PLACE, id=handle.id, merchant_id=handle.merchant_id),
    )


def _shown(handle: Handle, counted: Used, now: datetime) -> Shown:
    uses = counted.get((handle.subject, USES, FOREVER), 0)
    total = counted.get((handle.subject, TOTAL, FOREVER), 0)
    cap = handle.max_total_minor
    return Shown(
        handle=handle,
        state=handle.state_at(now),
        uses_left=handle.max_uses - uses,
        amount_left=None if cap is None else cap - total,
    )
