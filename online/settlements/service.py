"""Settlements: the public face of the slice. Batches come in through `intake.py`."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import InvalidRequest, NotFound
from online.kernel.events import Metadata
from online.ledger import reading
from online.ledger.pending import Span
from online.ledger.reading import Line
from online.ledger.writer import Writer
from online.merchants.domain import Merchant
from online.merchants.service import Merchants
from online.payments.domain import Payment
from online.platform.db import Database
from online.platform.lists import Window
from online.platform.sql import Connection
from online.rails.domain import Beneficiary
from online.settlements import beneficiaries, intake, periods, store
from online.settlements.beneficiaries import Account
from online.settlements.domain import Batch, Settlement
from online.settlements.intake import Intake, Receipt
from online.settlements.payouts import Payouts
from online.settlements.reserves import Reserves
from online.settlements.rules import Rules
from online.work.domain import WorkRequest
from online.work.service import Work

_DAYS_BACK: Final = 7
_DAYS_AHEAD: Final = 14


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A period of a merchant, when it ends and when it is paid; with what became of it."""

    business_date: date
    ends_at: datetime
    pay_on: date
    settlements: list[Settlement]


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`."""

    database: Database
    writer: Writer
    clock: Clock
    merchants: Merchants
    work: Work
    payouts: Payouts
    rules: Rules


class SettledDays:
    """Answers payments' question whether a day of theirs can still be undone."""

    async def any_of(
        self, connection: Connection, payment: Payment, days: Collection[date]
    ) -> bool:
        return bool(
            await store.covering(
                connection,
                merchant_id=payment.merchant_id,
                currency=payment.currency,
                livemode=payment.livemode,
                days=days,
            )
        )


class Settlements:
    """Use cases on settlements."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._intake = Intake(
            intake.Collaborators(
                database=with_.database,
                writer=with_.writer,
                clock=with_.clock,
                merchants=with_.merchants,
                payouts=with_.payouts,
                rules=with_.rules,
            )
        )
        self._reserves = Reserves(with_.database, with_.writer, with_.clock, with_.merchants)

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def get(self, settlement_id: UUID, merchant_id: UUID | None) -> Settlement:
        """`merchant_id` None is one of ours, who may see them all."""
        async with self._with.database.connection() as connection:
            found = await store.get(connection, settlement_id)
        if found is None or merchant_id not in {None, found.merchant_id}:
            raise NotFound("no such settlement", "id")
        return found

    async def list(self, merchant_id: UUID | None, asked: Window) -> Sequence[Settlement]:
        """Newest period first; one more than asked for when there are more."""
        async with self._with.database.connection() as connection:
            return await store.page(connection, merchant_id, after=asked.after, most=asked.most)

    async def lines(
        self, settlement_id: UUID, merchant_id: UUID | None, asked: Window
    ) -> Sequence[Line]:
        """What a settlement's net is the sum of, in the order of posting."""
        found = await self.get(settlement_id, merchant_id)
        span = Span(
            merchant_id=found.merchant_id,
            currency=found.currency,
            livemode=found.livemode,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
        )
        async with self._with.database.connection() as connection:
            return await reading.lines(connection, span, after=asked.after, most=asked.most)

    async def of_days(
        self,
        connection: Connection,
        *,
        merchant_id: UUID,
        currency: str,
        livemode: bool,
        days: Collection[date],
    ) -> Sequence[Settlement]:
        """The settlements of a merchant's business days, as far as there are any; oldest first."""
        return await store.covering(
            connection, merchant_id=merchant_id, currency=currency, livemode=livemode, days=days
        )

    async def schedule(self, merchant_id: UUID) -> tuple[Merchant, Sequence[Due]]:
        """The periods of the last week and the next two, with what became of them."""
        merchant = await self._with.merchants.get(merchant_id)
        today = business_date(self._with.clock.now())
        first = today - timedelta(days=_DAYS_BACK)
        async with self._with.database.connection() as connection:
            made = await store.since(connection, merchant_id, first)
        due = []
        for ahead in range(_DAYS_BACK + _DAYS_AHEAD + 1):
            day = first + timedelta(days=ahead)
            for ends_at in periods.ends_on(merchant, day):
                paid = periods.pay_on(self._with.rules.bank_days, merchant, day, ends_at)
                settled = [each for each in made if each.ends_at == ends_at]
                due.append(
                    Due(business_date=day, ends_at=ends_at, pay_on=paid, settlements=settled)
                )
        return merchant, due

    # ── asking, handing in ───────────────────────────────────────────────────────────────

    async def request(
        self, day: date, merchants: Sequence[UUID] | None, *, livemode: bool
    ) -> WorkRequest:
        """Asks the pipeline for a day's batches, of some merchants or of all (None)."""
        if day > business_date(self._with.clock.now()):
            raise InvalidRequest("must not be in the future", "date")
        named = sorted({ids.encode("mrc", each) for each in merchants or ()}) or ["all"]
        known = await self._with.merchants.get_all(merchants or ())
        if any(each not in known for each in merchants or ()):
            raise NotFound("there is no such merchant")
        only = merchants[0] if merchants and len(named) == 1 else None
        params = {"date": day.isoformat(), "type": "daily", "merchants": named}
        return await self._with.work.request(
            "settlement", params, merchant_id=only, livemode=livemode
        )

    async def take_in(self, batches: Sequence[Batch], metadata: Metadata) -> Sequence[Receipt]:
        """Each batch by itself: accepted and paid out, there already, or refused."""
        return await self._intake.take_in(batches, metadata)

    # ── paying, giving back ──────────────────────────────────────────────────────────────

    async def run_due(self, metadata: Metadata) -> int:
        """What time alone brings: reserves that come free, payouts whose day has come."""
        released = await self._reserves.release_due(metadata)
        return released + await self._with.payouts.pay_due(metadata)

    async def pay_again(
        self, settlement_id: UUID, agree: Callable[[Settlement], None], metadata: Metadata
    ) -> Settlement:
        return await self._with.payouts.again(settlement_id, agree, metadata)

    async def beneficiary(self, merchant_id: UUID) -> Account:
        """The account named last, used or still waiting."""
        async with self._with.database.connection() as connection:
            return await beneficiaries.latest(connection, merchant_id)

    async def change_beneficiary(
        self, merchant_id: UUID, to: Beneficiary, *, actor: str
    ) -> Account:
        merchant = await self._with.merchants.get(merchant_id)
        async with self._with.database.transaction() as tx:
            return await beneficiaries.change(
                tx,
                merchant,
                to,
                actor=actor,
                now=self._with.clock.now(),
                cooling=self._with.rules.beneficiary_cooling,
            )
