"""Use cases on money that is authorized and not taken: letting a part go, keeping it for longer."""

from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.change import Change
from online.payments import decisions, store
from online.payments.authorizations import ExtensionRule, find_extension
from online.payments.decisions import Asked
from online.payments.domain import Payment
from online.payments.orders import Call, Done
from online.payments.requests import request_of
from online.payments.running import Collaborators, Run
from online.payments.store import PAYMENTS
from online.payments.two_commits import TwoCommits
from online.platform.known_keys import replays_first
from online.rails.domain import ExtendRequest, ReleaseRequest


class Holding:
    def __init__(self, with_: Collaborators, dance: TwoCommits) -> None:
        self._with = with_
        self._dance = dance

    async def release(
        self,
        payment_id: UUID,
        merchant_id: UUID,
        amount: int | None,
        call: Call,
        metadata: Metadata,
    ) -> Done:
        """Gives the payer a part of what is kept; no amount means all that is left of it."""

        async def decide(payment: Payment, reference: str) -> Asked:
            event = decisions.request_release(payment, reference, amount)
            return Asked(event=event, operation="release", amount_minor=event.amount)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, request_of(ReleaseRequest, attempt), run)

    async def extend(
        self, payment_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Done:
        """Keeps what is left for longer, as the network's rule says; asks its rail if it must."""
        async with replays_first(self._with.database, call.key):
            payment = await self._get(payment_id, merchant_id)
            rule = await self._rule(payment)
            decisions.request_extension(payment, rule, self._with.clock.now())
        if rule is not None and not rule.asks_rail:
            return await self._extend_here(payment_id, merchant_id, call, metadata)

        async def decide(payment: Payment, reference: str) -> Asked:
            rule = await self._rule(payment)
            decisions.request_extension(payment, rule, self._with.clock.now())
            event = ev.PaymentExtensionRequested(attempt_id=reference)
            left = payment.capturable_minor
            return Asked(event=event, operation="extend", amount_minor=left)

        run = Run(metadata=metadata, call=call)
        payment, attempt = await self._dance.begin_on(payment_id, merchant_id, decide, run)
        return await self._dance.send(payment, attempt, request_of(ExtendRequest, attempt), run)

    async def _extend_here(
        self, payment_id: UUID, merchant_id: UUID, call: Call, metadata: Metadata
    ) -> Done:
        """Where the network asks nobody: one commit, with the answer of the call."""
        async with replays_first(self._with.database, call.key):
            while True:
                payment = await self._get(payment_id, merchant_id)
                now = self._with.clock.now()
                until = decisions.request_extension(payment, await self._rule(payment), now)
                event = ev.PaymentAuthorizationExtended(expires_at=until)
                moved = PAYMENTS.move(payment, [event], now, metadata)
                followed = await self._dance.follow(moved.state, metadata)
                answer = call.render(moved.state, followed.state, None)
                key = msgspec.structs.replace(
                    call.key.making("pay", payment.id), status=answer.status, body=answer.body
                )
                change = Change(
                    snapshots=(moved.row, *followed.rows),
                    events=(*moved.events, *followed.events),
                    reserve=key,
                )
                try:
                    await self._with.writer.submit(change)
                except VersionConflict:
                    continue
                return Done(moved.state, answer)

    async def _rule(self, payment: Payment) -> ExtensionRule | None:
        merchant = await self._with.merchants.get(payment.merchant_id)
        now = self._with.clock.now()
        return find_extension(self._with.extensions, payment, mcc=merchant.mcc, at=now)

    async def _get(self, payment_id: UUID, merchant_id: UUID) -> Payment:
        async with self._with.database.connection() as connection:
            payment = await store.get_of_merchant(connection, payment_id, merchant_id)
        if payment is None:
            raise NotFound("no such payment", "id")
        return payment
