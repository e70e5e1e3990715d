"""Following a payment: the public face of the slice."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.disputes.domain import Dispute
from online.disputes.service import Disputes
from online.intents.domain import Intent
from online.intents.service import Intents
from online.kernel.clock import Clock
from online.ledger import trail
from online.ledger.trail import Booked, Logged
from online.payments.domain import Payment
from online.payments.service import Payments
from online.platform.db import Database
from online.refunds.domain import Refund
from online.refunds.service import Refunds
from online.settlements.domain import Settlement
from online.settlements.service import Settlements
from online.traces import store
from online.traces.domain import ORDER, Link


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one payment; lists are oldest first."""

    payment: Payment
    intent: Intent | None
    attempts: list[Attempt]
    events: list[Logged]  # of all of these
    transactions: list[Booked]
    refunds: list[Refund]
    disputes: list[Dispute]
    settlements: Sequence[Settlement]
    links: list[Link]


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """Whom it asks; wired once in `services.py`."""

    database: Database
    clock: Clock
    payments: Payments
    intents: Intents
    attempts: Attempts
    refunds: Refunds
    disputes: Disputes
    settlements: Settlements


Told = Literal["posted", "exists", "differs", "unknown"]


class Traces:
    """Use cases on traces."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def trace(self, payment_id: UUID, owner: UUID | None) -> Trace:
        """A payment of `owner`, or any for None: one of ours, who may see them all."""
        payment = await self._with.payments.get(payment_id, owner)
        merchant, intent = payment.merchant_id, None
        if payment.intent_id is not None:
            intent = await self._with.intents.get(payment.intent_id, merchant)
        refunds = await self._with.refunds.of_payment(payment.id)
        disputes = await self._with.disputes.of_payment(payment.id)
        async with self._with.database.connection() as connection:
            attempts = await self._with.attempts.of_payment(connection, payment.id)
            causes = [payment.id, *(attempt.id for attempt in attempts)]
            causes += [*(refund.id for refund in refunds), *(dispute.id for dispute in disputes)]
            transactions = await trail.transactions(connection, causes, livemode=payment.livemode)
            with_intent = [*causes, payment.intent_id] if payment.intent_id else causes
            events = await trail.events(connection, with_intent)
            settlements = await self._with.settlements.of_days(
                connection,
                merchant_id=merchant,
                currency=payment.currency,
                livemode=payment.livemode,
                days={booked.business_date for booked in transactions if booked.is_posted},
            )
            payouts = [s.payout_attempt_id for s in settlements if s.payout_attempt_id]
            known = [*(each.id for each in attempts), *payouts]
            links = await store.of_attempts(connection, known)
        return Trace(
            payment=payment,
            intent=intent,
            attempts=attempts,
            events=events,
            transactions=transactions,
            refunds=refunds,
            disputes=disputes,
            settlements=settlements,
            links=sorted(links, key=lambda link: (link.at, ORDER[link.hop])),
        )

    async def take_in(self, links: Sequence[Link], *, livemode: bool) -> list[Told]:
        """For each link in its place: whether it is news. What was told first stays."""
        attempts = {link.attempt_id for link in links}
        new: dict[tuple[UUID, str, str], Link] = {}
        told: list[Told] = []
        async with self._with.database.transaction() as connection:
            modes = await self._with.attempts.modes(connection, attempts)
            known = {each.key: each for each in await store.of_attempts(connection, attempts)}
            for link in links:
                before = known.get(link.key)
                if modes.get(link.attempt_id) is not livemode:
                    told.append("unknown")
                elif before is not None:
                    told.append("exists" if link.says_the_same(before) else "differs")
                else:
                    new[link.key] = known[link.key] = link
                    told.append("posted")
            await store.insert(
                connection,
                list(new.values()),
                livemode=livemode,
                recorded_at=self._with.clock.now(),
            )
        return told
