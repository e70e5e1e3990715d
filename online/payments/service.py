"""Payments: the public face of the slice. How each operation is carried out: `two_commits.py`."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel.errors import IllegalMove, NotFound
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved
from online.ledger.change import Change, LimitMove
from online.ledger.charged import capture_days
from online.payments import decisions, domain, late_returns, outcomes, store
from online.payments.cascade import Cascade
from online.payments.decisions import Asked
from online.payments.domain import Payment
from online.payments.holding import Holding
from online.payments.onus import ONUS, Onus
from online.payments.orders import NOTHING, Call, Done, Follower, Order
from online.payments.paying import Judged, judge
from online.payments.requests import request_of
from online.payments.running import Collaborators, Run, returned_by_all
from online.payments.store import PAYMENTS, Filters
from online.payments.two_commits import TwoCommits
from online.platform.idempotency import IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    Outcome,
    ReverseRequest,
    VoidRequest,
)

_EXPIRY_BATCH: Final = 200
_LATE_BATCH: Final = 200
_NONE: Final = timedelta()
_PATIENCE: Final = timedelta(minutes=15)  # of the worker, with a rail that refused its void


class Payments:
    """Use cases on payments. `follower` moves whatever a payment belongs to."""

    def __init__(self, with_: Collaborators, follower: Follower) -> None:
        self._with = with_
        self._dance = TwoCommits(with_, follower)
        self._cascade = Cascade(with_, self._dance)
        self._onus = Onus(with_, self._dance)
        self.holding = Holding(with_, self._dance)

    async def get(self, payment_id: UUID, merchant_id: UUID | None) -> Payment:
        """`merchant_id` None is one of ours, who may see them all."""
        async with self._with.database.connection() as connection:
            if merchant_id is None:
                payment = await store.get(connection, payment_id)
            else:
                payment = await store.get_of_merchant(connection, payment_id, merchant_id)
        if payment is None:
            raise NotFound("no such payment", "id")
        return payment

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Payment], bool]:
        """Newest first; whether there are more."""
        async with self._with.database.connection() as connection:
            rows = await store.page(connection, merchant_id, filters, asked)
        return cut(rows, asked)

    async def page_under(
        self, authority: str, merchant_id: UUID, asked: Window
    ) -> tuple[list[Payment], bool]:
        """Those made under an authority, by its TypeID; newest first, whether there are more."""
        async with self._with.database.connection() as connection:
            rows = await store.page_under(connection, merchant_id, authority, asked)
        return cut(rows, asked)

    # ── pay ──────────────────────────────────────────────────────────────────────────────

    async def pay(self, order: Order, call: Call, metadata: Metadata) -> Done:
        """Decides, sends, records. Answers with the payment as it stands after the rail."""
        async with self.replaying(call.key):
            judged = await judge(order, self._with)
        if judged.blocked:
            return await self._refuse(judged, call, metadata)
        if order.authority is not None and order.authority.kind == "lite":
            return await self._onus.pay(judged, call, metadata)
        return await self._by_rail(judged, call, metadata)

    async def _by_rail(self, judged: Judged, call: Call, metadata: Metadata) -> Done:
        order, merchant = judged.order, judged.merchant
        first = await self._cascade.first(judged.route_request(), judged.origin, metadata)
        created = judged.created()
        processing = first.event(judged.assessment.as_event_data())
        moved = PAYMENTS.create(judged.origin, [created, processing], judged.at, metadata)
        doubtful = judged.assessment.decision == "review"
        also = self._with.reviews.opened(moved.state, metadata) if doubtful else NOTHING
        run = Run(metadata=metadata, call=call, taken=created.limits)
        with self._cascade.committing(first):
            await self._dance.begin(moved, first.attempt, run, judged.beside(also))
        request = AuthorizeRequest(
            reference=first.attempt.state.reference,
            amount_minor=order.amount_minor,
            currency=order.currency,
            capture=order.capture_method == "automatic",
            upi=order.instrument.upi and order.instrument.upi.to(merchant.name, merchant.mcc),
            card=order.instrument.card,
            return_url=order.return_url,
        )
        return await self._cascade.send(moved.state, first, request, run)

    def replaying(self, key: IdempotencyKey) -> AbstractAsyncContextManager[None]:
        """Around what a call asks before it pays: a repeated one is answered by its key."""
        return replays_first(self._with.database, key)

    async def _refuse(self, judged: Judged, call: Call, metadata: Metadata) -> Done:
        """A blocked payment is stored and answered in one commit; no rail sees it."""
        event = ev.PaymentBlocked(risk=judged.assessment.as_event_data())
        blocked = PAYMENTS.create(judged.origin, [judged.created(), event], judged.at, metadata)
        beside = judged.beside(NOTHING)
        followed = await self._dance.follow(blocked.state, metadata)
        answer = call.render(blocked.state, followed.state, None)
        key = msgspec.structs.replace(
            call.key.making("pay", blocked.state.id), status=answer.status, body=answer.body
        )
        await self._with.writer.submit(
            Change(
                snapshots=(blocked.row, *followed.rows, *beside.rows),
                events=(*blocked.events, *followed.events, *beside.events),
                limits=beside.limits,
                reserve=key,
                appends=beside.appends,
            )
        )
        return Done(blocked.state, answer)

    # ── afterwards ───────────────────────────────────────────────────────────────────────

    async def capture(
        self,
        payment_id: UUID,
        merchant_id: UUID,
        amount: int | None,
        call: Call,
        metadata: Metadata,
    ) -> Done:
        """Takes authorized money; no amount means all that is left of it."""

        async def decide(payment: Payment, reference: str) -> Asked:
            event = decisions.request_capture(payment, reference, amount)
            return Asked(event=event, operation="capture", amount_minor=event.amount)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, request_of(CaptureRequest, attempt), run)

    async def cancel(
        self, payment_id: UUID, merchant_id: UUID, call: Call | None, metadata: Metadata
    ) -> Done:
        """Voids what is authorized or still waits for the payer."""

        async def decide(payment: Payment, reference: str) -> Asked:
            await self._refuse_second_void(payment, _PATIENCE if call is None else _NONE)
            event = decisions.request_void(payment, reference)
            held = payment.authorized_minor or payment.amount_minor
            return Asked(event=event, operation="void", amount_minor=held)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, request_of(VoidRequest, attempt), run)

    async def reverse(
        self, payment_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Done:
        """Undoes a captured payment whose day is not settled, fee and tax included."""

        async def decide(payment: Payment, reference: str) -> Asked:
            settled = await self._is_settled(payment)
            await self._refuse_escrowed(payment)
            event = decisions.request_reversal(payment, reference, settled=settled)
            return Asked(event=event, operation="reverse", amount_minor=event.amount)

        if (await self.get(payment_id, merchant_id)).rail == ONUS:
            return await self._onus.reverse(payment_id, merchant_id, decide, call, metadata)
        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, request_of(ReverseRequest, attempt), run)

    async def _refuse_second_void(self, payment: Payment, pause: timedelta) -> None:
        """What waits for the payer holds nothing that a first void could reserve.

        `pause`: how long a void that the rail refused keeps the next one back.
        """
        if payment.status is not domain.Status.REQUIRES_ACTION:
            return
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
        voids = [attempt for attempt in attempts if attempt.operation == "void"]
        since = self._with.clock.now() - pause
        if any(attempt.is_open or attempt.sent_at > since for attempt in voids):
            raise IllegalMove("a cancellation is under way, or was refused just now")

    async def _refuse_escrowed(self, payment: Payment) -> None:
        async with self._with.database.connection() as connection:
            if await self._with.escrowed.has(connection, payment.id):
                raise IllegalMove("its money is in escrow: give it back from there")

    async def _is_settled(self, payment: Payment) -> bool:
        """Whether the business day of any of its captures is in a batch."""
        if not payment.captured_minor:
            return False
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
            days = await capture_days(connection, [attempt.id for attempt in attempts])
            return await self._with.settled.any_of(connection, payment, days)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Payment | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        return await self._dance.resolve(attempt, metadata, told)

    def moved(
        self, payment: Payment, events: Sequence[Event], metadata: Metadata
    ) -> Moved[Payment]:
        """For a slice whose own change moves a payment along (a refund)."""
        return PAYMENTS.move(payment, events, self._with.clock.now(), metadata)

    async def late_open(self, livemode: bool, asked: Window) -> tuple[list[Payment], bool]:
        """Payments with late money that is not given back yet, and whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.late_open(connection, livemode, asked), asked)

    async def return_late_due(self) -> int:
        """Begins again to give back late money whose return was refused; answers how many. For the
        worker: of two that begin the same, one is refused."""
        now = self._with.clock.now()
        metadata = Metadata(actor="worker:late_money")
        async with self._with.database.connection() as connection:
            due = await store.late_due(connection, now, _LATE_BATCH)
        begun, changes = [], []
        for payment in due:
            returns = late_returns.begin_due(self._with.attempts, payment, now, metadata)
            moved = PAYMENTS.move(payment, [each.event for each in returns], now, metadata)
            attempts = [each.attempt for each in returns]
            begun.append([(moved.state, each.state) for each in attempts])
            changes.append(
                Change(
                    snapshots=(moved.row, *(each.row for each in attempts)),
                    events=(*moved.events, *(e for each in attempts for e in each.events)),
                )
            )
        refusals = await self._with.writer.submit_all(changes)
        ours = [
            each
            for returns, refusal in zip(begun, refusals, strict=True)
            for each in (returns if refusal is None else ())
        ]
        await self._dance.give_back(ours, metadata)
        return len(ours)

    # ── the end of an authorization ──────────────────────────────────────────────────────

    async def expire_due(self) -> int:
        """Ends authorizations whose time has passed; answers how many. For the worker."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            found = await store.expiring(connection, now, _EXPIRY_BATCH)
            # One whose rail is asked to keep it for longer waits for the answer.
            asked = [each.id for each in found]
            waiting = await self._with.attempts.under_way(connection, asked, "extend")
        due = [each for each in found if each.id not in waiting]
        metadata = Metadata(actor="worker:expiry")
        back = await returned_by_all(due, self._with)
        changes = [await self._expiry(payment, back[payment.id], now, metadata) for payment in due]
        refusals = await self._with.writer.submit_all([each for each in changes if each])
        return sum(refusal is None for refusal in refusals)

    async def _expiry(
        self, payment: Payment, back: tuple[LimitMove, ...], now: datetime, metadata: Metadata
    ) -> Change | None:
        events = decisions.expiry(payment, now)
        if not events:
            return None
        moved = PAYMENTS.move(payment, events, now, metadata)
        followed = await self._dance.follow(moved.state, metadata)
        merchant = await self._with.merchants.get(payment.merchant_id)
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        whole = moved.state.status is domain.Status.EXPIRED
        return Change(
            snapshots=(moved.row, *followed.rows),
            events=(*moved.events, *followed.events),
            journals=(outcomes.expired(payment, pending, now),),
            limits=back if whole else (),
        )
