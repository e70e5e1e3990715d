"""An execution moves in the commits of the payment that is its try.

So there is no moment at which one of the two knows more than the other, whoever records the end:
the call itself, an enquiry, a callback.
"""

from uuid import UUID

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Metadata
from online.ledger.change import SnapshotRow
from online.mandates import domain, executions, store
from online.mandates.calendar import Frequency
from online.mandates.executions import AT_RAIL, Execution, Failure
from online.mandates.rules import MandateRules
from online.mandates.store import EXECUTIONS, MANDATES
from online.payments.domain import Payment, Status
from online.payments.orders import NOTHING, Followed
from online.platform.sql import Connection

_DONE = frozenset({Status.CAPTURED})
_FAILED = frozenset({Status.FAILED, Status.BLOCKED, Status.CANCELED, Status.EXPIRED})


class ExecutionFollower:
    """`payments` knows it as a protocol; asked for payments under a mandate."""

    def __init__(self, rules: MandateRules) -> None:
        self._rules = rules

    async def follow(
        self, connection: Connection, payment: Payment, metadata: Metadata
    ) -> Followed:
        execution = await store.execution(connection, _execution_of(payment))
        if execution is None:
            return NOTHING
        events = self._events(execution, payment)
        if not events:
            return Followed(execution, (), ())
        moved = EXECUTIONS.move(execution, events, payment.updated_at, metadata)
        rows: tuple[SnapshotRow, ...] = (moved.row,)
        done = moved.events
        if moved.state.status is executions.Status.SUCCEEDED:
            mandate = await store.get(connection, execution.mandate_id)
            assert mandate is not None  # the foreign key
            if mandate.frequency == Frequency.ONE_TIME and mandate.status in domain.ALIVE:
                over = MANDATES.move(mandate, [ev.MandateCompleted()], payment.updated_at, metadata)
                rows, done = (*rows, over.row), (*done, *over.events)
        return Followed(moved.state, rows, done)

    def _events(self, execution: Execution, payment: Payment) -> list[Event]:
        reference = ids.encode("pay", payment.id)
        if reference not in execution.payments:
            factor = bool((payment.authority or {}).get("factor_required"))
            tried = ev.ExecutionTried(payment_id=reference, factor_required=factor)
            if payment.status is Status.BLOCKED:
                blocked = Failure(code="fraud_blocked", payment_id=reference)
                return [tried, ev.ExecutionFailed(code=blocked.code, payment_id=reference)]
            return [tried]
        if execution.status not in AT_RAIL or execution.payments[-1] != reference:
            return []  # it went on without this one, which the payment's own late money settles
        return self._moved_on(execution, payment, reference)

    def _moved_on(self, execution: Execution, payment: Payment, reference: str) -> list[Event]:
        if payment.status in _DONE:
            return [ev.ExecutionSucceeded(payment_id=reference, amount=payment.captured_minor)]
        if payment.status in _FAILED:
            failure = _failure(payment, reference)
            return [executions.failed(execution, failure, payment.updated_at, self._rules)]
        if payment.status is Status.REQUIRES_ACTION:
            if execution.status is executions.Status.REQUIRES_ACTION:
                return []
            return [ev.ExecutionRequiresAction(payment_id=reference)]
        if payment.status is Status.UNKNOWN:
            if execution.status is executions.Status.UNKNOWN:
                return []
            return [ev.ExecutionUnknown(payment_id=reference)]
        return []


def _execution_of(payment: Payment) -> UUID:
    assert payment.authority is not None  # by `payments.orders.is_debit`
    return ids.decode("mex", payment.authority["execution_id"])


def _failure(payment: Payment, reference: str) -> Failure:
    if payment.status is not Status.FAILED:
        return Failure(code=f"payment_{payment.status}", payment_id=reference)
    error = payment.last_error or {}
    return Failure(
        code=error.get("code", "payment_failed"),
        decline_code=error.get("decline_code"),
        message=error.get("message") or "",
        payment_id=reference,
    )
