"""What the use cases of mandates share: whom they call, and how a rail's answer is recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.attempts.recording import Recorder
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel.clock import Clock
from online.kernel.errors import NotFound
from online.kernel.events import Event, Metadata
from online.ledger.change import Change, LimitMove, close, reopen
from online.ledger.writer import Writer
from online.mandates import outcomes, store
from online.mandates.domain import Mandate, Status
from online.mandates.rules import MandateRules
from online.mandates.store import MANDATES
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.rails.domain import RailRequest
from online.rails.registry import Rails
from online.routing.service import Routing

_AGAIN: Final = timedelta(minutes=5)  # a rail that would not take a revocation


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a mandate: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Mandate], Answer]


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    routing: Routing
    rails: Rails
    rules: MandateRules


class Running:
    """Sends what a mandate asks of its rail, and records the answers."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._recorder = Recorder(with_.database, with_.writer, with_.attempts)

    async def get(self, mandate_id: UUID, merchant_id: UUID | None = None) -> Mandate:
        """`merchant_id` None is the service itself."""
        async with self._with.database.connection() as connection:
            found = await store.get(connection, mandate_id, merchant_id)
        if found is None:
            raise NotFound("no such mandate", "id")
        return found

    async def send(
        self,
        mandate: Mandate,
        attempt: Attempt,
        request: RailRequest,
        metadata: Metadata,
        call: Call | None = None,
    ) -> Mandate:
        """Of an attempt that is committed; answers with the mandate after the rail's answer."""
        answered = await self._with.attempts.send(attempt, request, metadata)
        return await self.record(mandate, attempt, answered, metadata, call)

    async def record(
        self,
        mandate: Mandate,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
        call: Call | None = None,
    ) -> Mandate:
        def decide(found: Mandate, attempt: Attempt, answered: Answered) -> tuple[Change, Mandate]:
            now = self._with.clock.now()
            event = outcomes.event(found, attempt, answered.outcome, now, _AGAIN)
            moved = MANDATES.move(found, [event], now, metadata) if event else None
            state = moved.state if moved else found
            final = call is not None and answered.outcome.is_final
            change = Change(
                snapshots=(answered.moved.row, *((moved.row,) if moved else ())),
                events=(*answered.moved.events, *(moved.events if moved else ())),
                limits=counters(found, event) if event else (),
                answer=_answer(call, state) if call is not None and final else None,
            )
            return change, state

        async def read() -> Mandate:
            return await self.get(mandate.id)

        return await self._recorder.record(
            attempt, answered, metadata, read=read, decide=decide, state=mandate
        )


def counters(mandate: Mandate, event: Event) -> tuple[LimitMove, ...]:
    """What stops executions that are under way to their first commit, or lets them go on."""
    subject, livemode = mandate.subject, mandate.livemode
    match event:
        case ev.MandateResumed():
            return (reopen(subject, livemode),)
        case ev.MandatePaused() | ev.MandateRevoked() | ev.MandateExpired():
            stopped = mandate.status is Status.PAUSED
            return () if stopped else (close(subject, livemode),)
        case _:
            return ()


def _answer(call: Call, state: Mandate) -> IdempotencyAnswer:
    answer = call.render(state)
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id, key=call.key.key, status=answer.status, body=answer.body
    )
