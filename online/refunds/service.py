"""Refunds: the public face of the slice.

The same dance as every operation at a rail: commit the attempt with all that it holds, call the
rail with no transaction open, commit the outcome. A refund moves its payment along in both
commits; when the payment has moved meanwhile, everything is decided again from what it is now.
"""

from collections.abc import Callable
from contextlib import nullcontext
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt, is_news
from online.attempts.domain import Status as AttemptStatus
from online.attempts.service import Answered, Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, merged
from online.ledger.charged import charged, returned
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.payments.decisions import request_refund
from online.payments.domain import Payment
from online.payments.escrowed import Escrowed, RefundStep, Step
from online.payments.onus import DONE, ONUS
from online.payments.orders import NOTHING, Followed, Purses
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.rails.domain import Outcome, OutcomeKind, RefundRequest
from online.refunds import outcomes, store
from online.refunds.domain import OVER, Refund, Status
from online.refunds.returns import part_to_return
from online.refunds.store import REFUNDS, Filters


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go back; no amount means all that is left of the payment."""

    payment_id: UUID
    merchant_id: UUID
    amount_minor: int | None = None
    reason: str | None = None
    escrow_id: UUID | None = None  # whose money goes back


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a refund: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Refund], Answer]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One use case under way: who asked, and how to answer (recovery has nobody to answer)."""

    metadata: Metadata
    call: Call | None = None


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `app.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    payments: Payments
    escrowed: Escrowed
    purses: Purses


class Refunds:
    """Use cases on refunds."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def get(self, refund_id: UUID, merchant_id: UUID) -> Refund:
        async with self._with.database.connection() as connection:
            refund = await store.get_of_merchant(connection, refund_id, merchant_id)
        if refund is None:
            raise NotFound("no such refund", "id")
        return refund

    async def page(
        self, merchant_id: UUID, filters: Filters, asked: Window
    ) -> tuple[list[Refund], bool]:
        """A merchant's refunds, newest first, and whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, merchant_id, filters, asked), asked)

    async def of_payment(self, payment_id: UUID) -> list[Refund]:
        """All refunds of a payment, oldest first; the caller knows that the payment is theirs."""
        async with self._with.database.connection() as connection:
            return await store.of_payment(connection, payment_id)

    async def at_the_rail(self, refund: Refund) -> bool:
        """Whether the rail has not even said yet that it took the refund."""
        if refund.status is not Status.PENDING or refund.attempt_id is None:
            return False
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, refund.attempt_id)
        return attempt is not None and attempt.status is AttemptStatus.SENT

    async def create(self, order: RefundOrder, call: Call | None, metadata: Metadata) -> Refund:
        """Asks the rail to give money back; answers with the refund as it stands after that."""
        run = Run(metadata=metadata, call=call)
        async with replays_first(self._with.database, call.key) if call else nullcontext():
            payment, refund, attempt = await self._begin(order, call, metadata)
        if refund.status in OVER:
            return refund
        request = RefundRequest(
            reference=attempt.reference,
            original_reference=ids.encode("att", payment.attempt),
            amount_minor=refund.amount_minor,
            currency=refund.currency,
        )
        answered = await self._with.attempts.send(attempt, request, metadata)
        return await self._record(refund, payment, attempt, answered, run)

    async def out_of_escrow(
        self, payment_id: UUID, merchant_id: UUID, escrow_id: UUID, amount: int, metadata: Metadata
    ) -> Refund:
        """What is the buyer's by resolution or by time; for the worker, whom nobody asks twice."""
        order = RefundOrder(
            payment_id=payment_id,
            merchant_id=merchant_id,
            amount_minor=amount,
            reason="escrow",
            escrow_id=escrow_id,
        )
        return await self.create(order, None, metadata)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Refund | None:
        """Records what became of an attempt: by the rail's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        async with self._with.database.connection() as connection:
            refund = await store.get(connection, attempt.refund_id or attempt.id)
        if refund is None or answered is None:
            return refund
        payment = await self._with.payments.get(refund.payment_id, refund.merchant_id)
        return await self._record(refund, payment, attempt, answered, Run(metadata=metadata))

    # ── the two commits ──────────────────────────────────────────────────────────────────

    async def _begin(
        self, order: RefundOrder, call: Call | None, metadata: Metadata
    ) -> tuple[Payment, Refund, Attempt]:
        """Commits the request; decides again when the payment has moved meanwhile."""
        while True:
            payment = await self._with.payments.get(order.payment_id, order.merchant_id)
            merchant = await self._with.merchants.get(payment.merchant_id)
            now = self._with.clock.now()
            refund_id, attempt_id = ids.new(now), ids.new(now)
            asked = request_refund(payment, ids.encode("rfd", refund_id), order.amount_minor)
            moved = self._with.payments.moved(payment, [asked], metadata)
            created = ev.RefundCreated(
                payment_id=ids.encode("pay", payment.id),
                merchant_id=ids.encode("mrc", payment.merchant_id),
                amount=asked.amount,
                currency=payment.currency,
                attempt_id=ids.encode("att", attempt_id),
                rail=payment.rail or "",
                reason=order.reason,
                mdr_on_refund=merchant.mdr_on_refund,
                escrow_id=ids.encode("esc", order.escrow_id) if order.escrow_id else None,
                method=payment.method,
            )
            refund = REFUNDS.create(_origin(refund_id, payment), [created], now, metadata)
            attempt = self._attempt(attempt_id, payment, refund.state, metadata)
            self._with.attempts.refuse_resting(attempt.state)
            books = await self._books(payment.merchant_id)
            books, also = await self._backed(refund.state, "requested", books, metadata)
            change = Change(
                snapshots=(refund.row, moved.row, attempt.row, *also.rows),
                events=(*refund.events, *moved.events, *attempt.events, *also.events),
                journals=(outcomes.requested(refund.state, payment, attempt.state, books),),
                reserve=call.key.making("rfd", refund_id) if call else None,
            )
            state = refund.state
            if payment.rail == ONUS:
                then, state = await self._into_wallet(
                    state, moved.state, attempt, Run(metadata=metadata, call=call)
                )
                change = merged(change, then)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state, state, attempt.state

    async def _into_wallet(
        self, refund: Refund, payment: Payment, attempt: Moved[Attempt], run: Run
    ) -> tuple[Change, Refund]:
        """Of what was paid from a wallet, the second half: no rail is asked. It may pass the
        wallet's ceiling, as RBI's directions on PPIs have it of refunds."""
        assert payment.customer_id is not None  # whose wallet it was
        answered = self._with.attempts.done_here(attempt, DONE, run.metadata)
        books = await self._books_for(refund, payment, DONE)
        books = msgspec.structs.replace(books, wallet=chart.customer_lite(payment.customer_id))
        effect = outcomes.effect(refund, payment, attempt.state, DONE, books)
        change, state = self._outcome_change(refund, payment, effect, answered, run)
        back = await self._with.purses.refunded(
            payment.customer_id, payment.merchant_id, run.metadata
        )
        return merged(change, back), state

    def _attempt(
        self, attempt_id: UUID, payment: Payment, refund: Refund, metadata: Metadata
    ) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="refund",
            amount=refund.amount_minor,
            currency=refund.currency,
            rail=payment.rail or "",
            route=payment.route,
            payment_id=ids.encode("pay", payment.id),
            refund_id=ids.encode("rfd", refund.id),
            original_id=ids.encode("att", payment.attempt),
        )
        return self._with.attempts.prepare(_origin(attempt_id, payment), sent, metadata)

    async def _record(
        self, refund: Refund, payment: Payment, attempt: Attempt, answered: Answered, run: Run
    ) -> Refund:
        """The second commit. Whoever records the end first wins; the other answers with what is
        there. An enquiry may have recorded "not known yet" while the call itself was hanging: its
        answer still counts.
        """
        while True:
            books = await self._books_for(refund, payment, answered.outcome)
            effect = outcomes.effect(refund, payment, attempt, answered.outcome, books)
            also = NOTHING
            step = _step(refund, attempt, effect)
            if step is not None:
                books, also = await self._backed(refund, step, books, run.metadata)
                effect = outcomes.effect(refund, payment, attempt, answered.outcome, books)
            change, state = self._outcome_change(refund, payment, effect, answered, run)
            change = msgspec.structs.replace(
                change,
                snapshots=(*change.snapshots, *also.rows),
                events=(*change.events, *also.events),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now_attempt = await self._with.attempts.get(connection, attempt.id)
                    now_refund = await store.get(connection, refund.id)
                if now_refund is None:
                    raise
                if now_attempt is None:
                    return now_refund
                if now_attempt.version != attempt.version:
                    if not (answered.outcome.is_final and is_news(now_attempt, answered.outcome)):
                        return now_refund
                    attempt = now_attempt
                    answered = self._with.attempts.again(attempt, answered, run.metadata)
                refund = now_refund
                payment = await self._with.payments.get(payment.id, payment.merchant_id)
            else:
                return state

    def _outcome_change(
        self,
        refund: Refund,
        payment: Payment,
        effect: outcomes.Effect,
        answered: Answered,
        run: Run,
    ) -> tuple[Change, Refund]:
        rows, events = [answered.moved.row], list(answered.moved.events)
        state = refund
        if effect.refund is not None:
            moved = REFUNDS.move(refund, [effect.refund], self._with.clock.now(), run.metadata)
            rows.append(moved.row)
            events += moved.events
            state = moved.state
        if effect.payment:
            of_payment = self._with.payments.moved(payment, effect.payment, run.metadata)
            rows.append(of_payment.row)
            events += of_payment.events
        change = Change(
            snapshots=tuple(rows),
            events=tuple(events),
            journals=effect.journals,
            answer=_answer(run.call, state, final=answered.outcome.is_final),
        )
        return change, state

    async def _books_for(
        self, refund: Refund, payment: Payment, outcome: Outcome
    ) -> outcomes.Books:
        """With what goes back of the fee, where the refund's contract says so.

        Read after `payment`: whatever changes the answer meanwhile moves the payment too, and
        everything is decided again.
        """
        books = await self._books(refund.merchant_id)
        if refund.mdr_on_refund != "returned" or outcome.kind is not OutcomeKind.APPROVED:
            return books
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
            causes = [attempt.id for attempt in attempts]
            fee, tax = part_to_return(
                refund.amount_minor,
                charged=await charged(connection, causes),
                returned=await returned(connection, causes),
                refunded_minor=await store.refunded_with_fee(connection, payment.id),
            )
        return msgspec.structs.replace(books, fee_back=fee, tax_back=tax)

    async def _books(self, merchant_id: UUID) -> outcomes.Books:
        merchant = await self._with.merchants.get(merchant_id)
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        return outcomes.Books(pending=pending, source=pending, at=self._with.clock.now())

    async def _backed(
        self, refund: Refund, step: Step, books: outcomes.Books, metadata: Metadata
    ) -> tuple[outcomes.Books, Followed]:
        """With the account that pays, and what moves of the escrow behind it, if there is one."""
        if refund.escrow_id is None:
            return books, NOTHING
        told = RefundStep(
            escrow_id=refund.escrow_id,
            payment_id=refund.payment_id,
            refund_id=ids.encode("rfd", refund.id),
            amount_minor=refund.amount_minor,
            step=step,
        )
        async with self._with.database.connection() as connection:
            source, also = await self._with.escrowed.refund(connection, told, metadata)
        return msgspec.structs.replace(books, source=source or books.pending), also


def _step(refund: Refund, attempt: Attempt, effect: outcomes.Effect) -> Step | None:
    """What an outcome says to the escrow behind a refund."""
    if refund.escrow_id is None:
        return None
    if isinstance(effect.refund, ev.RefundSucceeded):
        return "done" if attempt.is_open else "found"
    return "failed" if isinstance(effect.refund, ev.RefundFailed) else None


def _origin(id_: UUID, payment: Payment) -> Origin:
    return Origin(id=id_, merchant_id=payment.merchant_id, livemode=payment.livemode)


def _answer(call: Call | None, refund: Refund, *, final: bool) -> IdempotencyAnswer | None:
    """Only a final outcome is stored: a retry of an open one reads the refund as it is then."""
    if call is None or not final:
        return None
    answer = call.render(refund)
    return IdempotencyAnswer(
        merchant_id=call.key.merchant_id,
        key=call.key.key,
        status=answer.status,
        body=answer.body,
    )
