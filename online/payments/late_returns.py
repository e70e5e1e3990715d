"""Giving late money back: the attempts that do it, and beginning them again when one was refused.

The first begins in the commit that records the money; what a process that died left undone, or a
rail refused, the worker begins. No attempt is sent before it is committed, and none while another
of the same money is under way: the payment's version and its row see to it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import KhataError
from online.kernel.events import Metadata
from online.ledger.aggregate import Moved, Origin
from online.payments import late
from online.payments.domain import Payment
from online.payments.late import Late, Patience
from online.platform import settings
from online.rails.domain import RailRequest, RefundRequest, ReverseRequest, VoidRequest

_AT_ONCE: Final = 16
_REQUESTS: Final[dict[str, type[RefundRequest] | type[ReverseRequest] | type[VoidRequest]]] = {
    "refund": RefundRequest,
    "reverse": ReverseRequest,
    "void": VoidRequest,
}

_log = structlog.get_logger(__name__)


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to give money back, and the payment's event that begins it."""

    attempt: Moved[Attempt]
    event: ev.PaymentLateReturnRequested


def patience_of(configured: settings.LateMoney) -> Patience:
    return Patience(
        first=timedelta(seconds=configured.first_retry_s),
        most=timedelta(seconds=configured.longest_retry_s),
    )


def begin_due(
    attempts: Attempts, payment: Payment, now: datetime, metadata: Metadata
) -> tuple[Return, ...]:
    """One for each late money of `payment` that is due."""
    due = late.due(payment.late, now)
    return tuple(begin(attempts, payment, item, now, metadata) for item in due)


def begin(
    attempts: Attempts, payment: Payment, item: Late, now: datetime, metadata: Metadata
) -> Return:
    origin = Origin(id=ids.new(now), merchant_id=payment.merchant_id, livemode=payment.livemode)
    original = ids.encode("att", item.attempt_id)
    sent = ev.AttemptSent(
        operation=item.operation,
        amount=item.amount_minor,
        currency=payment.currency,
        rail=item.rail,
        route=item.route,
        payment_id=ids.encode("pay", payment.id),
        original_id=original,
    )
    attempt = attempts.prepare(origin, sent, metadata)
    event = ev.PaymentLateReturnRequested(
        attempt_id=attempt.state.reference,
        late_attempt_id=original,
        operation=item.operation,
        amount=item.amount_minor,
    )
    return Return(attempt=attempt, event=event)


def request(attempt: Attempt) -> RailRequest:
    """What the rail is told."""
    assert attempt.original_id is not None  # every return has what it returns
    return _REQUESTS[attempt.operation](
        reference=attempt.reference,
        original_reference=ids.encode("att", attempt.original_id),
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
    )


async def send_all(
    begun: Sequence[tuple[Payment, Attempt]],
    send: Callable[[Payment, Attempt, RailRequest], Awaitable[object]],
) -> None:
    """Sends committed returns, a few at a time. One that we cannot record is left to recovery."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(payment: Payment, attempt: Attempt) -> None:
        async with slots:
            try:
                await send(payment, attempt, request(attempt))
            except KhataError as error:
                _log.warning("late_return_unrecorded", attempt=attempt.reference, error=str(error))

    await asyncio.gather(*(one(payment, attempt) for payment, attempt in begun))
