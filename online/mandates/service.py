"""Mandates: what a merchant asks for, and what becomes of it at the rail.

Asking is the dance of every operation at a rail: commit the attempt, call the rail with no
transaction open, commit the outcome. How a mandate is stopped: `stopping.py`.
"""

from contextlib import AbstractAsyncContextManager
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change, close, reopen
from online.limits.authority import Authority
from online.mandates import outcomes, store
from online.mandates.domain import Mandate
from online.mandates.outcomes import Payer, Terms
from online.mandates.running import Call, Collaborators, Running, counters
from online.mandates.store import MANDATES, Filters
from online.merchants.domain import Merchant
from online.platform.idempotency import IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.rails.domain import (
    MandateRequest,
    Outcome,
    Upi,
)
from online.rails.mandates import MandateTerms, RailMandate
from online.routing.domain import RouteRequest


class NewMandate(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask of whom. `upi` is for the rail alone; `behind` is the handle's, if one pays."""

    merchant_id: UUID
    terms: Terms
    payer: Payer
    upi: Upi
    behind: Authority | None = None


class Mandates:
    """Use cases on mandates."""

    def __init__(self, with_: Collaborators, running: Running) -> None:
        self._with = with_
        self._running = running

    async def get(self, mandate_id: UUID, merchant_id: UUID | None) -> Mandate:
        """`merchant_id` None is the service itself."""
        return await self._running.get(mandate_id, merchant_id)

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Mandate], bool]:
        """Newest first, and whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, merchant_id, filters, asked), asked)

    def replaying(self, key: IdempotencyKey) -> AbstractAsyncContextManager[None]:
        """Around what a call checks before it asks: a repeated one is answered by its key."""
        return replays_first(self._with.database, key)

    # ── asking the payer ─────────────────────────────────────────────────────────────────

    async def create(self, order: NewMandate, call: Call, metadata: Metadata) -> Mandate:
        """Asks the payer, through the rail; answers with the mandate as it stands after that."""
        merchant = await self._with.merchants.get(order.merchant_id)
        async with self.replaying(call.key):
            mandate, attempt = await self._begin(order, merchant, call, metadata)
        terms = order.terms
        request = MandateRequest(
            reference=attempt.reference,
            amount_minor=terms.max_amount_minor,
            currency=mandate.currency,
            upi=order.upi.to(merchant.name, merchant.mcc),
            terms=MandateTerms(
                amount_rule=terms.amount_rule,
                frequency=terms.frequency.value,
                start_on=terms.start_on,
                end_on=terms.end_on,
                name=terms.purpose,
                debit_rule=terms.debit_rule.value if terms.debit_rule else None,
                debit_day=terms.debit_day,
            ),
        )
        return await self._running.send(mandate, attempt, request, metadata, call)

    async def _begin(
        self, order: NewMandate, merchant: Merchant, call: Call, metadata: Metadata
    ) -> tuple[Mandate, Attempt]:
        now = self._with.clock.now()
        origin = Origin(id=ids.new(now), merchant_id=merchant.id, livemode=merchant.livemode)
        reference = ids.encode("mnd", origin.id)
        decision = await self._with.routing.choose(
            RouteRequest(
                payment_id=origin.id,
                merchant_id=merchant.id,
                mcc=merchant.mcc,
                method="upi",
                amount_minor=order.terms.max_amount_minor,
                currency="INR",
                operation="mandate",
            )
        )
        rail = self._with.routing.rail_of(decision.route)
        attempt = self._with.attempts.prepare(
            msgspec.structs.replace(origin, id=ids.new(now)),
            ev.AttemptSent(
                operation="mandate",
                amount=order.terms.max_amount_minor,
                currency="INR",
                rail=rail,
                route=decision.route,
                order_id=reference,
            ),
            metadata,
        )
        created = outcomes.created(order.terms, order.payer, merchant)
        requested = ev.MandateRequested(
            attempt_id=attempt.state.reference,
            route=decision.route,
            rail=rail,
            route_decision=msgspec.to_builtins(decision),
        )
        moved = MANDATES.create(origin, [created, requested], now, metadata)
        subject, livemode = moved.state.subject, origin.livemode
        behind = order.behind
        try:
            await self._with.writer.submit(
                Change(
                    snapshots=(moved.row, attempt.row, *(behind.rows if behind else ())),
                    events=(*moved.events, *attempt.events, *(behind.events if behind else ())),
                    limits=(
                        *(close(subject, livemode), reopen(subject, livemode)),
                        *(behind.moves if behind else ()),
                    ),
                    reserve=call.key.making("mnd", origin.id),
                )
            )
        except BaseException:
            self._with.routing.give_back(decision.route, "mandate")
            raise
        return moved.state, attempt.state

    # ── what the rail says ───────────────────────────────────────────────────────────────

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Mandate | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        assert attempt.order_id is not None  # by `ordered_by`
        mandate = await self._running.get(ids.decode("mnd", attempt.order_id))
        if answered is None:
            return mandate
        return await self._running.record(mandate, attempt, answered, metadata)

    async def hear(self, rail: str, reference: str, actor: str) -> bool:
        """The rail hints that a payer did something to a mandate: it is asked. Whether there is
        such a mandate."""
        try:
            attempt_id = ids.decode("att", reference)
        except ids.InvalidId:
            return False
        told = await self._with.rails[rail].mandate(reference)
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, attempt_id)
        if told is None or attempt is None or attempt.rail != rail or attempt.order_id is None:
            return False
        await self._learn(ids.decode("mnd", attempt.order_id), told, Metadata(actor=actor))
        return True

    async def _learn(self, mandate_id: UUID, told: RailMandate, metadata: Metadata) -> None:
        while True:
            mandate = await self._running.get(mandate_id)
            event = outcomes.by_payer(mandate, told, business_date(self._with.clock.now()))
            if event is None:
                return
            moved = MANDATES.move(mandate, [event], self._with.clock.now(), metadata)
            change = Change(
                snapshots=(moved.row,), events=moved.events, limits=counters(mandate, event)
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return
