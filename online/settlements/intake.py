"""Taking batches in: each is judged by the books and, when it equals them, becomes a settlement.

Acceptance, the settlement's posting and, when it is due, the payout's attempt are one commit, so
that a crash leaves either nothing or an open attempt that recovery asks the bank about. Periods of
a merchant follow each other without a gap: a batch says nothing about where its period begins that
the last settlement has not said already.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import (
    InsufficientFunds,
    InvalidRequest,
    KhataError,
    NotFound,
    SettlementMismatch,
    VersionConflict,
)
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger import reading
from online.ledger.aggregate import Origin
from online.ledger.change import Change
from online.ledger.pending import Span, Standing
from online.ledger.writer import AlreadyPosted, Writer
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.platform.db import Database
from online.platform.sql import Connection
from online.rails.domain import Beneficiary
from online.settlements import outcomes, periods, store
from online.settlements.domain import (
    Batch,
    Left,
    Outturn,
    Settlement,
    Status,
    difference,
    reckon,
    settlement_id,
)
from online.settlements.payouts import Payout, Payouts
from online.settlements.rules import Rules
from online.settlements.store import SETTLEMENTS

# Between the judgement and the commit a refund may take money, or another call the same batch in:
# then it is judged again.
_TRIES: Final = 3
_ONE_MOMENT: Final = "set transaction isolation level repeatable read, read only"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `difference_minor` is batch minus books, of the net."""

    status: Literal["accepted", "exists", "refused"]
    settlement_id: UUID | None = None
    payout_attempt_id: UUID | None = None
    payout_minor: int | None = None
    difference_minor: int = 0
    detail: str | None = None
    param: str | None = None


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    database: Database
    writer: Writer
    clock: Clock
    merchants: Merchants
    payouts: Payouts
    rules: Rules


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """A batch whose merchant and period are known; `place` is where its receipt goes."""

    place: int
    batch: Batch
    merchant: Merchant
    ends_at: datetime
    last: Settlement | None

    @property
    def starts_at(self) -> datetime | None:
        return self.last.ends_at if self.last else None

    @property
    def span(self) -> Span:
        return Span(
            merchant_id=self.merchant.id,
            currency=self.batch.currency,
            livemode=self.merchant.livemode,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )


class _Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A case that equals the books, as the commit that makes it a settlement."""

    case: _Case
    change: Change
    settlement: Settlement
    payout: Payout | None


class Intake:
    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def take_in(self, batches: Sequence[Batch], metadata: Metadata) -> list[Receipt]:
        """Each batch by itself: accepted and paid out, there already, or refused."""
        receipts: dict[int, Receipt] = {}
        for wave in _waves(batches):
            left = wave
            for _ in range(_TRIES):
                left = await self._take_wave(left, metadata, receipts)
        return [receipts[place] for place in range(len(batches))]

    async def _take_wave(
        self, wave: dict[int, Batch], metadata: Metadata, receipts: dict[int, Receipt]
    ) -> dict[int, Batch]:
        """At most one batch a merchant; answers those to be judged again."""
        if not wave:
            return {}
        merchants = await self._with.merchants.get_all({b.merchant_id for b in wave.values()})
        async with self._with.database.transaction() as connection:
            # One moment for all of it: a settlement made in between conflicts at the commit.
            await connection.execute(_ONE_MOMENT)
            cases = await self._cases(connection, wave, merchants, receipts)
            accepted = await self._judge(connection, cases, metadata, receipts)
        refusals = await self._with.writer.submit_all([each.change for each in accepted])
        payouts, again = [], {}
        for each, refusal in zip(accepted, refusals, strict=True):
            place = each.case.place
            receipts[place] = _receipt(each.settlement, refusal)
            if isinstance(refusal, InsufficientFunds | VersionConflict | AlreadyPosted):
                again[place] = wave[place]
            if refusal is None and each.payout is not None:
                payouts.append(each.payout)
        await self._with.payouts.send(payouts, metadata)
        return again

    async def _cases(
        self,
        connection: Connection,
        wave: dict[int, Batch],
        merchants: Mapping[UUID, Merchant],
        receipts: dict[int, Receipt],
    ) -> list[_Case]:
        """Batches whose period is over and next in line; the receipts of others are filled in."""
        found: dict[int, tuple[Batch, Merchant, datetime]] = {}
        for place, batch in wave.items():
            try:
                merchant = merchants.get(batch.merchant_id)
                if merchant is None:
                    raise NotFound("there is no such merchant")
                found[place] = batch, merchant, self._end(batch, merchant)
            except KhataError as refusal:
                receipts[place] = _refused(refusal)
        ends = [(merchant.id, batch.currency, at) for batch, merchant, at in found.values()]
        latest = await store.latest(connection, [end[:2] for end in ends])
        known = await store.ending(connection, ends)
        cases = []
        for place, (batch, merchant, ends_at) in found.items():
            there = known.get((merchant.id, batch.currency, ends_at))
            case = _Case(
                place=place,
                batch=batch,
                merchant=merchant,
                ends_at=ends_at,
                last=latest.get((merchant.id, batch.currency)),
            )
            if there is not None:
                receipts[place] = _exists(there)
            elif (problem := _out_of_line(case)) is not None:
                receipts[place] = _refused(problem)
            else:
                cases.append(case)
        return cases

    def _end(self, batch: Batch, merchant: Merchant) -> datetime:
        """Where the batch's period ends by the merchant's terms; it must be over."""
        day = batch.business_date
        now = self._with.clock.now()
        allowed = periods.ends_on(merchant, day)
        ends_at = batch.ends_at or (allowed[-1] if allowed else None)
        if ends_at not in allowed:
            raise InvalidRequest("no period of this merchant ends there", "business_date")
        if now < ends_at + self._with.rules.close_after:
            raise InvalidRequest("this business day is not over", "business_date")
        return ends_at

    async def _judge(
        self,
        connection: Connection,
        cases: Sequence[_Case],
        metadata: Metadata,
        receipts: dict[int, Receipt],
    ) -> list[_Accepted]:
        """What equals the books; the receipts of everything else are filled in."""
        standings = await reading.standings(connection, [case.span for case in cases])
        beneficiaries = await self._with.payouts.beneficiaries(
            connection, [case.merchant for case in cases]
        )
        accepted = []
        for case, standing in zip(cases, standings, strict=True):
            books = self._reckon(case, standing)
            gap = difference(case.batch, books)
            if gap:
                mismatch = _refused(SettlementMismatch(str(gap), gap.param))
                receipts[case.place] = msgspec.structs.replace(
                    mismatch, difference_minor=gap.net_minor
                )
                continue
            to = beneficiaries.get(case.merchant.id)
            accepted.append(self._accept(case, books, to, metadata))
        return accepted

    def _reckon(self, case: _Case, standing: Standing) -> Outturn:
        terms = case.merchant
        bps = terms.tds_bps
        if bps is None:
            bps = self._with.rules.tds_bps(terms.tds_section, case.batch.business_date)
        return reckon(standing, case.last.left if case.last else Left(), terms, bps)

    def _accept(
        self, case: _Case, books: Outturn, to: Beneficiary | None, metadata: Metadata
    ) -> _Accepted:
        now = self._with.clock.now()
        merchant = case.merchant
        origin = Origin(
            id=settlement_id(merchant.id, case.batch.currency, case.starts_at),
            merchant_id=merchant.id,
            livemode=merchant.livemode,
        )
        events: list[Event] = [self._created(case, books)]
        if not books.is_paid:
            events.append(ev.SettlementCarried(carried_out=books.carried_out_minor))
        elif merchant.payouts == "on_demand":
            events.append(ev.SettlementMadePayable())
        made = SETTLEMENTS.create(origin, events, now, metadata)
        if not books.is_paid:
            change = Change(snapshots=(made.row,), events=made.events)
            return _Accepted(case=case, change=change, settlement=made.state, payout=None)
        pending = chart.merchant_pending(merchant.id, merchant.exposure_limit_minor)
        settled = outcomes.settled(made.state, pending, now, tds_section=merchant.tds_section)
        waits = to is None or made.state.pay_on > business_date(now)
        if to is None or waits or made.state.status is Status.PAYABLE:
            change = Change(snapshots=(made.row,), events=made.events, journals=(settled,))
            return _Accepted(case=case, change=change, settlement=made.state, payout=None)
        attempt = self._with.payouts.prepare(made.state, metadata)
        events.append(outcomes.sent(attempt.state))
        made = SETTLEMENTS.create(origin, events, now, metadata)
        change = Change(
            snapshots=(made.row, attempt.row),
            events=(*made.events, *attempt.events),
            journals=(settled, outcomes.payout_sent(made.state, attempt.state, now, to)),
        )
        payout = Payout(settlement=made.state, attempt=attempt.state, to=to)
        return _Accepted(case=case, change=change, settlement=made.state, payout=payout)

    def _created(self, case: _Case, books: Outturn) -> ev.SettlementCreated:
        batch, terms, sums = case.batch, case.merchant, books.standing.sums
        day = batch.business_date
        reserve = books.reserve_due_minor if books.is_paid else 0
        pay_on = periods.pay_on(self._with.rules.bank_days, terms, day, case.ends_at)
        release_on = day + timedelta(days=terms.reserve_days)
        return ev.SettlementCreated(
            merchant_id=ids.encode("mrc", terms.id),
            business_date=day.isoformat(),
            currency=batch.currency,
            gross=sums.gross_minor,
            refunds=sums.refunds_minor,
            disputes=sums.disputes_minor,
            fees=sums.fees_minor,
            tax=sums.tax_minor,
            reserve=reserve,
            net=sums.net_minor,
            count=batch.count,
            warehouse_snapshot=batch.snapshot,
            starts_at=case.starts_at,
            ends_at=case.ends_at,
            reserve_released=sums.released_minor,
            carried=books.standing.carried_minor,
            reserve_due=books.reserve_due_minor,
            tds_due=books.tds_due_minor,
            tds=books.tds_due_minor if books.is_paid else 0,
            withheld=books.owed_minor - books.payout_minor if books.is_paid else 0,
            payout=books.payout_minor,
            carried_out=books.carried_out_minor,
            pay_on=pay_on.isoformat(),
            release_on=release_on.isoformat() if reserve else None,
        )


def _waves(batches: Sequence[Batch]) -> Iterator[dict[int, Batch]]:
    """Batches by the order of their periods, so that no wave has two of one merchant."""
    left = sorted(
        enumerate(batches), key=lambda each: (each[1].business_date, _end_said(each[1]), each[0])
    )
    while left:
        wave: dict[tuple[UUID, str], tuple[int, Batch]] = {}
        later = []
        for place, batch in left:
            whose = batch.merchant_id, batch.currency
            if whose in wave:
                later.append((place, batch))
            else:
                wave[whose] = place, batch
        yield dict(wave.values())
        left = later


def _end_said(batch: Batch) -> float:
    return batch.ends_at.timestamp() if batch.ends_at else float("inf")


def _out_of_line(case: _Case) -> KhataError | None:
    """Why a period cannot follow the last one that was settled."""
    last, said = case.last, case.batch.starts_at
    if last is not None and case.ends_at < last.ends_at:
        return InvalidRequest(f"is settled already, with {last.reference}", "business_date")
    if said is not None and said != case.starts_at:
        begins = case.starts_at.isoformat() if case.starts_at else "with the merchant"
        return SettlementMismatch(f"the period begins {begins}", "starts_at")
    return None


def _receipt(settlement: Settlement, refusal: KhataError | None) -> Receipt:
    if isinstance(refusal, VersionConflict | AlreadyPosted):
        # Another call took the same batch in meanwhile; its payout has an id that we do not know.
        return Receipt(status="exists", settlement_id=settlement.id)
    if refusal is not None:
        return _refused(refusal)
    return msgspec.structs.replace(_exists(settlement), status="accepted")


def _exists(settlement: Settlement) -> Receipt:
    return Receipt(
        status="exists",
        settlement_id=settlement.id,
        payout_attempt_id=settlement.payout_attempt_id,
        payout_minor=settlement.payout_minor,
    )


def _refused(refusal: KhataError) -> Receipt:
    return Receipt(status="refused", detail=refusal.detail, param=refusal.param)
