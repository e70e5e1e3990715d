"""Paying settlements out: the attempt at the bank, and what its answer does."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import KhataError, NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.merchants.domain import Merchant
from online.platform.db import Database
from online.rails.domain import PayoutRequest
from online.settlements import outcomes, store
from online.settlements.domain import Settlement
from online.settlements.store import SETTLEMENTS

# How many payouts are at the bank at once.
_AT_ONCE: Final = 16

_log = structlog.get_logger(__name__)


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """A committed settlement with the attempt that is to pay it."""

    settlement: Settlement
    merchant: Merchant
    attempt: Attempt


class Payouts:
    def __init__(
        self, database: Database, writer: Writer, clock: Clock, attempts: Attempts, *, rail: str
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._attempts = attempts
        self._rail = rail

    def prepare(self, settlement: Settlement, metadata: Metadata) -> Moved[Attempt]:
        """The attempt as it is committed before the bank is asked."""
        origin = Origin(
            id=ids.new(self._clock.now()),
            merchant_id=settlement.merchant_id,
            livemode=settlement.livemode,
        )
        sent = ev.AttemptSent(
            operation="payout",
            amount=settlement.net_minor,
            currency=settlement.currency,
            rail=self._rail,
            settlement_id=ids.encode("stl", settlement.id),
        )
        return self._attempts.prepare(origin, sent, metadata)

    async def send(self, payouts: Sequence[Payout], metadata: Metadata) -> None:
        """All of them, a few at a time. One that we cannot record is left to recovery."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(payout: Payout) -> None:
            async with slots:
                try:
                    await self._send(payout, metadata)
                except KhataError as error:
                    reference = payout.attempt.reference
                    _log.warning("payout_unrecorded", attempt=reference, error=str(error))

        await asyncio.gather(*map(one, payouts))

    async def _send(self, payout: Payout, metadata: Metadata) -> Settlement:
        attempt = payout.attempt
        request = PayoutRequest(
            reference=attempt.reference,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            beneficiary=outcomes.beneficiary(payout.merchant),
        )
        answered = await self._attempts.send(attempt, request, metadata)
        return await self._record(payout.settlement, attempt, answered, metadata)

    async def resolve(self, attempt: Attempt, metadata: Metadata) -> Settlement | None:
        """Recovery: asks the bank about an open payout and records what it says."""
        answered = await self._attempts.enquire(attempt, metadata)
        async with self._database.connection() as connection:
            settlement = await store.get(connection, attempt.settlement_id or attempt.id)
        if settlement is None:
            return None
        return await self._record(settlement, attempt, answered, metadata)

    async def _record(
        self, settlement: Settlement, attempt: Attempt, answered: Answered, metadata: Metadata
    ) -> Settlement:
        """The second commit. Whoever records first wins; the other answers with what is there."""
        now = self._clock.now()
        effect = outcomes.effect(settlement, attempt, answered.outcome, now)
        rows, events = [answered.moved.row], [*answered.moved.events]
        state = settlement
        if effect.event is not None:
            moved = SETTLEMENTS.move(settlement, [effect.event], now, metadata)
            rows.append(moved.row)
            events += moved.events
            state = moved.state
        journals = (effect.journal,) if effect.journal else ()
        try:
            await self._writer.submit(
                Change(snapshots=tuple(rows), events=tuple(events), journals=journals)
            )
        except VersionConflict:
            # Nothing but the outcome of its payout moves a settlement: somebody recorded it.
            async with self._database.connection() as connection:
                found = await store.get(connection, settlement.id)
            if found is None:
                raise NotFound("no such settlement", "id") from None
            return found
        return state
