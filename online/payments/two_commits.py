"""Every operation at a rail is the same dance: commit the attempt with what it holds, call the
rail with no transaction open, commit the outcome.

A process that dies in between leaves an open attempt, and recovery asks the rail about it.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt, is_news
from online.attempts.service import Answered
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.charged import Charged, charged
from online.merchants.domain import Merchant
from online.payments import deemed_outcomes, late_outcomes, late_returns, outcomes, store
from online.payments.authorizations import expires_at, extended_to, extension_of
from online.payments.decisions import Asked, Decide
from online.payments.domain import Payment
from online.payments.effects import Books
from online.payments.fees import Sale, price
from online.payments.orders import (
    NOTHING,
    Call,
    Done,
    Followed,
    Follower,
    is_debit,
)
from online.payments.running import ALONE, Beside, Collaborators, Run, returned_by
from online.payments.store import PAYMENTS
from online.platform import metrics
from online.platform.idempotency import Answer, IdempotencyAnswer
from online.platform.known_keys import replays_first
from online.rails.domain import Outcome, OutcomeKind, RailRequest
from online.rails.upi_ids import transaction_id
from online.upi.service import PayLinks, Purchase


class TwoCommits:
    """Begins, sends and records operations. `follower` moves whatever a payment belongs to."""

    def __init__(self, with_: Collaborators, follower: Follower) -> None:
        self._with = with_
        self._follower = follower

    # ── the first commit ─────────────────────────────────────────────────────────────────

    async def begin(
        self,
        moved: Moved[Payment],
        attempt: Moved[Attempt],
        run: Run,
        beside: Beside = ALONE,
    ) -> None:
        """The attempt, with all that it holds; the key is in flight from here."""
        key = run.call.key if run.call else None
        async with replays_first(self._with.database, key) if key else nullcontext():
            followed = await self.follow(moved.state, run.metadata)
            await self._with.writer.submit(
                Change(
                    snapshots=(moved.row, attempt.row, *followed.rows, *beside.rows),
                    events=(*moved.events, *attempt.events, *followed.events, *beside.events),
                    limits=beside.limits,
                    reserve=key.making("pay", moved.state.id) if key else None,
                    appends=beside.appends,
                )
            )

    async def begin_on(
        self, payment_id: UUID, merchant_id: UUID, decide: Decide, run: Run
    ) -> tuple[Payment, Attempt]:
        """The same for a payment that exists; decides again when it moved meanwhile."""
        key = run.call.key if run.call else None
        async with replays_first(self._with.database, key) if key else nullcontext():
            while True:
                try:
                    return await self._begin_once(payment_id, merchant_id, decide, run)
                except VersionConflict:
                    continue

    async def _begin_once(
        self, payment_id: UUID, merchant_id: UUID, decide: Decide, run: Run
    ) -> tuple[Payment, Attempt]:
        async with self._with.database.connection() as connection:
            payment = await store.get_of_merchant(connection, payment_id, merchant_id)
        if payment is None:
            raise NotFound("no such payment", "id")
        now = self._with.clock.now()
        origin = Origin(id=ids.new(now), merchant_id=payment.merchant_id, livemode=payment.livemode)
        asked = await decide(payment, ids.encode("att", origin.id))
        attempt = self._with.attempts.prepare(origin, _sent(payment, asked), run.metadata)
        if run.call is not None:
            self._with.attempts.refuse_resting(attempt.state)
        moved = PAYMENTS.move(payment, [asked.event], now, run.metadata)
        await self.begin(moved, attempt, run)
        return moved.state, attempt.state

    # ── the rail, and the second commit ──────────────────────────────────────────────────

    async def send(
        self, payment: Payment, attempt: Attempt, request: RailRequest, run: Run
    ) -> Done:
        """Calls the rail, records what it says; answers with the payment after that."""
        answered = await self._with.attempts.send(attempt, request, run.metadata)
        return await self.record(payment, attempt, answered, run)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Payment | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        async with self._with.database.connection() as connection:
            payment = await store.get(connection, attempt.payment_id or attempt.id)
        if payment is None or answered is None:
            return payment
        return (await self.record(payment, attempt, answered, Run(metadata=metadata))).payment

    async def record(
        self, payment: Payment, attempt: Attempt, answered: Answered, run: Run
    ) -> Done:
        """Whoever records the end first wins; the other answers with what is there.

        An enquiry may have recorded "not known yet" while the call itself was hanging: its answer
        still counts.
        """
        while True:
            recorded = await self._outcome_change(payment, attempt, answered, run)
            try:
                await self._with.writer.submit(recorded.change)
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now_attempt = await self._with.attempts.get(connection, attempt.id)
                    now_payment = await store.get(connection, payment.id)
                if now_payment is None:
                    raise
                payment = now_payment
                if now_attempt is None or now_attempt.version == attempt.version:
                    continue
                if not (answered.outcome.is_final and is_news(now_attempt, answered.outcome)):
                    followed = await self.follow(payment, run.metadata)
                    return _done(run.call, payment, followed, answered.outcome)
                attempt = now_attempt
                answered = self._with.attempts.again(attempt, answered, run.metadata)
            else:
                for what in recorded.late:
                    metrics.late_money(attempt.rail, what)
                await self.give_back(recorded.begun, run.metadata)
                return recorded.done

    async def give_back(self, begun: Sequence[tuple[Payment, Attempt]], metadata: Metadata) -> None:
        """Sends returns of late money that are committed."""
        run = Run(metadata=metadata)

        async def send(payment: Payment, attempt: Attempt, request: RailRequest) -> Done:
            return await self.send(payment, attempt, request, run)

        await late_returns.send_all(begun, send)

    async def _outcome_change(
        self, payment: Payment, attempt: Attempt, answered: Answered, run: Run
    ) -> "_Recorded":
        now = self._with.clock.now()
        books = await self.books(payment, attempt, answered.outcome, now)
        effect = outcomes.effect(payment, attempt, answered.outcome, books)
        if not effect.events:
            # The payment stays as it is, which may be further than we have seen it.
            async with self._with.database.connection() as connection:
                payment = await store.get(connection, payment.id) or payment
            followed = await self.follow(payment, run.metadata)
            alone = Change(snapshots=(answered.moved.row,), events=answered.moved.events)
            return _Recorded(alone, _done(run.call, payment, followed, answered.outcome))
        moved = PAYMENTS.move(payment, effect.events, now, run.metadata)
        returns = [
            late_returns.begin(self._with.attempts, moved.state, item, now, run.metadata)
            for item in moved.state.late or ()
            if item.attempt_id == attempt.id  # what this very outcome brought
        ]
        if returns:
            events = (*effect.events, *(each.event for each in returns))
            moved = PAYMENTS.move(payment, events, now, run.metadata)
        followed = await self.follow(moved.state, run.metadata)
        done = _done(run.call, moved.state, followed, answered.outcome)
        if effect.aside:
            followed = NOTHING
        begun = [each.attempt for each in returns]
        change = Change(
            snapshots=(
                *(moved.row, answered.moved.row, *followed.rows),
                *(each.row for each in begun),
            ),
            events=(
                *(*answered.moved.events, *moved.events, *followed.events),
                *(event for each in begun for event in each.events),
            ),
            journals=effect.journals,
            limits=await returned_by(payment, run, self._with) if effect.failed else (),
            answer=_kept(
                run.call,
                done.answer,
                final=answered.outcome.is_final or moved.state.deemed is not None,
            ),
        )
        sent = [(moved.state, each.state) for each in begun]
        return _Recorded(change, done, sent, late_outcomes.counted(effect))

    async def books(
        self, payment: Payment, attempt: Attempt, outcome: Outcome, now: datetime
    ) -> Books:
        """What postings need to know about the merchant, the moment, and what was charged."""
        merchant = await self._with.merchants.get(payment.merchant_id)
        network = payment.card.get("network") if payment.card else None
        sale = Sale(
            method=payment.method,
            rail=attempt.rail,
            funding=outcome.funding or payment.funding,
            mcc=merchant.mcc,
            amount_minor=attempt.amount_minor,
            day=business_date(now),
            state_code=merchant.state_code,
            network=network,
            merchant_size=merchant.size,
        )
        approved = outcome.kind is OutcomeKind.APPROVED
        reversing = approved and attempt.operation == "reverse"
        pending = outcome.kind is OutcomeKind.PENDING and attempt.operation == "authorize"
        returned = not approved and deemed_outcomes.is_told(payment, attempt)
        voiding = not approved and attempt.operation == "void"
        return Books(
            pending=chart.merchant_pending(merchant.id, merchant.exposure_limit_minor),
            fee=price(self._with.fees, sale),
            holds_until=expires_at(
                self._with.holds, method=payment.method, network=network, at=now
            ),
            charged=await self._charged(payment) if reversing or returned else None,
            capturing_minor=await self._capturing(payment) if voiding else 0,
            reversing_minor=await self._reversing(payment) if returned else 0,
            extended_to=self._extended_to(payment, attempt, merchant.mcc)
            if approved and attempt.operation == "extend"
            else None,
            links=self._links(payment, attempt, merchant) if pending else None,
            patience=self._with.patience,
            at=now,
        )

    def _extended_to(self, payment: Payment, attempt: Attempt, mcc: str) -> datetime:
        rule = extension_of(self._with.extensions, payment, mcc=mcc, at=attempt.sent_at)
        return extended_to(rule, payment, asked_at=attempt.sent_at)

    async def _charged(self, payment: Payment) -> Charged:
        """What the captures of a payment took and were charged."""
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
            return await charged(connection, [attempt.id for attempt in attempts])

    async def _capturing(self, payment: Payment) -> int:
        """What captures under way hold."""
        if not payment.capture_open_minor:
            return 0
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
        open_ = (e for e in attempts if e.operation in {"capture", "release"} and e.is_open)
        return sum(each.amount_minor for each in open_)

    def _links(self, payment: Payment, attempt: Attempt, merchant: Merchant) -> PayLinks | None:
        """For the payer's app; a collect request is there already."""
        if payment.method != "upi" or payment.flow == "collect":
            return None
        return self._with.upi.payment(
            Purchase(
                merchant_id=merchant.id,
                merchant_name=merchant.name,
                mcc=merchant.mcc,
                amount_minor=attempt.amount_minor,
                reference=attempt.reference,
                transaction_id=transaction_id(attempt.id),
            )
        )

    async def _reversing(self, payment: Payment) -> int:
        """What a reversal under way holds."""
        if not payment.refund_open_minor:
            return 0
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
        open_ = (each for each in attempts if each.operation == "reverse" and each.is_open)
        late = {sent for item in payment.late or () for sent in item.sent}
        return sum(each.amount_minor for each in open_ if each.id not in late)

    # ── what goes along ──────────────────────────────────────────────────────────────────

    async def follow(self, payment: Payment, metadata: Metadata) -> Followed:
        """What else changes with a payment: what it was made for."""
        if payment.intent_id is None and payment.hold is None and not is_debit(payment):
            return NOTHING
        async with self._with.database.connection() as connection:
            return await self._follower.follow(connection, payment, metadata)


class _Recorded(msgspec.Struct, frozen=True):
    """An outcome's change, what it answers, and the returns of late money that it begins."""

    change: Change
    done: Done
    begun: Sequence[tuple[Payment, Attempt]] = ()
    late: Sequence[metrics.LateMoney] = ()


def _sent(payment: Payment, asked: Asked) -> ev.AttemptSent:
    return ev.AttemptSent(
        operation=asked.operation,
        amount=asked.amount_minor,
        currency=payment.currency,
        rail=payment.rail or "",
        route=payment.route,
        payment_id=ids.encode("pay", payment.id),
        original_id=ids.encode("att", payment.attempt),
    )


def _done(call: Call | None, payment: Payment, followed: Followed, outcome: Outcome) -> Done:
    if call is None:
        return Done(payment)
    return Done(payment, call.render(payment, followed.state, outcome))


def _kept(call: Call | None, answer: Answer, *, final: bool) -> IdempotencyAnswer | None:
    """Only a final outcome is stored: a retry of an open one reads the payment as it is then."""
    if call is None or not final:
        return None
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
