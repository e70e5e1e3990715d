"""Executions whose time has come, each tried by a payment.

The payment's first commit moves the execution, too: of two workers that try the same, one is
refused before anything is sent. The mandate's counters stand in that commit: a revocation that was
committed before it refuses it, and never more than its amount is taken in a period.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

import structlog

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.errors import (
    Conflict,
    KhataError,
    LimitExceeded,
    Refused,
    RouteUnavailable,
    Unavailable,
)
from online.kernel.events import Event, Metadata
from online.ledger.change import Change, LimitMove, guard
from online.limits.authority import Authority
from online.mandates import executions, store
from online.mandates.domain import Mandate, MandateNotActive, Status
from online.mandates.executions import Execution, Failure
from online.mandates.running import Collaborators
from online.mandates.store import EXECUTIONS
from online.payments.orders import NOBODY, Call, Instrument, Order
from online.payments.service import Payments
from online.platform.idempotency import IdempotencyKey, KeyTaken
from online.rails.domain import Upi
from online.upi.service import payee_vpa

_BATCH: Final = 200
_AT_ONCE: Final = 16
_RECURRING: Final = "14"  # NPCI's purpose code of standing instructions
_WORKER: Final = Metadata(actor="worker:mandates")
_log = structlog.get_logger(__name__)


class Trying:
    """For the worker."""

    def __init__(self, with_: Collaborators, payments: Payments) -> None:
        self._with = with_
        self._payments = payments

    async def try_due(self) -> int:
        """Tries what is due, in the hours in which that is allowed; answers how many moved on."""
        if not self._with.rules.is_open(self._with.clock.now()):
            return 0
        return await self._each(*await self._due())

    async def _due(self) -> tuple[list[Execution], Mapping[UUID, Mandate]]:
        async with self._with.database.connection() as connection:
            due = await store.to_try(connection, self._with.clock.now(), _BATCH)
            return due, await store.by_ids(connection, {each.mandate_id for each in due})

    async def _each(self, due: Sequence[Execution], mandates: Mapping[UUID, Mandate]) -> int:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(execution: Execution) -> bool:
            async with slots:
                return await self._one(execution, mandates[execution.mandate_id])

        return sum(await asyncio.gather(*map(one, due)))

    async def _one(self, execution: Execution, mandate: Mandate) -> bool:
        """Whether it moved on."""
        instead = self._instead(execution, mandate)
        if instead is not None:
            return await self._record(execution, instead)
        now = self._with.clock.now()
        try:
            await self._pay(execution, mandate)
        except MandateNotActive:
            return False  # stopped a moment ago: the next round sees why
        except LimitExceeded as refused:
            failure = Failure(code=refused.code, message=refused.detail)
            return await self._record(
                execution, executions.failed(execution, failure, now, self._with.rules)
            )
        except RouteUnavailable as no_route:
            return await self._record(
                execution, executions.put_off(execution, no_route.code, now, self._with.rules)
            )
        except (Conflict, KeyTaken) as faster:
            _log.info("execution_in_other_hands", execution=execution.reference, code=faster.code)
            return False
        except Refused as refused:
            failed = ev.ExecutionFailed(code=refused.code, message=refused.detail)
            return await self._record(execution, failed)
        except Unavailable as error:
            _log.warning("execution_waits", execution=execution.reference, code=error.code)
            return False
        return True

    def _instead(self, execution: Execution, mandate: Mandate) -> Event | None:
        """What happens to it where it is not tried."""
        now = self._with.clock.now()
        if mandate.status is not Status.ACTIVE:
            paused = mandate.status is Status.PAUSED
            return ev.ExecutionCanceled(reason="mandate_paused" if paused else "mandate_over")
        if executions.missed(execution, now):
            return ev.ExecutionFailed(code="window_missed")
        return None

    async def _pay(self, execution: Execution, mandate: Mandate) -> None:
        now = self._with.clock.now()
        factor = self._with.rules.needs_factor(
            execution.amount_minor, mandate.mcc, business_date(now)
        )
        order = Order(
            merchant_id=mandate.merchant_id,
            amount_minor=execution.amount_minor,
            currency=execution.currency,
            instrument=Instrument(
                method="upi",
                key=mandate.instrument,
                mask=mandate.instrument_mask,
                upi=Upi(
                    flow="collect",
                    payee_vpa=payee_vpa(mandate.merchant_id),
                    mandate=ids.encode("att", mandate.attempt),
                    factor_required=factor,
                ),
                authority=_authority(execution, mandate, factor=factor),
                purpose=_RECURRING,
                amount_minor=execution.amount_minor,
            ),
            capture_method="automatic",
            priority="balanced",
            customer_id=mandate.customer_id,
            route=mandate.route,
        )
        # A key of its own for each try: should this one run twice, the second makes nothing.
        name = f"{execution.reference}:{execution.tried + 1}"
        key = IdempotencyKey(
            merchant_id=mandate.merchant_id,
            key=name,
            request_hash=sha256(name.encode()).digest(),
            created_at=now,
            livemode=mandate.livemode,
        )
        await self._payments.pay(order, Call(key=key, render=lambda *_: NOBODY), _WORKER)

    async def _record(self, execution: Execution, event: Event) -> bool:
        moved = EXECUTIONS.move(execution, [event], self._with.clock.now(), _WORKER)
        try:
            await self._with.writer.submit(Change(snapshots=(moved.row,), events=moved.events))
        except KhataError as error:
            _log.info("execution_in_other_hands", execution=execution.reference, code=error.code)
            return False
        return True


def _authority(execution: Execution, mandate: Mandate, *, factor: bool) -> Authority:
    within = LimitMove(
        subject=mandate.subject,
        rule="amount_per_period",
        window_start=execution.period,
        delta=execution.amount_minor,
        cap=mandate.max_amount_minor,
        livemode=mandate.livemode,
    )
    return Authority(
        kind="mandate",
        id=mandate.reference,
        customer_id=mandate.customer_id,
        moves=(guard(mandate.subject, mandate.livemode, MandateNotActive), within),
        facts={"execution_id": execution.reference, "factor_required": factor},
    )
