"""Paying settlements out: the attempt at the bank, what its answer does, and trying again."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.recording import Recorder
from online.attempts.returned import Returned
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import (
    Conflict,
    IllegalMove,
    KhataError,
    NotFound,
    VersionConflict,
)
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.sql import Connection
from online.rails.domain import Beneficiary, Outcome, PayoutRequest
from online.settlements import beneficiaries, outcomes, store
from online.settlements.domain import Settlement, Status
from online.settlements.store import SETTLEMENTS

# How many payouts are at the bank at once, and how many one round of the worker begins.
_AT_ONCE: Final = 16
_A_ROUND: Final = 200
_AGAIN: Final = frozenset({Status.PAYOUT_FAILED, Status.RETURNED})

_log = structlog.get_logger(__name__)


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """A committed settlement with the attempt that is to pay it."""

    settlement: Settlement
    attempt: Attempt
    to: Beneficiary


class Payouts:
    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        attempts: Attempts,
        *,
        merchants: Merchants,
        rail: str,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._attempts = attempts
        self._merchants = merchants
        self._rail = rail
        self._recorder = Recorder(database, writer, attempts)

    async def beneficiaries(
        self, connection: Connection, merchants: Collection[Merchant]
    ) -> Mapping[UUID, Beneficiary]:
        """Whom to pay for each merchant; who is missing cannot be paid yet."""
        return await beneficiaries.usable(connection, merchants, self._clock.now())

    def prepare(self, settlement: Settlement, metadata: Metadata) -> Moved[Attempt]:
        """The attempt as it is committed before the bank is asked."""
        origin = Origin(
            id=ids.new(self._clock.now()),
            merchant_id=settlement.merchant_id,
            livemode=settlement.livemode,
        )
        sent = ev.AttemptSent(
            operation="payout",
            amount=settlement.payout_minor,
            currency=settlement.currency,
            rail=self._rail,
            settlement_id=settlement.reference,
        )
        return self._attempts.prepare(origin, sent, metadata)

    # ── beginning ────────────────────────────────────────────────────────────────────────

    async def pay_due(self, metadata: Metadata) -> int:
        """Begins the payouts whose day has come; answers how many."""
        today = business_date(self._clock.now())
        async with self._database.connection() as connection:
            due = await store.to_pay(connection, today, _A_ROUND)
        if not due:
            return 0
        merchants = await self._merchants.get_all({each.merchant_id for each in due})
        kept = [each for each in due if merchants[each.merchant_id].payouts == "on_demand"]
        await self._keep(kept, metadata)
        return len(await self._begin([each for each in due if each not in kept], metadata))

    async def _keep(self, settlements: Sequence[Settlement], metadata: Metadata) -> None:
        """Their merchants have come to choose where to by themselves: nothing is sent."""
        now = self._clock.now()
        event = ev.SettlementMadePayable()
        moves = [SETTLEMENTS.move(each, [event], now, metadata) for each in settlements]
        changes = [Change(snapshots=(moved.row,), events=moved.events) for moved in moves]
        await self._writer.submit_all(changes)  # a conflict is another worker that was faster

    async def again(
        self, settlement_id: UUID, agree: Callable[[Settlement], None], metadata: Metadata
    ) -> Settlement:
        """A new attempt for a payout that failed or came back; `agree` may refuse it."""
        settlement = await self._get(settlement_id)
        agree(settlement)
        if settlement.status not in _AGAIN:
            raise IllegalMove(f"a payout that is {settlement.status} is not sent again", "id")
        if not await self._begin([settlement], metadata):
            raise Conflict("this payout cannot be sent now: no account, or somebody else sends it")
        return await self._get(settlement_id)

    async def _begin(self, settlements: Sequence[Settlement], metadata: Metadata) -> list[Payout]:
        """Commits an attempt for each that can be paid, and sends it; answers what was sent."""
        if not settlements:
            return []
        merchants = await self._merchants.get_all({each.merchant_id for each in settlements})
        async with self._database.connection() as connection:
            to = await self.beneficiaries(connection, merchants.values())
        payouts, changes = [], []
        now = self._clock.now()
        for settlement in settlements:
            if settlement.merchant_id not in to:
                continue
            attempt = self.prepare(settlement, metadata)
            moved = SETTLEMENTS.move(settlement, [outcomes.sent(attempt.state)], now, metadata)
            account = to[settlement.merchant_id]
            journal = outcomes.payout_sent(moved.state, attempt.state, now, account)
            changes.append(
                Change(
                    snapshots=(moved.row, attempt.row),
                    events=(*moved.events, *attempt.events),
                    journals=(journal,),
                )
            )
            payouts.append(Payout(settlement=moved.state, attempt=attempt.state, to=account))
        refusals = await self._writer.submit_all(changes)
        # A conflict is another worker that was faster: the payout is in its hands.
        begun = [each for each, refusal in zip(payouts, refusals, strict=True) if refusal is None]
        await self.send(begun, metadata)
        return begun

    # ── the bank, and the second commit ──────────────────────────────────────────────────

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
            beneficiary=payout.to,
        )
        answered = await self._attempts.send(attempt, request, metadata)
        return await self._record(payout.settlement, attempt, answered, metadata)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Settlement | None:
        """Records what became of a payout: by the bank's own word (`told`), or by asking it."""
        answered = await self._attempts.learn(attempt, metadata, told)
        async with self._database.connection() as connection:
            settlement = await store.get(connection, attempt.settlement_id or attempt.id)
        if settlement is None or answered is None:
            return settlement
        return await self._record(settlement, attempt, answered, metadata)

    async def _record(
        self, settlement: Settlement, attempt: Attempt, answered: Answered, metadata: Metadata
    ) -> Settlement:
        """A reserve that comes free meanwhile moves the settlement and nothing else."""

        def decide(state: Settlement, sent: Attempt, said: Answered) -> tuple[Change, Settlement]:
            return self._outcome_change(state, sent, said, metadata)

        async def read() -> Settlement:
            return await self._get(settlement.id)

        return await self._recorder.record(
            attempt, answered, metadata, read=read, decide=decide, state=settlement
        )

    def _outcome_change(
        self, settlement: Settlement, attempt: Attempt, answered: Answered, metadata: Metadata
    ) -> tuple[Change, Settlement]:
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
        return Change(snapshots=tuple(rows), events=tuple(events), journals=journals), state

    # ── coming back ──────────────────────────────────────────────────────────────────────

    async def returned(self, attempt: Attempt, back: Returned, metadata: Metadata) -> str | None:
        """The bank returned what it had paid; None when that is known already."""
        assert attempt.settlement_id is not None  # which is how a return finds its way here
        while True:
            settlement = await self._get(attempt.settlement_id)
            event = ev.SettlementPayoutReturned(
                attempt_id=attempt.reference,
                amount=attempt.amount_minor,
                returned_on=back.returned_on.isoformat(),
                code=back.code,
                reference=back.reference,
            )
            if settlement.payout_attempt_id != attempt.id or settlement.status is Status.RETURNED:
                return None  # it came back before, and may have been sent again since
            now = self._clock.now()
            moved = SETTLEMENTS.move(settlement, [event], now, metadata)
            journal = outcomes.payout_sent_back(settlement, attempt, now)
            change = Change(snapshots=(moved.row,), events=moved.events, journals=(journal,))
            try:
                await self._writer.submit(change)
            except VersionConflict:
                continue
            return settlement.reference

    async def _get(self, settlement_id: UUID) -> Settlement:
        async with self._database.connection() as connection:
            found = await store.get(connection, settlement_id)
        if found is None:
            raise NotFound("no such settlement", "id")
        return found
