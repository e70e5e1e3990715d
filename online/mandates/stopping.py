"""The end of a mandate, and its rests: by the merchant, by its last day.

A revocation holds from its first commit on, whatever the rail says: the rail is told after that,
again and again until it has taken it.
"""

from collections.abc import Callable
from uuid import UUID

import structlog

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import KhataError, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.mandates import domain, store
from online.mandates.domain import Mandate, Status
from online.mandates.running import Collaborators, Running, counters
from online.mandates.store import MANDATES
from online.rails.domain import MandateRevokeRequest

_log = structlog.get_logger(__name__)


class Stopping:
    """Use cases that stop a mandate, or let it go on."""

    def __init__(self, with_: Collaborators, running: Running) -> None:
        self._with = with_
        self._running = running

    async def pause(self, mandate_id: UUID, merchant_id: UUID, metadata: Metadata) -> Mandate:
        """Nothing is debited until it is resumed; what comes due meanwhile is canceled."""
        return await self._move(
            mandate_id, merchant_id, lambda found: domain.pause(found, "merchant"), metadata
        )

    async def resume(self, mandate_id: UUID, merchant_id: UUID, metadata: Metadata) -> Mandate:
        today = business_date(self._with.clock.now())
        return await self._move(
            mandate_id, merchant_id, lambda found: domain.resume(found, "merchant", today), metadata
        )

    async def revoke(self, mandate_id: UUID, merchant_id: UUID, metadata: Metadata) -> Mandate:
        """At once; the rail is told after that, again and again until it has taken it."""
        while True:
            mandate = await self._running.get(mandate_id, merchant_id)
            if mandate.status is Status.REVOKED:
                return mandate
            attempt = self._telling(mandate, metadata)
            now = self._with.clock.now()
            event = domain.revoke(mandate, "merchant", attempt.state.reference)
            moved = MANDATES.move(mandate, [event], now, metadata)
            try:
                await self._with.writer.submit(
                    Change(
                        snapshots=(moved.row, attempt.row),
                        events=(*moved.events, *attempt.events),
                        limits=counters(mandate, event),
                    )
                )
            except VersionConflict:
                continue
            return await self._tell(moved.state, attempt.state, metadata)

    async def tell_due(self, most: int = 100) -> int:
        """Tells rails again of revocations that they did not take; answers how many. For the
        worker: of two that begin the same, one is refused."""
        metadata = Metadata(actor="worker:mandates")
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.to_tell(connection, now, most)
        begun, changes = [], []
        for mandate in due:
            attempt = self._telling(mandate, metadata)
            sent = ev.MandateRevocationSent(attempt_id=attempt.state.reference)
            moved = MANDATES.move(mandate, [sent], now, metadata)
            begun.append((moved.state, attempt.state))
            changes.append(
                Change(snapshots=(moved.row, attempt.row), events=(*moved.events, *attempt.events))
            )
        refusals = await self._with.writer.submit_all(changes)
        ours = [each for each, refusal in zip(begun, refusals, strict=True) if refusal is None]
        for revoked, sent_to in ours:
            try:
                await self._tell(revoked, sent_to, metadata)
            except KhataError as error:
                _log.warning("revocation_unrecorded", mandate=revoked.reference, code=error.code)
        return len(ours)

    def _telling(self, mandate: Mandate, metadata: Metadata) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="mandate_revoke",
            amount=mandate.max_amount_minor,
            currency=mandate.currency,
            rail=mandate.rail or "",
            route=mandate.route,
            original_id=ids.encode("att", mandate.attempt),
            order_id=mandate.reference,
        )
        origin = Origin(
            id=ids.new(self._with.clock.now()),
            merchant_id=mandate.merchant_id,
            livemode=mandate.livemode,
        )
        return self._with.attempts.prepare(origin, sent, metadata)

    async def _tell(self, mandate: Mandate, attempt: Attempt, metadata: Metadata) -> Mandate:
        request = MandateRevokeRequest(
            reference=attempt.reference,
            original_reference=ids.encode("att", mandate.attempt),
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
        )
        return await self._running.send(mandate, attempt, request, metadata)

    async def _move(
        self,
        mandate_id: UUID,
        merchant_id: UUID,
        decide: Callable[[Mandate], Event],
        metadata: Metadata,
    ) -> Mandate:
        while True:
            mandate = await self._running.get(mandate_id, merchant_id)
            event = decide(mandate)
            moved = MANDATES.move(mandate, [event], self._with.clock.now(), metadata)
            change = Change(
                snapshots=(moved.row,), events=moved.events, limits=counters(mandate, event)
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state

    async def expire_due(self, most: int = 200) -> int:
        """Ends mandates whose last day is over; answers how many. For the worker."""
        now = self._with.clock.now()
        metadata = Metadata(actor="worker:mandates")
        async with self._with.database.connection() as connection:
            due = await store.to_expire(connection, business_date(now), most)
        event = ev.MandateExpired()
        changes = []
        for mandate in due:
            moved = MANDATES.move(mandate, [event], now, metadata)
            changes.append(
                Change(snapshots=(moved.row,), events=moved.events, limits=counters(mandate, event))
            )
        refusals = await self._with.writer.submit_all(changes)
        return sum(refusal is None for refusal in refusals)
