"""Disputes: the public face of the slice.

A merchant's evidence takes the two commits of everything that goes to a rail: what was said is
committed first, then handed over with no transaction open, then the rail's having taken it is
committed. What could not be handed over is sent again by the worker.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec

from online.disputes import store
from online.disputes.domain import TERMINAL, Dispute, News, check_evidence
from online.disputes.intake import Collaborators, Intake, Taken
from online.disputes.store import DISPUTES, EVIDENCE
from online.kernel import events as ev
from online.kernel.errors import NotFound, RateLimited, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Append, Change
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window
from online.rails.domain import RailDispute

_EXPIRY_BATCH: Final = 500
_RAIL_BATCH: Final = 100
_AT_ONCE: Final = 8
_MOST_HINTS: Final = 1_000  # that wait at one moment; more come back later


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind evidence: its key, what it expects of the dispute, how to answer."""

    key: IdempotencyKey
    check: Callable[[Dispute], None]
    render: Callable[[Dispute], Answer]


class Disputes:
    """Use cases on disputes."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._intake = Intake(with_)
        self._hints: Counter[tuple[str, str]] = Counter()
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        self._at_rails = asyncio.Semaphore(_AT_ONCE)

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def get(self, dispute_id: UUID, merchant_id: UUID, *, livemode: bool) -> Dispute:
        async with self._with.database.connection() as connection:
            dispute = await store.get_of_merchant(
                connection, dispute_id, merchant_id, livemode=livemode
            )
        if dispute is None:
            raise NotFound("no such dispute", "id")
        return dispute

    async def page(
        self,
        merchant_id: UUID,
        asked: Window,
        *,
        livemode: bool,
        status: str | None = None,
        payment_id: UUID | None = None,
    ) -> list[Dispute]:
        """Newest first; one more than asked for where there is more."""
        async with self._with.database.connection() as connection:
            return await store.page(
                connection,
                merchant_id,
                asked,
                livemode=livemode,
                status=status,
                payment_id=payment_id,
            )

    async def of_payment(self, payment_id: UUID) -> list[Dispute]:
        """All disputes of a payment, oldest first."""
        async with self._with.database.connection() as connection:
            return await store.of_payment(connection, payment_id)

    # ── news ─────────────────────────────────────────────────────────────────────────────

    async def take_in(
        self, news: Sequence[News], *, livemode: bool, metadata: Metadata
    ) -> list[Taken]:
        """Lines of a rail's file, each by itself: what became of them, in their places."""
        return await self._intake.take_in(news, livemode=livemode, metadata=metadata)

    async def hear(self, rail: str, reference: str, metadata: Metadata) -> Taken | None:
        """A hint: asks the rail, and believes that alone. None where it tells of no dispute.

        While one hint is being looked into, one more waits (what it is about may be newer than the
        answer under way) and any further adds nothing.
        """
        if rail not in self._with.rails:
            raise NotFound("there is no such rail", "rail")
        key = (rail, reference)
        if self._hints[key] >= 2:
            return None
        if self._hints.total() >= _MOST_HINTS:
            raise RateLimited("too many hints at once", retry_after_s=5)
        self._hints[key] += 1
        try:
            async with self._asking.setdefault(key, asyncio.Lock()), self._at_rails:
                return await self._ask(rail, reference, metadata)
        finally:
            self._hints[key] -= 1
            if not self._hints[key]:
                del self._hints[key], self._asking[key]

    async def _ask(self, rail: str, reference: str, metadata: Metadata) -> Taken | None:
        told = await self._with.rails[rail].dispute(reference)
        if told is None or told.reference != reference:
            return None
        news = _news(rail, told)
        (taken,) = await self._intake.take_in([news], livemode=None, metadata=metadata)
        return taken

    # ── evidence ─────────────────────────────────────────────────────────────────────────

    async def submit_evidence(
        self, of: Dispute, evidence: str, call: Call, metadata: Metadata
    ) -> Dispute:
        """Commits what the merchant says, hands it to the rail, answers with what stands then."""
        async with replays_first(self._with.database, call.key):
            dispute = await self._commit_evidence(of, evidence, call, metadata)
        return await self._hand_over(dispute, evidence, call, metadata)

    async def _commit_evidence(
        self, of: Dispute, evidence: str, call: Call, metadata: Metadata
    ) -> Dispute:
        digest = sha256(evidence.encode()).hexdigest()
        while True:
            dispute = await self.get(of.id, of.merchant_id, livemode=of.livemode)
            now = self._with.clock.now()
            call.check(dispute)
            check_evidence(dispute, now)
            event = ev.DisputeEvidenceSubmitted(sha256=digest)
            moved = DISPUTES.move(dispute, [event], now, metadata)
            row = (dispute.id, dispute.merchant_id, evidence, digest, dispute.livemode, now)
            change = Change(
                snapshots=(moved.row,),
                events=moved.events,
                appends=(Append(EVIDENCE, (row,)),),
                reserve=call.key.making("dsp", dispute.id),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state

    async def _hand_over(
        self, dispute: Dispute, evidence: str, call: Call | None, metadata: Metadata
    ) -> Dispute:
        """The second commit. A rail that did not take it leaves the dispute for the worker."""
        taken = False
        if dispute.rail in self._with.rails:
            taken = await self._with.rails[dispute.rail].contest(dispute.rail_reference, evidence)
        while True:
            state, change = dispute, Change(answer=_answer(call, dispute))
            if taken and dispute.evidence_sent_at is None and dispute.status not in TERMINAL:
                now = self._with.clock.now()
                moved = DISPUTES.move(dispute, [ev.DisputeEvidenceSent()], now, metadata)
                state, answer = moved.state, _answer(call, moved.state)
                change = Change(snapshots=(moved.row,), events=moved.events, answer=answer)
            elif call is None:
                return state
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                mode = dispute.livemode
                dispute = await self.get(dispute.id, dispute.merchant_id, livemode=mode)
            else:
                return state

    # ── sweeps, for the worker ───────────────────────────────────────────────────────────

    async def expire_due(self) -> int:
        """Records deadlines that have passed; answers how many."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.overdue(connection, now, _EXPIRY_BATCH)
        metadata = Metadata(actor="worker:expiry")
        moves = [DISPUTES.move(d, [ev.DisputeDeadlinePassed()], now, metadata) for d in due]
        refusals = await self._with.writer.submit_all(
            [Change(snapshots=(m.row,), events=m.events) for m in moves]
        )
        return sum(refusal is None for refusal in refusals)

    async def refresh_due(self) -> int:
        """Asks the rails about open disputes that nobody has asked about for a while."""
        now = self._with.clock.now()
        before = now - timedelta(seconds=self._with.terms.ask_again_after_s)
        async with self._with.database.connection() as connection:
            due = await store.claim_to_ask(connection, now, before, _RAIL_BATCH)
        metadata = Metadata(actor="worker:disputes")

        async def one(dispute: Dispute) -> None:
            if dispute.rail in self._with.rails:
                async with self._at_rails:
                    await self._ask(dispute.rail, dispute.rail_reference, metadata)

        await asyncio.gather(*map(one, due))
        return len(due)

    async def send_due(self) -> int:
        """Hands evidence over that its rail has not taken yet; answers how much was tried."""
        now = self._with.clock.now()
        before = now - timedelta(seconds=self._with.terms.send_again_after_s)
        async with self._with.database.connection() as connection:
            due = await store.claim_to_send(connection, now, before, _RAIL_BATCH)
            texts = {d.id: await store.evidence_body(connection, d.id) for d in due}
        metadata = Metadata(actor="worker:disputes")

        async def one(dispute: Dispute, text: str) -> None:
            async with self._at_rails:
                await self._hand_over(dispute, text, None, metadata)

        await asyncio.gather(*(one(d, text) for d in due if (text := texts[d.id]) is not None))
        return len(due)


def _news(rail: str, told: RailDispute) -> News:
    return News(
        rail=rail,
        reference=told.reference,
        original_reference=told.original_reference,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason_code=told.reason_code,
        status=told.status,
        respond_by=told.respond_by,
    )


def _answer(call: Call | None, dispute: Dispute) -> IdempotencyAnswer | None:
    if call is None:
        return None
    answer = call.render(dispute)
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
