"""An authorization goes on to the next route where its rail has definitely done nothing.

Never after an unknown outcome, a pending one or the bank's own no. One commit moves on: the failed
attempt, the payment's next decision, the next attempt as sent; what the payment holds (limits, its
idempotency key) stays held. A process that dies in between leaves one open attempt, which recovery
settles and nobody carries on: the payer is gone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from online.attempts.domain import Attempt
from online.attempts.service import Answered
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import RouteUnavailable, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.payments.domain import Payment
from online.payments.orders import Done
from online.payments.retries import BudgetRules, CascadeRules, RetryBudget
from online.payments.running import Collaborators, Run
from online.payments.store import PAYMENTS
from online.payments.two_commits import TwoCommits
from online.platform import metrics, settings
from online.rails.domain import AuthorizeRequest, OutcomeKind
from online.routing.domain import RouteDecision, RouteImpossible, RouteRequest


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One authorization of a payment: why this route, and its attempt, made to be sent."""

    asked: RouteRequest
    decision: RouteDecision
    attempt: Moved[Attempt]
    number: int
    until: float  # no further one begins after that, in seconds of the cascade's clock

    def event(self, risk: dict[str, Any]) -> ev.PaymentProcessing:
        state = self.attempt.state
        return ev.PaymentProcessing(
            attempt_id=state.reference,
            route=self.decision.route,
            rail=state.rail,
            risk=risk,
            route_decision=msgspec.to_builtins(self.decision),
        )


class Cascade:
    """Chooses routes and sends authorizations, from one to the next."""

    def __init__(
        self,
        with_: Collaborators,
        dance: TwoCommits,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._with = with_
        self._dance = dance
        self._rules = with_.cascade
        self._budget = RetryBudget(with_.cascade.budget, seconds)
        self._seconds = seconds

    async def first(self, asked: RouteRequest, payment: Origin, metadata: Metadata) -> Try:
        """The first try of a payment; `RouteUnavailable` where there is no route now."""
        until = self._seconds() + self._rules.patience_s
        decision = await self._with.routing.choose(asked)
        attempt = self._prepare(asked, decision, payment, metadata)
        self._budget.first_try(attempt.state.rail)
        return Try(asked=asked, decision=decision, attempt=attempt, number=1, until=until)

    @contextmanager
    def committing(self, next_: Try) -> Iterator[None]:
        """Around the commit of a try: a route that is not used after all is let go."""
        try:
            yield
        except BaseException:
            self._with.routing.give_back(next_.decision.route)
            raise

    async def send(self, payment: Payment, first: Try, request: AuthorizeRequest, run: Run) -> Done:
        """Sends `first`, which is committed, and what comes after it; records how it ended."""
        now = first
        while True:
            attempt = now.attempt.state
            request = msgspec.structs.replace(request, reference=attempt.reference)
            answered = await self._with.attempts.send(attempt, request, run.metadata)
            onward = None
            if answered.outcome.kind is OutcomeKind.FAILED:
                onward = await self._next(payment, now, run.metadata)
            if onward is None:
                return await self._dance.record(payment, attempt, answered, run)
            try:
                with self.committing(onward):
                    payment = await self._move_on(payment, answered, onward, run.metadata)
            except VersionConflict:  # an enquiry was faster: what it found counts
                return await self._dance.record(payment, attempt, answered, run)
            now = onward

    async def _next(self, payment: Payment, failed: Try, metadata: Metadata) -> Try | None:
        """The try after one that failed, unless it ends here."""
        rail = failed.attempt.state.rail
        if failed.number >= self._rules.max_attempts or self._seconds() >= failed.until:
            metrics.cascaded(rail, "enough")
            return None
        routing = self._with.routing
        asked = msgspec.structs.replace(
            failed.asked,
            exclude=failed.asked.exclude | {failed.decision.route},
            spent=frozenset(n for n in routing.names if self._budget.is_spent(routing.rail_of(n))),
        )
        try:
            decision = await routing.choose(asked)
        except (RouteUnavailable, RouteImpossible):
            metrics.cascaded(rail, "no_route")
            return None
        where = Origin(id=payment.id, merchant_id=payment.merchant_id, livemode=payment.livemode)
        attempt = self._prepare(asked, decision, where, metadata)
        self._budget.take(attempt.state.rail)
        return msgspec.structs.replace(
            failed, asked=asked, decision=decision, attempt=attempt, number=failed.number + 1
        )

    async def _move_on(
        self, payment: Payment, answered: Answered, onward: Try, metadata: Metadata
    ) -> Payment:
        event = onward.event(payment.risk or {})
        moved = PAYMENTS.move(payment, [event], self._with.clock.now(), metadata)
        failed, attempt = answered.moved, onward.attempt
        await self._with.writer.submit(
            Change(
                snapshots=(moved.row, failed.row, attempt.row),
                events=(*failed.events, *moved.events, *attempt.events),
            )
        )
        metrics.cascaded(failed.state.rail, "sent")
        return moved.state

    def _prepare(
        self, asked: RouteRequest, decision: RouteDecision, payment: Origin, metadata: Metadata
    ) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="authorize",
            amount=asked.amount_minor,
            currency=asked.currency,
            rail=self._with.routing.rail_of(decision.route),
            route=decision.route,
            payment_id=ids.encode("pay", payment.id),
        )
        origin = msgspec.structs.replace(payment, id=ids.new(self._with.clock.now()))
        return self._with.attempts.prepare(origin, sent, metadata)


def rules_of(configured: settings.Cascade) -> CascadeRules:
    budget = configured.retry_budget
    return CascadeRules(
        max_attempts=configured.max_attempts,
        patience_s=configured.patience_ms / 1000,
        budget=BudgetRules(
            percent=budget.percent, floor_per_s=budget.floor_per_second, burst=budget.burst
        ),
    )
