"""Executions before they are tried: made by the merchant or the mandate's own schedule, told to
the payer, canceled.

Each step is one commit. One period has one execution, by a unique index of the database: of many
that are made at once one is, and the others hear so. A mandate that is stopped meanwhile refuses
what is being made by its counter.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import IllegalMove, InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, guard
from online.mandates import domain, store
from online.mandates.domain import Mandate, MandateNotActive
from online.mandates.executions import IDLE, Execution, NoticeTooLate, PeriodTaken, Status
from online.mandates.running import Collaborators
from online.mandates.store import EXECUTIONS, MANDATES
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window, cut
from online.rails.mandates import MandateNotice

_BATCH: Final = 500
_AT_ONCE: Final = 16  # notices at the rails
_WORKER: Final = Metadata(actor="worker:mandates")
_log = structlog.get_logger(__name__)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind an execution: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Execution], Answer]


class Executions:
    """Use cases on executions; how they are tried: `trying.py`."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def get(self, execution_id: UUID, mandate: Mandate) -> Execution:
        async with self._with.database.connection() as connection:
            found = await store.execution(connection, execution_id, mandate.id, mandate.merchant_id)
        if found is None:
            raise NotFound("no such execution", "id")
        return found

    async def page(
        self, mandate: Mandate, status: str | None, asked: Window
    ) -> tuple[list[Execution], bool]:
        """All of a mandate's, newest first, and whether there are more."""
        async with self._with.database.connection() as connection:
            return cut(await store.execution_page(connection, mandate, status, asked), asked)

    # ── by the merchant ──────────────────────────────────────────────────────────────────

    async def schedule(
        self, mandate: Mandate, amount_minor: int, debit_on: date, call: Call, metadata: Metadata
    ) -> Execution:
        """One debit on that day. Refused where the payer did not permit it, where the period has
        one already, and where they cannot be told of it early enough."""
        async with replays_first(self._with.database, call.key):
            domain.check_active(mandate)
            domain.check_amount(mandate, amount_minor)
            if not mandate.calendar.allows(debit_on):
                raise InvalidRequest("the mandate permits no debit on that day", "debit_on")
            moved = self._scheduled(mandate, amount_minor, debit_on, "merchant", metadata)
            answer = call.render(moved.state)
            key = call.key.making("mex", moved.state.id)
            change = Change(
                snapshots=(moved.row,),
                events=moved.events,
                limits=(guard(mandate.subject, mandate.livemode, MandateNotActive),),
                reserve=msgspec.structs.replace(key, status=answer.status, body=answer.body),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                await self._refuse_taken(mandate, moved.state.period)
                raise
        return moved.state

    async def cancel(self, mandate: Mandate, execution_id: UUID, metadata: Metadata) -> Execution:
        """Before it is tried, or between two tries."""
        while True:
            found = await self.get(execution_id, mandate)
            if found.status is Status.CANCELED:
                return found
            if found.status not in IDLE:
                raise IllegalMove(f"an execution that is {found.status} cannot be canceled")
            moved = self._moved(found, ev.ExecutionCanceled(reason="by_merchant"), metadata)
            try:
                await self._with.writer.submit(_change(moved))
            except VersionConflict:
                continue
            return moved.state

    def _scheduled(
        self, mandate: Mandate, amount_minor: int, debit_on: date, by: str, metadata: Metadata
    ) -> Moved[Execution]:
        now, rules = self._with.clock.now(), self._with.rules
        notice_at = rules.notice_at(debit_on, now)
        if rules.debit_from(debit_on, notice_at) is None:
            raise NoticeTooLate("the payer has to be told a day before", "debit_on")
        period = mandate.calendar.period_of(debit_on)
        event = ev.ExecutionScheduled(
            mandate_id=mandate.reference,
            merchant_id=ids.encode("mrc", mandate.merchant_id),
            customer_id=ids.encode("cus", mandate.customer_id),
            amount=amount_minor,
            currency=mandate.currency,
            period=period,
            debit_on=debit_on,
            until_on=mandate.calendar.last_of(period),
            notice_at=notice_at,
            by=by,
        )
        origin = Origin(id=ids.new(now), merchant_id=mandate.merchant_id, livemode=mandate.livemode)
        return EXECUTIONS.create(origin, [event], now, metadata)

    async def _refuse_taken(self, mandate: Mandate, period: date) -> None:
        async with self._with.database.connection() as connection:
            taken = await store.of_period(connection, mandate.id, period)
        if taken is not None:
            raise PeriodTaken(f"{taken.reference} is of the same period", "debit_on")

    # ── by the mandate's own schedule ────────────────────────────────────────────────────

    async def schedule_due(self) -> int:
        """Makes the executions whose notice is due; answers how many schedules moved on. For the
        worker: of two that make the same, one is refused."""
        now, rules = self._with.clock.now(), self._with.rules
        reach = business_date(now) + timedelta(days=_days_ahead(rules.notice_ahead(now)))
        async with self._with.database.connection() as connection:
            due = await store.to_schedule(connection, reach, _BATCH)
            taken = await store.taken(connection, [(each.id, _next_period(each)) for each in due])
        return await self._submit(
            self._next(mandate, taken=(mandate.id, _next_period(mandate)) in taken)
            for mandate in due
        )

    def _next(self, mandate: Mandate, *, taken: bool) -> Change:
        """The execution of the next debit day, or why there is none."""
        debit_on = mandate.next_debit_on
        assert debit_on is not None  # by the query
        assert mandate.amount_minor is not None  # only such have a next day
        following = domain.first_debit(mandate, debit_on + timedelta(days=1))
        execution = None
        try:
            if not taken:
                execution = self._scheduled(
                    mandate, mandate.amount_minor, debit_on, "schedule", _WORKER
                )
        except NoticeTooLate as late:
            why = late.code
        else:
            why = "period_taken"
        event: Event = ev.MandateSkipped(
            period=_next_period(mandate), reason=why, next_debit_on=following
        )
        if execution is not None:
            event = ev.MandateScheduled(
                execution_id=execution.state.reference, next_debit_on=following
            )
        moved = MANDATES.move(mandate, [event], self._with.clock.now(), _WORKER)
        made = execution.events if execution else ()
        return Change(
            snapshots=(moved.row, *((execution.row,) if execution else ())),
            events=(*moved.events, *made),
        )

    # ── telling the payer ────────────────────────────────────────────────────────────────

    async def notify_due(self) -> int:
        """Tells payers of debits that are due to be told of; answers how many. For the worker: a
        notice may go out twice, and counts from the one that is written down."""
        now = self._with.clock.now()
        async with self._with.database.connection() as connection:
            due = await store.to_notify(connection, now, _BATCH)
            mandates = await store.by_ids(connection, {each.mandate_id for each in due})
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(execution: Execution) -> Change:
            async with slots:
                return await self._notify(execution, mandates[execution.mandate_id])

        return await self._submit(await asyncio.gather(*map(one, due)))

    async def _notify(self, execution: Execution, mandate: Mandate) -> Change:
        """Told, or to be told again soon where the rail has not taken it, or canceled."""
        told_at = self._with.clock.now()
        if mandate.status is not domain.Status.ACTIVE:
            resting = mandate.status is domain.Status.PAUSED
            stopped = ev.ExecutionCanceled(reason="mandate_paused" if resting else "mandate_over")
            return _change(self._moved(execution, stopped, _WORKER))
        debit_from = self._with.rules.debit_from(execution.debit_on, told_at)
        if debit_from is None:
            late = ev.ExecutionCanceled(reason=NoticeTooLate.code)
            return _change(self._moved(execution, late, _WORKER))
        notice = MandateNotice(
            reference=execution.reference,
            mandate=ids.encode("att", mandate.attempt),
            amount_minor=execution.amount_minor,
            currency=execution.currency,
            debit_from=debit_from,
        )
        if not await self._with.rails[mandate.rail or ""].notify_payer(notice):
            _log.warning("notice_not_taken", execution=execution.reference, rail=mandate.rail)
            again = ev.ExecutionNoticeDelayed(notice_at=self._with.rules.notice_again(told_at))
            return _change(self._moved(execution, again, _WORKER))
        told = ev.ExecutionNoticeSent(debit_from=debit_from)
        return _change(self._moved(execution, told, _WORKER))

    # ── what is over ─────────────────────────────────────────────────────────────────────

    async def cancel_over(self) -> int:
        """Cancels what waits under mandates that are over; answers how many. For the worker."""
        async with self._with.database.connection() as connection:
            waiting = await store.to_cancel(connection, _BATCH)
        event = ev.ExecutionCanceled(reason="mandate_over")
        return await self._submit(_change(self._moved(each, event, _WORKER)) for each in waiting)

    async def cancel_of(self, mandate: Mandate, metadata: Metadata) -> None:
        """The same of one that was just revoked; what is missed here the worker finds."""
        async with self._with.database.connection() as connection:
            waiting = await store.idle_of(connection, mandate.id)
        event = ev.ExecutionCanceled(reason="mandate_over")
        await self._submit(_change(self._moved(each, event, metadata)) for each in waiting)

    async def _submit(self, changes: Iterable[Change]) -> int:
        """Answers how many; a refusal is somebody else who was faster."""
        refusals = await self._with.writer.submit_all(list(changes))
        return sum(refusal is None for refusal in refusals)

    def _moved(self, execution: Execution, event: Event, metadata: Metadata) -> Moved[Execution]:
        return EXECUTIONS.move(execution, [event], self._with.clock.now(), metadata)


def _change(moved: Moved[Execution]) -> Change:
    return Change(snapshots=(moved.row,), events=moved.events)


def _next_period(mandate: Mandate) -> date:
    assert mandate.next_debit_on is not None  # by the query
    return mandate.calendar.period_of(mandate.next_debit_on)


def _days_ahead(ahead: timedelta) -> int:
    return -(-ahead // timedelta(days=1))
