"""The review queue: opened with a payment, claimed for a while, decided once.

Each call is one commit. Who decided on a review that has moved meanwhile decides again, so that
of two who claim at once one has it and the other is told so. A decision is risk's label, too, in
the same commit.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.payments.domain import Payment
from online.payments.orders import Followed
from online.payments.service import Payments
from online.platform.db import Database
from online.platform.lists import Window, cut
from online.reviews import domain, store
from online.reviews.domain import Outcome, Review, Reviewer
from online.reviews.store import REVIEWS, Filter, Logged, Order
from online.risk import labels
from online.risk.labels import Told, Word


class Queue:
    """Opens reviews for `payments`, which knows it as a protocol."""

    def __init__(self, *, within: timedelta) -> None:
        self._within = within

    def opened(self, payment: Payment, metadata: Metadata) -> Followed:
        """A review of a payment that is about to be written, for its own first commit."""
        now, risk = payment.created_at, payment.risk or {}
        origin = Origin(id=ids.new(now), merchant_id=payment.merchant_id, livemode=payment.livemode)
        event = ev.ReviewOpened(
            payment_id=ids.encode("pay", payment.id),
            merchant_id=ids.encode("mrc", payment.merchant_id),
            amount=payment.amount_minor,
            currency=payment.currency,
            score=risk["score"],
            level=risk["level"],
            due_at=now + self._within,
        )
        moved = REVIEWS.create(origin, [event], now, metadata)
        return Followed(moved.state, (moved.row,), moved.events)


class Collaborators(Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`."""

    database: Database
    writer: Writer
    clock: Clock
    payments: Payments
    lease: timedelta


class Call(Struct, frozen=True, kw_only=True):
    """Who calls, about which review. `tenant` None is one of ours, who may see them all."""

    review_id: UUID
    tenant: UUID | None
    livemode: bool
    who: Reviewer
    metadata: Metadata


class File(Struct, frozen=True, kw_only=True):
    """All that there is about a review; history oldest first."""

    review: Review
    payment: Payment
    history: list[Logged]


Decide = Callable[[Review, datetime], Event | None]


class Reviews:
    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def page(self, wanted: Filter, asked: Window, order: Order) -> tuple[list[Review], bool]:
        async with self._with.database.connection() as connection:
            return cut(await store.page(connection, wanted, asked, order), asked)

    async def file(self, review_id: UUID, *, tenant: UUID | None, livemode: bool) -> File:
        review = await self._get(review_id, tenant=tenant, livemode=livemode)
        async with self._with.database.connection() as connection:
            history = await store.history(connection, review.id)
        return File(review=review, payment=await self.payment_of(review), history=history)

    async def payment_of(self, review: Review) -> Payment:
        return await self._with.payments.get(review.payment_id, review.merchant_id)

    async def claim(self, call: Call) -> Review:
        """The caller's alone for a while, and for longer when claimed again."""
        return await self._act(
            call, lambda found, now: domain.claim(found, call.who, now, self._with.lease)
        )

    async def release(self, call: Call) -> Review:
        return await self._act(call, lambda found, now: domain.release(found, call.who, now))

    async def note(self, call: Call, text: str) -> Review:
        """Anybody who may work on reviews adds what they found out; decided ones take it too."""
        event = ev.ReviewNoted(text=text, by=call.who.actor)
        return await self._act(call, lambda *_: event)

    async def decide(self, call: Call, outcome: Outcome, reason: str) -> Review:
        """Fraud or good, once; the same again changes nothing."""
        return await self._act(
            call, lambda found, now: domain.decide(found, call.who, now, outcome, reason)
        )

    async def _act(self, call: Call, decide: Decide) -> Review:
        while True:
            found = await self._get(call.review_id, tenant=call.tenant, livemode=call.livemode)
            now = self._with.clock.now()
            event = decide(found, now)
            if event is None:
                return found
            moved = REVIEWS.move(found, [event], now, call.metadata)
            label = await self._label(found, event, now, call.metadata)
            change = Change(
                snapshots=(moved.row, *(label.rows if label else ())),
                events=(*moved.events, *(label.events if label else ())),
                appends=label.appends if label else (),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state

    async def _label(
        self, review: Review, event: Event, now: datetime, metadata: Metadata
    ) -> Told | None:
        """What risk learns by a decision, of a payment that it keeps still."""
        if not isinstance(event, ev.ReviewDecided):
            return None
        async with self._with.database.connection() as connection:
            subject = await labels.subject(connection, review.payment_id)
        if subject is None:
            return None
        word = Word(
            fraud=event.outcome == "fraud",
            source="review",
            at=now,
            metadata=msgspec.structs.replace(metadata, causation_id=review.reference),
            reason=event.reason,
        )
        return labels.told(subject, word)

    async def _get(self, review_id: UUID, *, tenant: UUID | None, livemode: bool) -> Review:
        async with self._with.database.connection() as connection:
            found = await store.get(connection, review_id, tenant=tenant, livemode=livemode)
        if found is None:
            raise NotFound("no such review", "id")
        return found
