"""Payouts: the public face of the slice.

The dance of every operation at a rail: commit the attempt with the money it takes, call the bank
with no transaction open, commit what it said. The payable balance's floor refuses what is not
there, the guard of the beneficiary's edition what may not go there any more; both in the commit.
A payout is never sent again: whoever wants another try orders another payout.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.domain import Status as AttemptStatus
from online.attempts.service import Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import (
    IllegalMove,
    InvalidRequest,
    KhataError,
    NotFound,
    Refused,
    VersionConflict,
)
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, LimitMove, guard
from online.ledger.writer import Writer
from online.limits.domain import Category, LimitFacts, Rules, taken
from online.merchants.service import Merchants
from online.payouts import outcomes, store
from online.payouts.beneficiaries import Beneficiaries
from online.payouts.beneficiary import Beneficiary, subject_of
from online.payouts.domain import Payout, Status
from online.payouts.errors import BeneficiaryNotUsable, NotOnDemand
from online.payouts.rules import PayoutRules
from online.payouts.sending import Begun, Call, Ground, Sending
from online.payouts.store import PAYOUTS, Filters
from online.payouts.verification import CURRENCY
from online.platform.db import Database
from online.platform.known_keys import replays_first
from online.platform.lists import Window
from online.rails.domain import Payee

_AT_ONCE: Final = 16
_A_ROUND: Final = 200

_log = structlog.get_logger(__name__)


class PayoutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid to whom. Without a mode the quickest that takes the amount."""

    merchant_id: UUID
    beneficiary_id: UUID
    amount_minor: int
    purpose: str
    mode: str | None = None
    reference: str | None = None
    scheduled_at: datetime | None = None


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    beneficiaries: Beneficiaries
    limits: Rules
    rules: PayoutRules
    rail: str


class Payouts:
    """Use cases on payouts."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._sending = Sending(
            Ground(
                database=with_.database,
                writer=with_.writer,
                clock=with_.clock,
                attempts=with_.attempts,
                rules=with_.rules,
            )
        )
        self.resolve = self._sending.resolve
        self.returned = self._sending.returned

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def get(self, payout_id: UUID, merchant_id: UUID) -> Payout:
        async with self._with.database.connection() as connection:
            found = await store.payout_of(connection, payout_id, merchant_id)
        if found is None:
            raise NotFound("no such payout", "id")
        return found

    async def page(self, merchant_id: UUID, filters: Filters, asked: Window) -> Sequence[Payout]:
        """Newest first; one more than asked for when there are more."""
        async with self._with.database.connection() as connection:
            return await store.payouts(connection, merchant_id, filters, asked)

    async def at_the_rail(self, payout: Payout) -> bool:
        """Whether the bank has not even said yet that it took the payout."""
        if payout.status is not Status.PROCESSING or payout.attempt_id is None:
            return False
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, payout.attempt_id)
        return attempt is not None and attempt.status is AttemptStatus.SENT

    # ── ordering ─────────────────────────────────────────────────────────────────────────

    async def create(self, order: PayoutOrder, call: Call, metadata: Metadata) -> Payout:
        """Sends it now, or keeps it for its time; answers with it as it stands after that."""
        async with replays_first(self._with.database, call.key):
            self._check_time(order.scheduled_at)
            beneficiary = await self._usable(order)
            created = self._created(order, beneficiary)
            merchant = await self._with.merchants.get(order.merchant_id)
            now = self._with.clock.now()
            origin = Origin(id=ids.new(now), merchant_id=merchant.id, livemode=merchant.livemode)
            made = PAYOUTS.create(origin, [created], now, metadata)
            key = call.key.making("pout", made.state.id)
            if order.scheduled_at is not None:
                change = Change(
                    snapshots=(made.row,),
                    events=made.events,
                    limits=(_guard(made.state),),
                    reserve=key,
                    answer=call.answer(made.state),
                )
                await self._with.writer.submit(change)
                return made.state
            to = await self._with.beneficiaries.opened(beneficiary)
            change, begun = self._beginning(made.state, to, metadata, created=created)
            self._with.attempts.refuse_resting(begun.attempt)
            await self._with.writer.submit(msgspec.structs.replace(change, reserve=key))
        return await self._sending.send(begun, metadata, call)

    async def cancel(self, payout_id: UUID, merchant_id: UUID, metadata: Metadata) -> Payout:
        """Before its time has come; afterwards there is nothing to call back."""
        while True:
            payout = await self.get(payout_id, merchant_id)
            if payout.status is Status.CANCELED:
                return payout
            if payout.status is not Status.SCHEDULED:
                raise IllegalMove(f"a payout that is {payout.status} is not canceled", "id")
            now = self._with.clock.now()
            moved = PAYOUTS.move(payout, [ev.PayoutCanceled()], now, metadata)
            change = Change(snapshots=(moved.row,), events=moved.events)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state

    async def send_due(self, metadata: Metadata) -> int:
        """Begins or ends scheduled payouts whose time has come; answers how many."""
        async with self._with.database.connection() as connection:
            due = await store.due(connection, self._with.clock.now(), _A_ROUND)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(payout: Payout) -> bool:
            async with slots:
                try:
                    await self._send_scheduled(payout, metadata)
                except KhataError as error:  # the rail rests: it keeps its place
                    _log.warning("payout_left", payout=payout.payout_id, error=str(error))
                    return False
                return True

        return sum(await asyncio.gather(*map(one, due)))

    async def _send_scheduled(self, payout: Payout, metadata: Metadata) -> None:
        """A refusal at its time ends it: nobody is there to ask again."""
        beneficiary = await self._with.beneficiaries.get(payout.beneficiary_id, payout.merchant_id)
        try:
            if beneficiary.edition != payout.edition:
                raise BeneficiaryNotUsable("the beneficiary was changed since", "beneficiary")
            await self._check_on_demand(payout.merchant_id)
            to = await self._with.beneficiaries.opened(beneficiary)
            change, begun = self._beginning(payout, to, metadata)
            self._with.attempts.refuse_resting(begun.attempt)
            await self._with.writer.submit(change)
        except VersionConflict:
            return  # somebody else sends it, or it was canceled
        except Refused as refusal:
            failed = ev.PayoutFailed(code=refusal.code)
            moved = PAYOUTS.move(payout, [failed], self._with.clock.now(), metadata)
            await self._with.writer.submit(Change(snapshots=(moved.row,), events=moved.events))
            return
        await self._sending.send(begun, metadata)

    # ── deciding, and the first commit ───────────────────────────────────────────────────

    def _check_time(self, at: datetime | None) -> None:
        now = self._with.clock.now()
        latest = now + timedelta(days=self._with.rules.scheduled_at_most_days)
        if at is not None and not now <= at <= latest:
            raise InvalidRequest("must be in the future, and not too far away", "scheduled_at")

    async def _usable(self, order: PayoutOrder) -> Beneficiary:
        await self._check_on_demand(order.merchant_id)
        found = await self._with.beneficiaries.get(order.beneficiary_id, order.merchant_id)
        when = order.scheduled_at or self._with.clock.now()
        if not found.is_usable(when):
            raise BeneficiaryNotUsable(f"the beneficiary is {found.status}", "beneficiary")
        return found

    async def _check_on_demand(self, merchant_id: UUID) -> None:
        merchant = await self._with.merchants.get(merchant_id)
        if merchant.payouts != "on_demand":
            raise NotOnDemand("by contract this merchant's settlements are paid out by themselves")

    def _created(self, order: PayoutOrder, beneficiary: Beneficiary) -> ev.PayoutCreated:
        now = self._with.clock.now()
        at = order.scheduled_at or now
        mode = self._with.rules.mode_for(
            beneficiary.kind, order.amount_minor, business_date(at), order.mode
        )
        purpose = self._with.rules.purpose(order.purpose)
        return ev.PayoutCreated(
            merchant_id=ids.encode("mrc", order.merchant_id),
            beneficiary_id=beneficiary.reference,
            edition=beneficiary.edition,
            amount=order.amount_minor,
            currency=CURRENCY,
            mode=mode.mode,
            purpose=purpose.name,
            purpose_code=purpose.upi if mode.mode == "upi" else None,
            mask=beneficiary.mask,
            ifsc=beneficiary.ifsc,
            reference=order.reference,
            scheduled_at=order.scheduled_at,
        )

    def _beginning(
        self,
        payout: Payout,
        to: Payee,
        metadata: Metadata,
        *,
        created: ev.PayoutCreated | None = None,
    ) -> tuple[Change, Begun]:
        """The first commit: attempt, money, limits, guard. `created`: the payout is new with it."""
        now = self._with.clock.now()
        attempt = self._attempt(payout, metadata)
        facts = LimitFacts(
            category=Category(
                kind="payout",
                method="upi" if payout.mode == "upi" else "bank",
                day=business_date(now),
                purpose=payout.purpose_code,
            ),
            subject=ids.encode("mrc", payout.merchant_id),
            amount_minor=payout.amount_minor,
            at=now,
            livemode=payout.livemode,
        )
        decided = self._with.limits.decide(facts)
        sent = ev.PayoutSent(
            attempt_id=attempt.state.reference,
            rail=self._with.rail,
            limits=taken(decided.moves),
            limit_rules=decided.rules,
        )
        if created is None:
            moved = PAYOUTS.move(payout, [sent], now, metadata)
        else:
            origin = Origin(id=payout.id, merchant_id=payout.merchant_id, livemode=payout.livemode)
            moved = PAYOUTS.create(origin, [created, sent], now, metadata)
        change = Change(
            snapshots=(moved.row, attempt.row),
            events=(*moved.events, *attempt.events),
            journals=(outcomes.payout_sent(moved.state, attempt.state, now),),
            limits=(_guard(payout), *decided.moves),
        )
        return change, Begun(payout=moved.state, attempt=attempt.state, to=to)

    def _attempt(self, payout: Payout, metadata: Metadata) -> Moved[Attempt]:
        sent = ev.AttemptSent(
            operation="payout",
            amount=payout.amount_minor,
            currency=payout.currency,
            rail=self._with.rail,
            order_id=payout.payout_id,
        )
        origin = Origin(
            id=ids.new(self._with.clock.now()),
            merchant_id=payout.merchant_id,
            livemode=payout.livemode,
        )
        return self._with.attempts.prepare(origin, sent, metadata)


def _guard(payout: Payout) -> LimitMove:
    """Refused once the account that it goes to was changed or stopped."""
    subject = subject_of(payout.beneficiary_id, payout.edition)
    return guard(subject, payout.livemode, BeneficiaryNotUsable)
