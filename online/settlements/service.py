"""Settlements: the public face of the slice.

A batch is accepted when it equals the books, to the unit. Acceptance, the settlement's posting and
the payout's attempt are one commit, so that a crash leaves either nothing or an open attempt that
recovery asks the bank about.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import (
    InvalidRequest,
    KhataError,
    NotFound,
    SettlementMismatch,
    VersionConflict,
)
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger import reading
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.days import MerchantDay
from online.ledger.writer import AlreadyPosted, Writer
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.payments.domain import Payment
from online.platform.db import Database
from online.platform.sql import Connection
from online.settlements import outcomes, store
from online.settlements.domain import Batch, Settlement, difference, settle_on
from online.settlements.payouts import Payout, Payouts
from online.settlements.store import SETTLEMENTS
from online.work.domain import WorkRequest
from online.work.service import Work

_DAYS_BACK: Final = 7


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `difference_minor` is batch minus books, of the net."""

    status: Literal["accepted", "exists", "refused"]
    settlement_id: UUID | None = None
    payout_attempt_id: UUID | None = None
    difference_minor: int = 0
    detail: str | None = None
    param: str | None = None


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A business day of a merchant and when it is paid out."""

    business_date: date
    settle_on: date
    settlements: list[Settlement]


class _Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that equals the books, as the commit that makes it a settlement."""

    place: int
    change: Change
    settlement: Settlement
    payout: Payout | None


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `app.py`."""

    database: Database
    writer: Writer
    clock: Clock
    merchants: Merchants
    work: Work
    payouts: Payouts


class SettledDays:
    """Answers payments' question whether a day of theirs can still be undone."""

    async def any_of(
        self, connection: Connection, payment: Payment, days: Collection[date]
    ) -> bool:
        return await store.is_settled(
            connection,
            merchant_id=payment.merchant_id,
            currency=payment.currency,
            livemode=payment.livemode,
            days=days,
        )


class Settlements:
    """Use cases on settlements."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def get(self, settlement_id: UUID, merchant_id: UUID | None) -> Settlement:
        """`merchant_id` None is one of ours, who may see them all."""
        async with self._with.database.connection() as connection:
            found = await store.get(connection, settlement_id)
        if found is None or merchant_id not in {None, found.merchant_id}:
            raise NotFound("no such settlement", "id")
        return found

    async def of_days(
        self,
        connection: Connection,
        *,
        merchant_id: UUID,
        currency: str,
        livemode: bool,
        days: Collection[date],
    ) -> list[Settlement]:
        """The batches of a merchant's business days, as far as there are any; oldest first."""
        if not days:
            return []
        made = await store.since(connection, merchant_id, min(days))
        return [
            each
            for each in made
            if each.business_date in days and (each.currency, each.livemode) == (currency, livemode)
        ]

    async def request(
        self, day: date, merchants: list[UUID] | None, *, livemode: bool
    ) -> WorkRequest:
        """Asks the pipeline for a day's batches, of some merchants or of all (None)."""
        if day > business_date(self._with.clock.now()):
            raise InvalidRequest("must not be in the future", "date")
        named = sorted({ids.encode("mrc", each) for each in merchants or ()}) or ["all"]
        for merchant_id in merchants or ():
            await self._with.merchants.get(merchant_id)
        only = merchants[0] if merchants and len(named) == 1 else None
        params = {"date": day.isoformat(), "type": "daily", "merchants": named}
        return await self._with.work.request(
            "settlement", params, merchant_id=only, livemode=livemode
        )

    async def schedule(self, merchant_id: UUID) -> tuple[Merchant, list[Due]]:
        """The last week's business days and today, with what became of them."""
        merchant = await self._with.merchants.get(merchant_id)
        today = business_date(self._with.clock.now())
        first = today - timedelta(days=_DAYS_BACK)
        async with self._with.database.connection() as connection:
            made = await store.since(connection, merchant_id, first)
        days = [first + timedelta(days=n) for n in range(_DAYS_BACK + 1)]
        return merchant, [
            Due(
                business_date=day,
                settle_on=settle_on(day, merchant.settlement_days),
                settlements=[each for each in made if each.business_date == day],
            )
            for day in days
        ]

    # ── batches ──────────────────────────────────────────────────────────────────────────

    async def take_in(self, batches: Sequence[Batch], metadata: Metadata) -> list[Receipt]:
        """Each batch by itself: accepted and paid out, there already, or refused."""
        receipts: dict[int, Receipt] = {}
        accepted = await self._judge(batches, metadata, receipts)
        refusals = await self._with.writer.submit_all([each.change for each in accepted])
        payouts = []
        for each, refusal in zip(accepted, refusals, strict=True):
            receipts[each.place] = _receipt(each, refusal)
            if refusal is None and each.payout is not None:
                payouts.append(each.payout)
        await self._with.payouts.send(payouts, metadata)
        return [receipts[place] for place in range(len(batches))]

    async def _judge(
        self, batches: Sequence[Batch], metadata: Metadata, receipts: dict[int, Receipt]
    ) -> list[_Accepted]:
        """What can be accepted; the receipts of everything else are filled in."""
        merchants: dict[int, Merchant] = {}
        for place, batch in enumerate(batches):
            try:
                merchants[place] = await self._check(batch)
            except KhataError as refusal:
                receipts[place] = _refused(refusal)
        days = {place: _day(batches[place], merchant) for place, merchant in merchants.items()}
        async with self._with.database.connection() as connection:
            known = await store.by_ids(connection, {b.settlement_id for b in batches})
            books = await reading.day_sums(connection, days.values())
        accepted: dict[UUID, _Accepted] = {}
        for place, merchant in merchants.items():
            batch = batches[place]
            there = known.get(batch.settlement_id)
            if there is not None:
                receipts[place] = _exists(there)
                continue
            twin = accepted.get(batch.settlement_id)
            if twin is not None:
                receipts[place] = _exists(twin.settlement)
                continue
            gap = difference(batch, books[days[place]])
            if gap:
                mismatch = _refused(SettlementMismatch(str(gap), "net"))
                receipts[place] = msgspec.structs.replace(mismatch, difference_minor=gap.net_minor)
                continue
            accepted[batch.settlement_id] = self._accept(place, batch, merchant, metadata)
        return list(accepted.values())

    async def _check(self, batch: Batch) -> Merchant:
        today = business_date(self._with.clock.now())
        if batch.business_date >= today:
            raise InvalidRequest("this business day is not over", "business_date")
        return await self._with.merchants.get(batch.merchant_id)

    def _accept(
        self, place: int, batch: Batch, merchant: Merchant, metadata: Metadata
    ) -> _Accepted:
        now = self._with.clock.now()
        origin = Origin(id=batch.settlement_id, merchant_id=merchant.id, livemode=merchant.livemode)
        made = SETTLEMENTS.create(origin, [batch.created()], now, metadata)
        if batch.net_minor <= 0:
            change = Change(snapshots=(made.row,), events=made.events)
            return _Accepted(place=place, change=change, settlement=made.state, payout=None)
        attempt = self._with.payouts.prepare(made.state, metadata)
        sent = ev.SettlementPayoutSent(
            attempt_id=attempt.state.reference, amount=attempt.state.amount_minor
        )
        moved = SETTLEMENTS.create(origin, [batch.created(), sent], now, metadata)
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        change = Change(
            snapshots=(moved.row, attempt.row),
            events=(*moved.events, *attempt.events),
            journals=(
                outcomes.settled(moved.state, pending, now),
                outcomes.payout_sent(moved.state, attempt.state, now),
            ),
        )
        payout = Payout(settlement=moved.state, merchant=merchant, attempt=attempt.state)
        return _Accepted(place=place, change=change, settlement=moved.state, payout=payout)


def _day(batch: Batch, merchant: Merchant) -> MerchantDay:
    return MerchantDay(
        merchant_id=merchant.id,
        business_date=batch.business_date,
        currency=batch.currency,
        livemode=merchant.livemode,
    )


def _receipt(accepted: _Accepted, refusal: KhataError | None) -> Receipt:
    settlement = accepted.settlement
    if isinstance(refusal, VersionConflict | AlreadyPosted):
        # Another call took the same batch in meanwhile; its payout has an id that we do not know.
        return Receipt(status="exists", settlement_id=settlement.id)
    if refusal is not None:
        return _refused(refusal)
    return Receipt(
        status="accepted",
        settlement_id=settlement.id,
        payout_attempt_id=settlement.payout_attempt_id,
    )


def _exists(settlement: Settlement) -> Receipt:
    return Receipt(
        status="exists",
        settlement_id=settlement.id,
        payout_attempt_id=settlement.payout_attempt_id,
    )


def _refused(refusal: KhataError) -> Receipt:
    return Receipt(status="refused", detail=refusal.detail, param=refusal.param)
