"""Delegations: made, read, paused, revoked, paid under. The public face of the slice.

A payment does not move a delegation: it takes from its counters and passes its guard.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import msgspec

from online.customers.domain import Customer, mask_vpa
from online.customers.rights import Right
from online.delegations import domain, store
from online.delegations.domain import TERMINAL, ApprovalRequired, Delegation, Kind, Status
from online.delegations.rules import DelegationRule, on
from online.delegations.store import DELEGATIONS, Filters
from online.devices.domain import Device
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change, LimitMove, close, reopen
from online.ledger.counters import Used, used
from online.ledger.writer import Writer
from online.limits.authority import Authority, Purchase, Source
from online.limits.domain import returned, taken
from online.platform.db import Database
from online.platform.lists import Window, cut
from online.rails.domain import VpaReference
from online.vault.sealed import Place
from online.vault.service import Vault

_PLACE: Final = "delegation"


class DelegationOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation to make; amounts in minor units of `currency`, None: the rule's cap alone."""

    merchant_id: UUID
    primary_id: UUID
    secondary_id: UUID
    vpa: str
    kind: Kind
    currency: str
    per_payment_minor: int | None
    per_month_minor: int | None
    livemode: bool

    def __repr__(self) -> str:
        return "DelegationOrder(…)"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do to a delegation; `match` refuses a version that was not decided on."""

    delegation_id: UUID
    merchant_id: UUID
    metadata: Metadata
    match: Callable[[int], None]


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """One cap, and what payments have taken of it until `until`."""

    rule: str
    cap: int
    used: int
    left: int
    until: datetime | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation, what one payment under it may be, and how its caps stand."""

    delegation: Delegation
    per_payment: int | None
    caps: tuple[Left, ...]


class CustomerDirectory(Protocol):
    """The merchant's customers and what they may do (`customers` fulfils it)."""

    async def by_ids(
        self, customer_ids: Collection[UUID], merchant_id: UUID
    ) -> dict[UUID, Customer]: ...

    def require(self, customer: Customer, right: Right) -> None: ...


class DeviceDirectory(Protocol):
    """Raises unless the name is a customer's own device, proved and not stopped (`devices`)."""

    async def of_customer(self, name: str, customer_id: UUID, merchant_id: UUID) -> Device: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `ground.py`."""

    database: Database
    writer: Writer
    clock: Clock
    customers: CustomerDirectory
    devices: DeviceDirectory
    vault: Vault
    rules: tuple[DelegationRule, ...]


class Delegations:
    """Use cases on delegations. `source` is what payments ask."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    def rule(self, at: datetime) -> DelegationRule:
        return on(self._with.rules, business_date(at))

    async def create(self, order: DelegationOrder, metadata: Metadata) -> Shown:
        """Refused by the writer where the primary has no place left, or the secondary a primary."""
        if order.primary_id == order.secondary_id:
            raise InvalidRequest("nobody is their own secondary", "secondary_id")
        await self._check_people(order.primary_id, order.secondary_id, order.merchant_id)
        now = self._with.clock.now()
        rule = self.rule(now)
        event = ev.DelegationCreated(
            merchant_id=ids.encode("mrc", order.merchant_id),
            primary_id=ids.encode("cus", order.primary_id),
            secondary_id=ids.encode("cus", order.secondary_id),
            kind=order.kind,
            currency=order.currency,
            instrument=self._with.vault.instrument_hash(order.vpa),
            instrument_mask=mask_vpa(order.vpa),
            cooling_until=now + rule.cooling,
            per_payment=order.per_payment_minor,
            per_month=order.per_month_minor,
        )
        origin = Origin(id=ids.new(now), merchant_id=order.merchant_id, livemode=order.livemode)
        moved = DELEGATIONS.create(origin, [event], now, metadata)
        made = moved.state
        place = Place(purpose=_PLACE, id=made.id, merchant_id=made.merchant_id)
        sealed = self._with.vault.seal_text(place, order.vpa.lower(), livemode=made.livemode)
        await self._with.writer.submit(
            Change(
                snapshots=(moved.row,),
                events=moved.events,
                appends=(sealed,),
                limits=(*domain.linked(made, rule), *_opened(made)),
            )
        )
        return await self._shown(made)

    async def show(self, delegation_id: UUID, merchant_id: UUID) -> Shown:
        return await self._shown(await self.get(delegation_id, merchant_id))

    async def get(self, delegation_id: UUID, merchant_id: UUID) -> Delegation:
        async with self._with.database.connection() as connection:
            found = await store.get(connection, delegation_id, merchant_id)
        if found is None:
            raise NotFound("there is no such delegation")
        return found

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Shown], bool]:
        """Newest first; whether there are more."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            rows, more = cut(await store.page(connection, merchant_id, filters, asked), asked)
            subjects = [name for each in rows for name in (each.subject, each.pair)]
            counted = await used(connection, subjects)
        return [_shown(each, counted, self.rule(now), now) for each in rows], more

    # ── stopping it ──────────────────────────────────────────────────────────────────────

    async def pause(self, ask: Ask, reason: str | None) -> Shown:
        """At once, as `revoke`; `resume` undoes it."""
        return await self._act(ask, ev.DelegationPaused(reason=reason), Status.PAUSED)

    async def resume(self, ask: Ask) -> Shown:
        return await self._act(ask, ev.DelegationResumed(), Status.ACTIVE)

    async def revoke(self, ask: Ask, reason: str | None) -> Shown:
        """At once: a payment that races with it is refused, or was before it. Again is no news."""
        return await self._act(ask, ev.DelegationRevoked(reason=reason), Status.REVOKED)

    async def _act(self, ask: Ask, event: Event, goal: Status) -> Shown:
        while True:
            found = await self.get(ask.delegation_id, ask.merchant_id)
            ask.match(found.version)
            if found.status is goal:
                return await self._shown(found)
            now = self._with.clock.now()
            moved = DELEGATIONS.move(found, [event], now, ask.metadata)
            limits = _guarding(found, moved.state)
            if moved.state.status in TERMINAL:
                places = taken(domain.linked(found, self.rule(now)))
                limits = (*limits, *returned(places, found.livemode))
            change = Change(snapshots=(moved.row,), events=moved.events, limits=limits)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return await self._shown(moved.state)

    # ── what payments and approvals ask ──────────────────────────────────────────────────

    async def source(self, reference: str, purchase: Purchase) -> Source:
        """What pays under a full delegation; `ApprovalRequired` under a partial one."""
        found = await self.get(ids.decode("dlg", reference), purchase.merchant_id)
        if found.kind == "partial":
            raise ApprovalRequired(
                "the primary approves each payment: ask by POST /delegations/{id}/requests",
                "payment_method.upi.delegation",
            )
        return await self.granted(found, purchase)

    async def granted(self, found: Delegation, purchase: Purchase) -> Source:
        """The primary's account, for one payment of the secondary: on a device of their own,
        within the caps. Raises what refuses it; the caps' windows are the writer's to refuse."""
        domain.check_open(found)
        if purchase.currency != found.currency:
            raise InvalidRequest(f"the delegation is for {found.currency}", "currency")
        if purchase.device_id is None:
            raise InvalidRequest("a secondary pays on a linked device: name it", "device_id")
        now = self._with.clock.now()
        rule = self.rule(now)
        domain.check_amount(found, rule, purchase.amount_minor)
        await self._check_people(found.primary_id, found.secondary_id, found.merchant_id)
        device = await self._with.devices.of_customer(
            purchase.device_id, found.secondary_id, found.merchant_id
        )
        purpose = rule.full.purpose if found.kind == "full" else purchase.purpose
        return Source(
            authority=Authority(
                kind="delegation",
                id=found.reference,
                customer_id=found.secondary_id,
                payer_id=found.primary_id,
                moves=(device.guarded, *domain.moves(found, rule, purchase.amount_minor, now)),
                facts={"delegation": found.kind, "rule": rule.version},
            ),
            key=found.instrument,
            mask=found.instrument_mask,
            vpa=VpaReference(purpose=_PLACE, id=found.id, merchant_id=found.merchant_id),
            purpose=purpose,
        )

    async def _check_people(self, primary: UUID, secondary: UUID, merchant_id: UUID) -> None:
        """Both are the merchant's customers, and their types let them."""
        people = await self._with.customers.by_ids([primary, secondary], merchant_id)
        for id_, right, param in _parts(primary, secondary):
            if id_ not in people:
                raise NotFound("there is no such customer", param)
            self._with.customers.require(people[id_], right)

    async def _shown(self, found: Delegation) -> Shown:
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            counted = await used(connection, [found.subject, found.pair])
        return _shown(found, counted, self.rule(now), now)


def _parts(primary: UUID, secondary: UUID) -> tuple[tuple[UUID, Right, str], ...]:
    return (primary, "delegate", "primary_id"), (secondary, "secondary", "secondary_id")


def _opened(made: Delegation) -> tuple[LimitMove, ...]:
    """Makes the guard's row, so that a payment and a revocation wait for each other there."""
    return close(made.subject, made.livemode), reopen(made.subject, made.livemode)


def _guarding(before: Delegation, after: Delegation) -> tuple[LimitMove, ...]:
    """Closed while it is not active."""
    was, is_ = before.status is Status.ACTIVE, after.status is Status.ACTIVE
    if was == is_:
        return ()
    return ((reopen if is_ else close)(after.subject, after.livemode),)


def _shown(found: Delegation, counted: Used, rule: DelegationRule, now: datetime) -> Shown:
    caps = tuple(
        _left(cap, counted.get((cap.subject, cap.rule, cap.window_start), 0))
        for cap in domain.caps(found, rule, now)
    )
    return Shown(delegation=found, per_payment=domain.per_payment(found, rule), caps=caps)


def _left(cap: domain.Cap, taken: int) -> Left:
    left = max(0, cap.cap - taken)
    return Left(rule=cap.rule, cap=cap.cap, used=taken, left=left, until=cap.until)
