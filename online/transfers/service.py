"""Transfers: the public face of the slice.

Two commits around the call of the rail, as of a payment: the attempt with all that it holds, then
what came of it. A transfer goes to one rail once; what it came to by then is told, and found out.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt, is_news
from online.attempts.domain import Status as AttemptStatus
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import IllegalMove, NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.limits.domain import Decided, returned
from online.limits.service import Limits
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.platform.sql import Connection
from online.rails.domain import AuthorizeRequest, Outcome, VoidRequest
from online.risk.domain import Assessment
from online.risk.service import Risk
from online.routing.domain import RouteDecision
from online.routing.service import Routing
from online.transfers import beginning, outcomes, store
from online.transfers.domain import Transfer, request_cancel
from online.transfers.orders import Order, People
from online.transfers.people import Directory
from online.transfers.store import TRANSFERS, Filters
from online.transfers.terms import Term, due_at

NOBODY: Final = Answer(204, b"")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a use case: its key, and how its answer is written, from the transfer
    and what the rail said."""

    key: IdempotencyKey
    render: Callable[[Transfer, Outcome | None], Answer]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One use case under way: who asked, and how to answer (recovery has nobody to answer)."""

    metadata: Metadata
    call: Call | None = None


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    risk: Risk
    routing: Routing
    directory: Directory
    limits: Limits
    terms: Sequence[Term]


class Transfers:
    """Use cases on transfers."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def get(self, transfer_id: UUID, merchant_id: UUID) -> Transfer:
        async with self._with.database.connection() as connection:
            transfer = await store.get_of_merchant(connection, transfer_id, merchant_id)
        if transfer is None:
            raise NotFound("no such transfer", "id")
        return transfer

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Transfer], bool]:
        """A merchant's transfers, newest first, and whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, merchant_id, filters, asked), asked)

    async def at_the_rail(self, transfer_id: UUID) -> bool:
        """Whether a call about it may still be on the line."""
        async with self._with.database.connection() as connection:
            open_ = await self._open_attempts(connection, transfer_id)
        return any(attempt.status is AttemptStatus.SENT for attempt in open_)

    # ── send ─────────────────────────────────────────────────────────────────────────────

    async def create(self, order: Order, call: Call, metadata: Metadata) -> tuple[Transfer, Answer]:
        """Decides, sends, records. Answers with the transfer as it stands after the rail."""
        async with replays_first(self._with.database, call.key):
            people = await self._with.directory.people(order)
            begun = await self._begin(order, people, call, metadata)
        if begun.attempt is None:
            return begun.transfer, call.render(begun.transfer, None)
        request = AuthorizeRequest(
            reference=begun.attempt.reference,
            amount_minor=order.amount_minor,
            currency=order.currency,
            capture=True,
            upi=people.upi(order.note),
            kind="p2p",
        )
        answered = await self._with.attempts.send(begun.attempt, request, metadata)
        run = Run(metadata=metadata, call=call)
        return await self._record(begun.transfer, begun.attempt, answered, run)

    async def _begin(
        self, order: Order, people: People, call: Call, metadata: Metadata
    ) -> "_Begun":
        """The first commit: the transfer with its attempt and what both hold, or its refusal."""
        merchant = await self._with.merchants.get(order.merchant_id)
        now = self._with.clock.now()
        transfer_id = ids.new(now)
        facts = beginning.risk_input(order, people, transfer_id, merchant, now)
        assessment = await self._with.risk.assess(facts)
        origin = Origin(id=transfer_id, merchant_id=merchant.id, livemode=merchant.livemode)
        if assessment.decision == "block":
            event = ev.TransferBlocked(risk=assessment.as_event_data())
            events = [beginning.created(order, people, Decided((), ())), event]
            return await self._refuse(TRANSFERS.create(origin, events, now, metadata), call)
        limits = await self._limits(order, people, assessment, now)
        decision = await self._with.routing.choose(
            beginning.route_request(order, transfer_id, merchant)
        )
        try:
            attempt = self._attempt(order, decision, origin, metadata)
            processing = beginning.processing(attempt.state, decision, assessment)
            created = beginning.created(order, people, limits)
            moved = TRANSFERS.create(origin, [created, processing], now, metadata)
            under = people.authorities
            await self._with.writer.submit(
                Change(
                    snapshots=(moved.row, attempt.row, *(row for a in under for row in a.rows)),
                    events=(*moved.events, *attempt.events, *(e for a in under for e in a.events)),
                    limits=(*(move for a in under for move in a.released), *limits.moves),
                    reserve=call.key.making("trf", transfer_id),
                )
            )
        except BaseException:
            self._with.routing.give_back(decision.route)
            raise
        return _Begun(moved.state, attempt.state)

    async def _limits(
        self, order: Order, people: People, assessment: Assessment, now: datetime
    ) -> Decided:
        """What the transfer takes of the payer's counters, and of those of the handles."""
        spend = beginning.spend(order, assessment, now)
        decided = await self._with.limits.decide(spend)
        more = (move for authority in people.authorities for move in authority.moves)
        return Decided((*decided.moves, *more), decided.rules)

    async def _refuse(self, blocked: Moved[Transfer], call: Call) -> "_Begun":
        """A blocked transfer is stored and answered in one commit; no rail sees it."""
        answer = call.render(blocked.state, None)
        key = msgspec.structs.replace(
            call.key.making("trf", blocked.state.id), status=answer.status, body=answer.body
        )
        await self._with.writer.submit(
            Change(snapshots=(blocked.row,), events=blocked.events, reserve=key)
        )
        return _Begun(blocked.state)

    def _attempt(
        self, order: Order, decision: RouteDecision, of: Origin, metadata: Metadata
    ) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="authorize",
            amount=order.amount_minor,
            currency=order.currency,
            rail=self._with.routing.rail_of(decision.route),
            route=decision.route,
            order_id=ids.encode("trf", of.id),
        )
        origin = msgspec.structs.replace(of, id=ids.new(self._with.clock.now()))
        return self._with.attempts.prepare(origin, sent, metadata)

    # ── cancel ───────────────────────────────────────────────────────────────────────────

    async def cancel(
        self, transfer_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> tuple[Transfer, Answer]:
        """Calls off what still waits for the payer."""
        async with replays_first(self._with.database, call.key):
            transfer, attempt = await self._begin_cancel(transfer_id, merchant_id, call, metadata)
        assert attempt.original_id is not None
        request = VoidRequest(
            reference=attempt.reference,
            original_reference=ids.encode("att", attempt.original_id),
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
        )
        answered = await self._with.attempts.send(attempt, request, metadata)
        run = Run(metadata=metadata, call=call)
        return await self._record(transfer, attempt, answered, run)

    async def _begin_cancel(
        self, transfer_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> tuple[Transfer, Attempt]:
        while True:
            transfer = await self.get(transfer_id, merchant_id)
            now = self._with.clock.now()
            origin = Origin(id=ids.new(now), merchant_id=merchant_id, livemode=transfer.livemode)
            asked = request_cancel(transfer, ids.encode("att", origin.id))
            await self._refuse_second(transfer)
            attempt = self._void(transfer, origin, metadata)
            self._with.attempts.refuse_resting(attempt.state)
            moved = TRANSFERS.move(transfer, [asked], now, metadata)
            change = Change(
                snapshots=(moved.row, attempt.row),
                events=(*moved.events, *attempt.events),
                reserve=call.key.making("trf", transfer.id),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state, attempt.state

    async def _refuse_second(self, transfer: Transfer) -> None:
        async with self._with.database.connection() as connection:
            open_ = await self._open_attempts(connection, transfer.id)
        if any(attempt.operation == "void" for attempt in open_):
            raise IllegalMove("a cancellation is under way")

    def _void(self, transfer: Transfer, origin: Origin, metadata: Metadata) -> Moved[Attempt]:
        assert transfer.attempt_id is not None  # only what was sent waits for its payer
        sent = ev.AttemptSent(
            operation="void",
            amount=transfer.amount_minor,
            currency=transfer.currency,
            rail=transfer.rail or "",
            route=transfer.route,
            order_id=transfer.reference,
            original_id=ids.encode("att", transfer.attempt_id),
        )
        return self._with.attempts.prepare(origin, sent, metadata)

    # ── the second commit ────────────────────────────────────────────────────────────────

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Transfer | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        transfer_id = ids.decode("trf", attempt.order_id or "")
        async with self._with.database.connection() as connection:
            transfer = await store.get(connection, transfer_id)
        if transfer is None or answered is None:
            return transfer
        return (await self._record(transfer, attempt, answered, Run(metadata=metadata)))[0]

    async def _record(
        self, transfer: Transfer, attempt: Attempt, answered: Answered, run: Run
    ) -> tuple[Transfer, Answer]:
        """Whoever records the end first wins; the other answers with what is there. An enquiry may
        have recorded "not known yet" while the call itself was hanging: its answer still counts.
        """
        while True:
            change, state = self._outcome_change(transfer, attempt, answered, run)
            answer = _rendered(run.call, state, answered.outcome)
            change = msgspec.structs.replace(
                change, answer=_kept(run.call, answer, final=answered.outcome.is_final)
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now_attempt = await self._with.attempts.get(connection, attempt.id)
                    now_transfer = await store.get(connection, transfer.id)
                if now_attempt is None or now_transfer is None:
                    raise
                transfer = now_transfer
                if now_attempt.version == attempt.version:
                    continue
                if not (answered.outcome.is_final and is_news(now_attempt, answered.outcome)):
                    return transfer, _rendered(run.call, transfer, answered.outcome)
                attempt = now_attempt
                answered = self._with.attempts.again(attempt, answered, run.metadata)
            else:
                return state, answer

    def _outcome_change(
        self, transfer: Transfer, attempt: Attempt, answered: Answered, run: Run
    ) -> tuple[Change, Transfer]:
        now = self._with.clock.now()
        moment = outcomes.Moment(at=now, due_at=due_at(self._with.terms, attempt.rail, now))
        effect = outcomes.effect(transfer, attempt, answered.outcome, moment)
        alone = Change(snapshots=(answered.moved.row,), events=answered.moved.events)
        if effect.event is None:
            return alone, transfer
        moved = TRANSFERS.move(transfer, [effect.event], now, run.metadata)
        change = msgspec.structs.replace(
            alone,
            snapshots=(moved.row, *alone.snapshots),
            events=(*alone.events, *moved.events),
            journals=(effect.journal,) if effect.journal else (),
            limits=returned(transfer.limits, transfer.livemode) if effect.gives_back else (),
        )
        return change, moved.state

    async def _open_attempts(self, connection: Connection, transfer_id: UUID) -> list[Attempt]:
        order_id = ids.encode("trf", transfer_id)
        found = await self._with.attempts.of_order(connection, order_id)
        return [attempt for attempt in found if attempt.is_open]


class _Begun(msgspec.Struct, frozen=True):
    """A transfer after its first commit; without an attempt it is over."""

    transfer: Transfer
    attempt: Attempt | None = None


def _rendered(call: Call | None, transfer: Transfer, outcome: Outcome | None) -> Answer:
    return NOBODY if call is None else call.render(transfer, outcome)


def _kept(call: Call | None, answer: Answer, *, final: bool) -> IdempotencyAnswer | None:
    """Only a final outcome is stored: a retry of an open one reads the transfer as it is then."""
    if call is None or not final:
        return None
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
