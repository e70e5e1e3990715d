"""Payments: the public face of the slice. How each operation is carried out: `two_commits.py`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import IllegalMove, NotFound
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, LimitMove
from online.ledger.charged import capture_days
from online.limits.domain import give_back, spend
from online.merchants.domain import Merchant
from online.payments import decisions, domain, late_returns, outcomes, store
from online.payments.cascade import Cascade
from online.payments.decisions import Asked
from online.payments.domain import Payment
from online.payments.orders import NOTHING, Call, Done, Follower, Order
from online.payments.store import PAYMENTS, Filters
from online.payments.two_commits import Collaborators, Run, TwoCommits
from online.platform.lists import Window, cut
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    Outcome,
    ReverseRequest,
    VoidRequest,
)
from online.risk.domain import RiskInput
from online.risk.recording import activity
from online.routing.domain import RouteRequest

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

    # ── pay ──────────────────────────────────────────────────────────────────────────────

    async def pay(self, order: Order, call: Call, metadata: Metadata) -> Done:
        """Decides, sends, records. Answers with the payment as it stands after the rail."""
        merchant = await self._with.merchants.get(order.merchant_id)
        now = self._with.clock.now()
        payment_id = ids.new(now)
        facts = _risk_input(order, payment_id, merchant, now)
        assessment = await self._with.risk.assess(facts)
        created = _created_event(order, merchant)
        origin = Origin(id=payment_id, merchant_id=merchant.id, livemode=merchant.livemode)
        if assessment.decision == "block":
            event = ev.PaymentBlocked(risk=assessment.as_event_data())
            blocked = PAYMENTS.create(origin, [created, event], now, metadata)
            return await self._refuse(blocked, facts, call, metadata)
        first = await self._cascade.first(
            _route_request(order, payment_id, merchant), origin, metadata
        )
        processing = first.event(assessment.as_event_data())
        moved = PAYMENTS.create(origin, [created, processing], now, metadata)
        limits = self._spend(order, now, merchant.livemode)
        run = Run(metadata=metadata, call=call, limits=limits)
        doubtful = assessment.decision == "review"
        also = self._with.reviews.opened(moved.state, metadata) if doubtful else NOTHING
        with self._cascade.committing(first):
            await self._dance.begin(moved, first.attempt, run, (activity(facts),), also)
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

    def _spend(self, order: Order, now: datetime, livemode: bool) -> tuple[LimitMove, ...]:
        day = business_date(now)
        return spend(self._with.limits, order.payer, order.amount_minor, day, livemode)

    async def _refuse(
        self, blocked: Moved[Payment], facts: RiskInput, call: Call, metadata: Metadata
    ) -> Done:
        """A blocked payment is stored and answered in one commit; no rail sees it."""
        followed = await self._dance.follow(blocked.state, metadata)
        answer = call.render(blocked.state, followed.state, None)
        key = msgspec.structs.replace(
            call.key.making("pay", blocked.state.id), status=answer.status, body=answer.body
        )
        await self._with.writer.submit(
            Change(
                snapshots=(blocked.row, *followed.rows),
                events=(*blocked.events, *followed.events),
                reserve=key,
                appends=(activity(facts),),
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
        return await self._dance.send(payment, attempt, _request(CaptureRequest, attempt), run)

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
        # Not before: what a first commit carries is taken from the limits, not given back.
        run = msgspec.structs.replace(run, limits=self._dance.limits_of(payment))
        return await self._dance.send(payment, attempt, _request(VoidRequest, attempt), run)

    async def reverse(
        self, payment_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Done:
        """Undoes a captured payment whose day is not settled, fee and tax included."""

        async def decide(payment: Payment, reference: str) -> Asked:
            settled = await self._is_settled(payment)
            event = decisions.request_reversal(payment, reference, settled=settled)
            return Asked(event=event, operation="reverse", amount_minor=event.amount)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, _request(ReverseRequest, attempt), run)

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
            due = await store.expiring(connection, now, _EXPIRY_BATCH)
        metadata = Metadata(actor="worker:expiry")
        changes = [await self._expiry(payment, now, metadata) for payment in due]
        refusals = await self._with.writer.submit_all([each for each in changes if each])
        return sum(refusal is None for refusal in refusals)

    async def _expiry(self, payment: Payment, now: datetime, metadata: Metadata) -> Change | None:
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
            limits=give_back(self._dance.limits_of(payment)) if whole else (),
        )


_Following = CaptureRequest | VoidRequest | ReverseRequest
_FollowingT = TypeVar("_FollowingT", bound=_Following)


def _request(kind: type[_FollowingT], attempt: Attempt) -> _FollowingT:
    """What a rail is told of an operation that follows an authorization."""
    assert attempt.original_id is not None  # by `TwoCommits`
    return kind(
        reference=attempt.reference,
        original_reference=ids.encode("att", attempt.original_id),
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
    )


def _route_request(order: Order, payment_id: UUID, merchant: Merchant) -> RouteRequest:
    facts = order.instrument.facts or {}
    return RouteRequest(
        payment_id=payment_id,
        merchant_id=merchant.id,
        mcc=merchant.mcc,
        network=facts.get("network"),
        funding=order.instrument.funding,
        method=order.instrument.method,
        amount_minor=order.amount_minor,
        currency=order.currency,
        strategy=order.priority,  # type: ignore[arg-type]  # bounded on the wire
    )


def _risk_input(order: Order, payment_id: UUID, merchant: Merchant, now: datetime) -> RiskInput:
    return RiskInput(
        payment_id=payment_id,
        at=now,
        amount_minor=order.amount_minor,
        currency=order.currency,
        method=order.instrument.method,
        merchant_id=merchant.id,
        instrument=order.instrument.key,
        customer_key=ids.encode("cus", order.customer_id) if order.customer_id else None,
        device_key=order.device_id,
        ip_key=order.ip_hash,
        livemode=merchant.livemode,
        funding=order.instrument.funding,
        card=order.instrument.facts,
    )


def _created_event(order: Order, merchant: Merchant) -> ev.PaymentCreated:
    return ev.PaymentCreated(
        merchant_id=ids.encode("mrc", merchant.id),
        mcc=merchant.mcc,
        amount=order.amount_minor,
        currency=order.currency,
        method=order.instrument.method,
        capture_method=order.capture_method,
        priority=order.priority,
        instrument=order.instrument.key,
        instrument_mask=order.instrument.mask,
        intent_id=ids.encode("pi", order.intent_id) if order.intent_id else None,
        customer_id=ids.encode("cus", order.customer_id) if order.customer_id else None,
        device_id=order.device_id,
        ip_hash=order.ip_hash,
        funding=order.instrument.funding,
        card=order.instrument.facts,
    )
