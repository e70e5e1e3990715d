"""Payments: the public face of the slice.

Every operation is the same dance: commit the attempt (with what it holds), call the rail with no
transaction open, commit the outcome. A process that dies in between leaves an open attempt, and
recovery asks the rail about it.
"""

from contextlib import nullcontext
from datetime import datetime
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, LimitMove
from online.ledger.writer import Writer
from online.limits.domain import UserLimits, give_back, spend
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.payments import domain, outcomes, store
from online.payments.domain import Payment
from online.payments.fees import FeeTable, price
from online.payments.orders import Call, Followed, Follower, Order
from online.payments.store import PAYMENTS
from online.platform.db import Database
from online.platform.idempotency import IdempotencyAnswer
from online.platform.known_keys import replays_first
from online.rails.domain import AuthorizeRequest, CaptureRequest, RailRequest, VoidRequest
from online.risk.domain import RiskInput
from online.risk.service import Risk, activity
from online.routing.domain import RouteDecision, RouteRequest
from online.routing.service import Routing

_NOTHING = Followed(None, (), ())


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One use case under way: who asked, how to answer, what to give back if it fails."""

    metadata: Metadata
    call: Call | None = None  # recovery runs without one
    limits: tuple[LimitMove, ...] = ()


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `app.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    risk: Risk
    routing: Routing
    fees: FeeTable
    limits: UserLimits


class Payments:
    """Use cases on payments. `follower` moves whatever a payment belongs to."""

    def __init__(self, with_: Collaborators, follower: Follower) -> None:
        self._with = with_
        self._follower = follower

    async def get(self, payment_id: UUID, merchant_id: UUID) -> Payment:
        async with self._with.database.connection() as connection:
            payment = await store.get_of_merchant(connection, payment_id, merchant_id)
        if payment is None:
            raise NotFound("no such payment", "id")
        return payment

    # ── pay ──────────────────────────────────────────────────────────────────────────────

    async def pay(self, order: Order, call: Call, metadata: Metadata) -> Payment:
        """Decides, sends, records. Answers with the payment as it stands after the rail."""
        merchant = await self._with.merchants.get(order.merchant_id)
        now = self._with.clock.now()
        payment_id = ids.new(now)
        facts = _risk_input(order, payment_id, merchant, now)
        async with self._with.database.connection() as connection:
            assessment = await self._with.risk.assess(connection, facts)
        created = _created_event(order, merchant)
        origin = Origin(id=payment_id, merchant_id=merchant.id, livemode=merchant.livemode)
        if assessment.decision == "block":
            event = ev.PaymentBlocked(risk=assessment.as_event_data())
            blocked = PAYMENTS.create(origin, [created, event], now, metadata)
            return await self._refuse(blocked, facts, call, metadata)
        decision = self._route(order)
        attempt = self._prepare_authorization(order, origin, decision, metadata)
        processing = ev.PaymentProcessing(
            attempt_id=attempt.state.reference,
            route=decision.route,
            rail=attempt.state.rail,
            risk=assessment.as_event_data(),
            route_decision=msgspec.to_builtins(decision),
        )
        moved = PAYMENTS.create(origin, [created, processing], now, metadata)
        limits = self._spend(order, now, merchant.livemode)
        run = Run(metadata=metadata, call=call, limits=limits)
        await self._begin(moved, attempt, run, facts)
        request = AuthorizeRequest(
            reference=attempt.state.reference,
            amount_minor=order.amount_minor,
            currency=order.currency,
            capture=order.capture_method == "automatic",
            upi=order.instrument.upi,
            card=order.instrument.card,
        )
        return await self._send(moved.state, attempt.state, request, run)

    def _route(self, order: Order) -> RouteDecision:
        return self._with.routing.choose(
            RouteRequest(
                method=order.instrument.method,
                amount_minor=order.amount_minor,
                currency=order.currency,
                strategy=order.priority,  # type: ignore[arg-type]  # bounded on the wire
            )
        )

    def _prepare_authorization(
        self, order: Order, payment: Origin, decision: RouteDecision, metadata: Metadata
    ) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="authorize",
            amount=order.amount_minor,
            currency=order.currency,
            rail=self._with.routing.rail_of(decision.route),
            route=decision.route,
            payment_id=ids.encode("pay", payment.id),
        )
        return self._with.attempts.prepare(self._attempt_origin(payment), sent, metadata)

    def _attempt_origin(self, of: Origin | Payment) -> Origin:
        id_ = ids.new(self._with.clock.now())
        return Origin(id=id_, merchant_id=of.merchant_id, livemode=of.livemode)

    def _spend(self, order: Order, now: datetime, livemode: bool) -> tuple[LimitMove, ...]:
        day = business_date(now)
        return spend(self._with.limits, order.payer, order.amount_minor, day, livemode)

    async def _refuse(
        self, blocked: Moved[Payment], facts: RiskInput, call: Call, metadata: Metadata
    ) -> Payment:
        """A blocked payment is stored and answered in one commit; no rail sees it."""
        followed = await self._follow(blocked.state, metadata)
        answer = call.render(blocked.state, followed.state)
        key = msgspec.structs.replace(
            call.key, resource_id=blocked.state.id, status=answer.status, body=answer.body
        )
        await self._with.writer.submit(
            Change(
                snapshots=(blocked.row, *followed.rows),
                events=(*blocked.events, *followed.events),
                reserve=key,
                appends=(activity(facts),),
            )
        )
        return blocked.state

    # ── capture, cancel ──────────────────────────────────────────────────────────────────

    async def capture(
        self,
        payment_id: UUID,
        merchant_id: UUID,
        amount: int | None,
        call: Call,
        metadata: Metadata,
    ) -> Payment:
        """Takes authorized money; no amount means all that is left of it."""

        def decide(payment: Payment, reference: str) -> ev.PaymentCaptureRequested:
            return domain.request_capture(payment, reference, amount)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._begin_on(payment_id, merchant_id, decide, run)
        request = CaptureRequest(
            reference=attempt.reference,
            original_reference=ids.encode("att", payment.attempt),
            amount_minor=attempt.amount_minor,
            currency=payment.currency,
        )
        return await self._send(payment, attempt, request, run)

    async def cancel(
        self, payment_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Payment:
        """Voids what is authorized or still waits for the payer."""
        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._begin_on(payment_id, merchant_id, domain.request_void, run)
        request = VoidRequest(
            reference=attempt.reference,
            original_reference=ids.encode("att", payment.attempt),
            amount_minor=attempt.amount_minor,
            currency=payment.currency,
        )
        # Not before: what a first commit carries is taken from the limits, not given back.
        run = msgspec.structs.replace(run, limits=self._limits_of(payment))
        return await self._send(payment, attempt, request, run)

    async def _begin_on(
        self, payment_id: UUID, merchant_id: UUID, decide: domain.Decide, run: Run
    ) -> tuple[Payment, Attempt]:
        """Commits an operation on an existing payment; decides again when it moved meanwhile."""
        key = run.call.key if run.call else None
        async with replays_first(self._with.database, key) if key else nullcontext():
            return await self._begin_until_it_holds(payment_id, merchant_id, decide, run)

    async def _begin_until_it_holds(
        self, payment_id: UUID, merchant_id: UUID, decide: domain.Decide, run: Run
    ) -> tuple[Payment, Attempt]:
        while True:
            payment = await self.get(payment_id, merchant_id)
            origin = self._attempt_origin(payment)
            event = decide(payment, ids.encode("att", origin.id))
            if isinstance(event, ev.PaymentCaptureRequested):
                operation, amount = "capture", event.amount
            else:
                operation, amount = "void", payment.authorized_minor or payment.amount_minor
            sent = ev.AttemptSent(
                operation=operation,
                amount=amount,
                currency=payment.currency,
                rail=payment.rail or "",
                route=payment.route,
                payment_id=ids.encode("pay", payment.id),
                original_id=ids.encode("att", payment.attempt),
            )
            attempt = self._with.attempts.prepare(origin, sent, run.metadata)
            now = self._with.clock.now()
            moved = PAYMENTS.move(payment, [event], now, run.metadata)
            try:
                await self._begin(moved, attempt, run)
            except VersionConflict:
                continue
            return moved.state, attempt.state

    # ── the two commits ──────────────────────────────────────────────────────────────────

    async def _begin(
        self,
        moved: Moved[Payment],
        attempt: Moved[Attempt],
        run: Run,
        facts: RiskInput | None = None,
    ) -> None:
        followed = await self._follow(moved.state, run.metadata)
        key = run.call.key if run.call else None
        await self._with.writer.submit(
            Change(
                snapshots=(moved.row, attempt.row, *followed.rows),
                events=(*moved.events, *attempt.events, *followed.events),
                limits=run.limits,
                reserve=msgspec.structs.replace(key, resource_id=moved.state.id) if key else None,
                appends=(activity(facts),) if facts else (),
            )
        )

    async def _send(
        self, payment: Payment, attempt: Attempt, request: RailRequest, run: Run
    ) -> Payment:
        answered = await self._with.attempts.send(attempt, request, run.metadata)
        return await self._record(payment, attempt, answered, run)

    async def resolve(self, attempt: Attempt, metadata: Metadata) -> Payment | None:
        """Recovery: asks the rail about an open attempt and records what it says."""
        answered = await self._with.attempts.enquire(attempt, metadata)
        async with self._with.database.connection() as connection:
            payment = await store.get(connection, attempt.payment_id or attempt.id)
        if payment is None:
            return None
        holds = attempt.operation in {"authorize", "void"}
        run = Run(metadata=metadata, limits=self._limits_of(payment) if holds else ())
        return await self._record(payment, attempt, answered, run)

    async def _record(
        self, payment: Payment, attempt: Attempt, answered: Answered, run: Run
    ) -> Payment:
        """The second commit. Whoever records first wins; the other answers with what is there."""
        while True:
            change, state = await self._outcome_change(payment, attempt, answered, run)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now_attempt = await self._with.attempts.get(connection, attempt.id)
                    now_payment = await store.get(connection, payment.id)
                if now_payment is None:
                    raise
                if now_attempt is None or now_attempt.version != attempt.version:
                    return now_payment
                payment = now_payment
            else:
                return state

    async def _outcome_change(
        self, payment: Payment, attempt: Attempt, answered: Answered, run: Run
    ) -> tuple[Change, Payment]:
        now = self._with.clock.now()
        books = await self._books(payment, attempt.amount_minor, now)
        effect = outcomes.effect(payment, attempt, answered.outcome, books)
        if not effect.events:
            alone = Change(snapshots=(answered.moved.row,), events=answered.moved.events)
            return alone, payment
        moved = PAYMENTS.move(payment, effect.events, now, run.metadata)
        followed = await self._follow(moved.state, run.metadata)
        change = Change(
            snapshots=(moved.row, answered.moved.row, *followed.rows),
            events=(*answered.moved.events, *moved.events, *followed.events),
            journals=effect.journals,
            limits=give_back(run.limits) if effect.failed else (),
            answer=_answer(run.call, moved.state, followed, final=answered.outcome.is_final),
        )
        return change, moved.state

    async def _books(self, payment: Payment, amount_minor: int, now: datetime) -> outcomes.Books:
        merchant = await self._with.merchants.get(payment.merchant_id)
        fee = price(
            self._with.fees,
            method=payment.method,
            amount_minor=amount_minor,
            day=business_date(now),
            state_code=merchant.state_code,
        )
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        return outcomes.Books(pending=pending, fee=fee, at=now)

    async def _follow(self, payment: Payment, metadata: Metadata) -> Followed:
        if payment.intent_id is None:
            return _NOTHING
        async with self._with.database.connection() as connection:
            return await self._follower.follow(connection, payment, metadata)

    def _limits_of(self, payment: Payment) -> tuple[LimitMove, ...]:
        """The counters that a payment of ours moved when it was made."""
        payer = f"customer:{payment.customer_id}" if payment.customer_id else payment.instrument
        day = business_date(payment.created_at)
        return spend(self._with.limits, payer or "", payment.amount_minor, day, payment.livemode)

    def moved(self, payment: Payment, event: Event, metadata: Metadata) -> Moved[Payment]:
        """For a slice whose own change moves a payment along (a refund)."""
        return PAYMENTS.move(payment, [event], self._with.clock.now(), metadata)


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
        livemode=merchant.livemode,
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
    )


def _answer(
    call: Call | None, payment: Payment, followed: Followed, *, final: bool
) -> IdempotencyAnswer | None:
    """Only a final outcome is stored: a retry of an open one reads the payment as it is then."""
    if call is None or not final:
        return None
    answer = call.render(payment, followed.state)
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
