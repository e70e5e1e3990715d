"""Payouts at the bank: what is sent, what the bank says, and the second commit.

Whatever comes of it is booked once, by whichever way it is heard: the call's own answer, an
enquiry, the bank's own word, its statement.
"""

from collections.abc import Callable

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.recording import Recorder
from online.attempts.returned import Returned
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.limits.domain import returned
from online.payouts import outcomes, store
from online.payouts.domain import Payout, Status
from online.payouts.rules import PayoutRules
from online.payouts.store import PAYOUTS
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.rails.domain import Outcome, Payee, PayoutRequest

_log = structlog.get_logger(__name__)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a payout: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Payout], Answer]

    def answer(self, payout: Payout) -> IdempotencyAnswer:
        said = self.render(payout)
        return IdempotencyAnswer(
            merchant_id=self.key.merchant_id, key=self.key.key, status=said.status, body=said.body
        )


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A payout whose attempt is committed, with what the bank has to be told."""

    payout: Payout
    attempt: Attempt
    to: Payee


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What sending needs; wired in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    rules: PayoutRules


class Sending:
    """Sends what is committed, and records what came of it."""

    def __init__(self, with_: Ground) -> None:
        self._with = with_
        self._recorder = Recorder(with_.database, with_.writer, with_.attempts)

    async def send(self, begun: Begun, metadata: Metadata, call: Call | None = None) -> Payout:
        payout, attempt = begun.payout, begun.attempt
        request = PayoutRequest(
            reference=attempt.reference,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            beneficiary=begun.to,
            mode=payout.mode,  # type: ignore[arg-type]  # the database knows no others
            purpose=payout.purpose_code,
        )
        answered = await self._with.attempts.send(attempt, request, metadata)
        return await self._record(payout, attempt, answered, metadata, call=call)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Payout | None:
        """Records what became of a payout: by the bank's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        payout = await self._of(attempt)
        if answered is None:
            return payout
        return await self._record(payout, attempt, answered, metadata)

    async def _record(
        self,
        payout: Payout,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
        *,
        call: Call | None = None,
    ) -> Payout:
        def decide(state: Payout, sent: Attempt, said: Answered) -> tuple[Change, Payout]:
            change, after = self._outcome_change(state, sent, said, metadata)
            if call is None or not said.outcome.is_final:
                return change, after  # a repeated call reads the payout as it is then
            return msgspec.structs.replace(change, answer=call.answer(after)), after

        async def read() -> Payout:
            return await self._of(attempt)

        return await self._recorder.record(
            attempt, answered, metadata, read=read, decide=decide, state=payout
        )

    def _outcome_change(
        self, payout: Payout, attempt: Attempt, answered: Answered, metadata: Metadata
    ) -> tuple[Change, Payout]:
        now = self._with.clock.now()
        effect = outcomes.effect(payout, attempt, answered.outcome, now)
        rows, events = [answered.moved.row], [*answered.moved.events]
        state = payout
        if effect.event is not None:
            moved = PAYOUTS.move(payout, [effect.event], now, metadata)
            rows.append(moved.row)
            events += moved.events
            state = moved.state
        self._note_odd_utr(state)
        change = Change(
            snapshots=tuple(rows),
            events=tuple(events),
            journals=(effect.journal,) if effect.journal else (),
            limits=returned(payout.limits, payout.livemode) if effect.is_over else (),
        )
        return change, state

    def _note_odd_utr(self, payout: Payout) -> None:
        """Reconciliation finds a payout by the bank's number: one of another form is looked at."""
        today = business_date(self._with.clock.now())
        if payout.utr is not None and self._with.rules.is_odd(payout.mode, payout.utr, today):
            _log.warning("payout_utr_odd", payout=payout.payout_id, mode=payout.mode)

    # ── coming back ──────────────────────────────────────────────────────────────────────

    async def returned(self, attempt: Attempt, back: Returned, metadata: Metadata) -> str | None:
        """The bank sent back what it had paid: the money is payable again. None: known already."""
        while True:
            payout = await self._of(attempt)
            if payout.status is Status.RETURNED:
                return None
            event = ev.PayoutReturned(
                attempt_id=attempt.reference,
                amount=attempt.amount_minor,
                returned_on=back.returned_on.isoformat(),
                code=back.code,
                reference=back.reference,
            )
            now = self._with.clock.now()
            moved = PAYOUTS.move(payout, [event], now, metadata)
            change = Change(
                snapshots=(moved.row,),
                events=moved.events,
                journals=(outcomes.payout_sent_back(payout, attempt, now),),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return payout.payout_id

    async def _of(self, attempt: Attempt) -> Payout:
        async with self._with.database.connection() as connection:
            found = await store.payout(connection, ids.decode("pout", attempt.order_id or ""))
        if found is None:
            raise NotFound("no such payout", "id")
        return found
