"""Recording what a rail said of a top-up, or of its return: the second commit."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from online.attempts.domain import Attempt, is_news
from online.attempts.service import Answered
from online.kernel import ids
from online.kernel.errors import InsufficientFunds, KhataError, LimitExceeded, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Change, LimitMove
from online.platform.idempotency import IdempotencyAnswer
from online.rails.domain import OutcomeKind, RefundRequest
from online.wallets import outcomes, store
from online.wallets.collaborators import Collaborators
from online.wallets.guards import WalletClosed, guarded
from online.wallets.orders import TopUpCall
from online.wallets.returns import Begun, prepare
from online.wallets.store import TOP_UPS
from online.wallets.top_up import TopUp

_AT_ONCE: Final = 8

_log = structlog.get_logger(__name__)


class Recording:
    """Commits outcomes; whoever records the end first wins, the other answers with what is there.

    An enquiry may have recorded "not known yet" while the call itself was hanging: its answer still
    counts.
    """

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def record(
        self,
        top_up: TopUp,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
        call: TopUpCall | None = None,
    ) -> TopUp:
        """The wallet takes what came, unless it is closed or has no room for it."""
        credit = True
        while True:
            change, state, begun = await self._change(
                top_up, attempt, answered, metadata, credit=credit
            )
            final = answered.outcome.is_final
            try:
                await self._with.writer.submit(
                    msgspec.structs.replace(change, answer=_answer(call, state, final=final))
                )
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now_attempt = await self._with.attempts.get(connection, attempt.id)
                    now_top_up = await store.top_up(connection, top_up.id)
                if now_top_up is None or now_attempt is None:
                    raise
                top_up = now_top_up
                if now_attempt.version == attempt.version:
                    continue
                if not (final and is_news(now_attempt, answered.outcome)):
                    return top_up
                attempt = now_attempt
                answered = self._with.attempts.again(attempt, answered, metadata)
            except (InsufficientFunds, LimitExceeded, WalletClosed):
                if not credit:
                    raise
                credit = False
            else:
                await self.send(begun, metadata)
                return state

    async def _change(
        self,
        top_up: TopUp,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
        *,
        credit: bool,
    ) -> tuple[Change, TopUp, Sequence[Begun]]:
        now = self._with.clock.now()
        effect = outcomes.effect(top_up, attempt, answered.outcome, credit=credit, at=now)
        alone = Change(snapshots=(answered.moved.row,), events=answered.moved.events)
        if not effect.events:
            return alone, top_up, ()
        moved = TOP_UPS.move(top_up, effect.events, now, metadata)
        rows, events = [answered.moved.row], [*answered.moved.events, *moved.events]
        begun: tuple[Begun, ...] = ()
        if effect.owed:
            back, sent = prepare(self._with, moved.state, top_up.amount_minor, metadata)
            moved = TOP_UPS.move(
                top_up, [*effect.events, *(new.event for new in back.events)], now, metadata
            )
            rows.append(sent.row)
            events = [*answered.moved.events, *moved.events, *sent.events]
            begun = ((moved.state, sent.state),)
        came = answered.outcome.kind is OutcomeKind.APPROVED and attempt.operation != "refund"
        guards = (await self._guard(top_up),) if came and not effect.owed else ()
        change = Change(
            snapshots=(*rows, moved.row),
            events=tuple(events),
            journals=effect.journals,
            limits=(*guards, *effect.limits),
        )
        return change, moved.state, begun

    async def _guard(self, top_up: TopUp) -> LimitMove:
        async with self._with.database.connection() as connection:
            wallet = await store.wallet(connection, top_up.wallet_id)
        assert wallet is not None  # it never goes away
        return guarded(wallet)

    async def send(self, begun: Sequence[Begun], metadata: Metadata) -> None:
        """Sends committed returns, a few at a time. One that we cannot record is left to
        recovery."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(top_up: TopUp, attempt: Attempt) -> None:
            request = RefundRequest(
                reference=attempt.reference,
                original_reference=ids.encode("att", top_up.attempt_id),
                amount_minor=attempt.amount_minor,
                currency=attempt.currency,
            )
            async with slots:
                try:
                    answered = await self._with.attempts.send(attempt, request, metadata)
                    await self.record(top_up, attempt, answered, metadata)
                except KhataError as error:
                    _log.warning("return_unrecorded", attempt=attempt.reference, error=str(error))

        await asyncio.gather(*(one(top_up, attempt) for top_up, attempt in begun))


def _answer(call: TopUpCall | None, top_up: TopUp, *, final: bool) -> IdempotencyAnswer | None:
    """Only a final outcome is stored: a retry of an open one reads the top-up as it is then."""
    if call is None or not final:
        return None
    answer = call.render(top_up)
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
