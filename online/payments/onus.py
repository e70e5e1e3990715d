"""Payments from a wallet, whose money is here: no rail is asked, one commit begins and ends them.

`onus` stands where others have their rail's name. Who races for the same balance waits for its
account in that commit, and is refused there exactly.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import InsufficientFunds, InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import recipes
from online.ledger.accounts import Account
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, merged
from online.ledger.journal import Journal
from online.payments import outcomes, store
from online.payments.decisions import Asked
from online.payments.domain import Payment
from online.payments.orders import NOTHING, Call, Done
from online.payments.paying import Judged
from online.payments.running import Collaborators
from online.payments.store import PAYMENTS
from online.payments.two_commits import TwoCommits
from online.platform.idempotency import IdempotencyAnswer
from online.platform.known_keys import replays_first
from online.rails.domain import Outcome, OutcomeKind

ONUS: Final = "onus"
DONE: Final = Outcome(kind=OutcomeKind.APPROVED, code="00")


class Onus:
    """Use cases on payments from a wallet."""

    def __init__(self, with_: Collaborators, dance: TwoCommits) -> None:
        self._with = with_
        self._dance = dance

    async def pay(self, judged: Judged, call: Call, metadata: Metadata) -> Done:
        """Created, processing, captured, with attempt, postings, limits and answer, at once."""
        authority = judged.order.authority
        assert authority is not None  # it is what led here
        if judged.order.capture_method != "automatic":
            raise InvalidRequest("a wallet pays at once", "capture_method")
        kind = (authority.facts or {}).get("kind")
        outcome = msgspec.structs.replace(DONE, funding="ppi" if kind == "ppi" else "lite")
        sent = ev.AttemptSent(
            operation="authorize",
            amount=judged.order.amount_minor,
            currency=judged.order.currency,
            rail=ONUS,
            route=ONUS,
            payment_id=ids.encode("pay", judged.id),
        )
        origin = msgspec.structs.replace(judged.origin, id=ids.new(judged.at))
        prepared = self._with.attempts.prepare(origin, sent, metadata)
        processing = ev.PaymentProcessing(
            attempt_id=prepared.state.reference,
            route=ONUS,
            rail=ONUS,
            risk=judged.assessment.as_event_data(),
        )
        begun = PAYMENTS.create(judged.origin, [judged.created(), processing], judged.at, metadata)
        doubtful = judged.assessment.decision == "review"
        also = self._with.reviews.opened(begun.state, metadata) if doubtful else NOTHING
        beside = judged.beside(also)
        first = Change(
            snapshots=(begun.row, prepared.row, *beside.rows),
            events=(*begun.events, *prepared.events, *beside.events),
            limits=beside.limits,
            reserve=call.key.making("pay", judged.id),
            appends=beside.appends,
        )
        lite = chart.customer_lite(authority.customer_id)
        async with replays_first(self._with.database, call.key):
            then, done = await self._end(
                begun.state, prepared, outcome, lite, call=call, metadata=metadata
            )
            try:
                await self._with.writer.submit(merged(first, then))
            except InsufficientFunds:
                raise InsufficientFunds("the wallet holds less than that", "amount") from None
        return done

    async def reverse(
        self,
        payment_id: UUID,
        merchant_id: UUID,
        decide: Callable[[Payment, str], Awaitable[Asked]],
        call: Call,
        metadata: Metadata,
    ) -> Done:
        """Undoes one whose day is not settled: the money is in the wallet again."""
        async with replays_first(self._with.database, call.key):
            while True:
                async with self._with.database.connection() as connection:
                    payment = await store.get_of_merchant(connection, payment_id, merchant_id)
                if payment is None:
                    raise NotFound("no such payment", "id")
                change, done = await self._reversal(payment, decide, call, metadata)
                try:
                    await self._with.writer.submit(change)
                except VersionConflict:
                    continue
                return done

    async def _reversal(
        self,
        payment: Payment,
        decide: Callable[[Payment, str], Awaitable[Asked]],
        call: Call,
        metadata: Metadata,
    ) -> tuple[Change, Done]:
        now = self._with.clock.now()
        origin = Origin(id=ids.new(now), merchant_id=payment.merchant_id, livemode=payment.livemode)
        asked = await decide(payment, ids.encode("att", origin.id))
        sent = ev.AttemptSent(
            operation="reverse",
            amount=asked.amount_minor,
            currency=payment.currency,
            rail=ONUS,
            route=ONUS,
            payment_id=ids.encode("pay", payment.id),
            original_id=ids.encode("att", payment.attempt),
        )
        prepared = self._with.attempts.prepare(origin, sent, metadata)
        begun = PAYMENTS.move(payment, [asked.event], now, metadata)
        first = Change(
            snapshots=(begun.row, prepared.row),
            events=(*begun.events, *prepared.events),
            reserve=call.key.making("pay", payment.id),
        )
        assert payment.customer_id is not None  # whose wallet it was
        owed = chart.refunds_payable(ONUS)
        then, done = await self._end(
            begun.state, prepared, DONE, owed, call=call, metadata=metadata
        )
        credited = into_wallet(payment.customer_id, then.journals[0], asked.amount_minor)
        then = msgspec.structs.replace(then, journals=(*then.journals, credited))
        back = await self._with.purses.refunded(payment.customer_id, payment.merchant_id, metadata)
        return merged(merged(first, then), back), done

    async def _end(
        self,
        payment: Payment,
        prepared: Moved[Attempt],
        outcome: Outcome,
        source: Account,
        *,
        call: Call,
        metadata: Metadata,
    ) -> tuple[Change, Done]:
        """What a rail's yes would have led to, with `source` in the rail's place."""
        now = self._with.clock.now()
        answered = self._with.attempts.done_here(prepared, outcome, metadata)
        books = await self._dance.books(payment, prepared.state, outcome, now)
        books = msgspec.structs.replace(books, source=source)
        effect = outcomes.effect(payment, prepared.state, outcome, books)
        moved = PAYMENTS.move(payment, effect.events, now, metadata)
        followed = await self._dance.follow(moved.state, metadata)
        done = Done(moved.state, call.render(moved.state, followed.state, outcome))
        answer = IdempotencyAnswer(
            merchant_id=call.key.merchant_id,
            key=call.key.key,
            status=done.answer.status,
            body=done.answer.body,
        )
        change = Change(
            snapshots=(answered.moved.row, moved.row, *followed.rows),
            events=(*answered.moved.events, *moved.events, *followed.events),
            journals=(*effect.journals, *followed.journals),
            answer=answer,
        )
        return change, done


def into_wallet(customer_id: UUID, after: Journal, amount: int) -> Journal:
    """The second half of what gives money back: what the first half owes is the user's again. It
    may pass the wallet's ceiling, as RBI's directions on PPIs have it of refunds."""
    lite = chart.customer_lite(customer_id)
    return msgspec.structs.replace(
        after,
        kind="reversal_to_wallet",
        postings=recipes.refund_to_wallet(ONUS, lite, amount),
        forced=True,
    )
