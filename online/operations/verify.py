"""`verify-books`: derives every balance, layer and snapshot again, from the log alone.

Reads everything in one snapshot of the database, so it may run while the service works. Memory
is bounded: events stream in order of their aggregate, next to the snapshot rows in the same order.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from online.approvals.store import REQUESTS as DELEGATION_REQUESTS
from online.attempts.store import ATTEMPTS
from online.breaks.store import BREAKS
from online.delegations.store import DELEGATIONS
from online.devices.store import DEVICES
from online.disputes.store import DISPUTES
from online.escrows.store import ESCROWS
from online.handles.store import HANDLES
from online.holds.store import HOLDS
from online.intents.store import INTENTS
from online.kernel.errors import IllegalMove
from online.kernel.events import Occurred
from online.ledger.aggregate import Aggregate, decode_event
from online.mandates.store import EXECUTIONS, MANDATES
from online.payments.store import PAYMENTS
from online.payouts.store import BENEFICIARIES, PAYOUTS
from online.platform.sql import Connection, load_queries
from online.refunds.store import REFUNDS
from online.reviews.store import REVIEWS
from online.screening.store import ENTRIES, TERMS
from online.settlements.store import SETTLEMENTS
from online.transfers.store import TRANSFERS
from online.wallets.store import TOP_UPS, WALLETS

QUERIES: Final = load_queries("online.operations")

AGGREGATES: Final[Mapping[str, Aggregate[Any]]] = {
    "intent": INTENTS,
    "payment": PAYMENTS,
    "attempt": ATTEMPTS,
    "refund": REFUNDS,
    "transfer": TRANSFERS,
    "wallet": WALLETS,
    "top_up": TOP_UPS,
    "dispute": DISPUTES,
    "settlement": SETTLEMENTS,
    "beneficiary": BENEFICIARIES,
    "payout": PAYOUTS,
    "break": BREAKS,
    "hold": HOLDS,
    "escrow": ESCROWS,
    "device": DEVICES,
    "handle": HANDLES,
    "delegation": DELEGATIONS,
    "delegation_request": DELEGATION_REQUESTS,
    "mandate": MANDATES,
    "mandate_execution": EXECUTIONS,
    "review": REVIEWS,
    "risk_list": ENTRIES,
    "risk_terms": TERMS,
}
_BALANCE_CHECKS: Final = (
    *("wrong_balances", "wrong_running_balances", "unknown_accounts", "wrong_periods"),
)
_ZERO_CHECKS: Final = ("unbalanced_transactions", "unbalanced_layers", "orphaned")
_FETCH: Final = 2_000

_log = structlog.get_logger(__name__)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and whether it agrees."""

    transactions: int
    entries: int
    events: int
    sum_zero: bool
    balances_equal: bool
    snapshots_equal: bool

    @property
    def holds(self) -> bool:
        return self.sum_zero and self.balances_equal and self.snapshots_equal


async def verify_books(url: str) -> Report:
    """The whole check. Every difference is also logged, with what it is about."""
    async with await AsyncConnection.connect(url) as connection:
        await connection.execute("set transaction isolation level repeatable read, read only")
        totals = await QUERIES.one(connection, "totals", dict[str, int])
        return Report(
            **totals,
            sum_zero=await _none_of(connection, _ZERO_CHECKS),
            balances_equal=await _none_of(connection, _BALANCE_CHECKS),
            snapshots_equal=await _snapshots_equal(connection),
        )


async def _none_of(connection: Connection, checks: tuple[str, ...]) -> bool:
    holds = True
    for name in checks:
        wrong = await QUERIES.scalar(connection, name)
        if wrong:
            _log.error("books_differ", check=name, rows=wrong)
            holds = False
    return holds


async def _snapshots_equal(connection: Connection) -> bool:
    holds = await _none_of(connection, ("wrong_verdicts",))
    for kind, aggregate in AGGREGATES.items():
        holds = await _equal(connection, kind, aggregate) and holds
    return holds


async def _equal(connection: Connection, kind: str, aggregate: Aggregate[Any]) -> bool:
    """Walks rebuilt states and stored rows side by side, both in id order."""
    rows = _rows(connection, aggregate)
    differences = 0
    row = await anext(rows, None)
    async for id_, state in _rebuilt(connection, kind, aggregate):
        while row is not None and row["id"].bytes < id_.bytes:
            differences += _differs(kind, None, row)
            row = await anext(rows, None)
        same = row is not None and row["id"] == id_
        differences += _differs(kind, state, row if same else None)
        if same:
            row = await anext(rows, None)
    while row is not None:
        differences += _differs(kind, None, row)
        row = await anext(rows, None)
    return differences == 0


def _differs(kind: str, state: Any, row: Mapping[str, Any] | None) -> bool:
    if state is None or row is None:
        _log.error("snapshot_without_other_side", kind=kind, row=row is not None)
        return True
    try:
        stored = msgspec.convert(row, type(state))
    except msgspec.ValidationError as error:
        _log.error("snapshot_unreadable", kind=kind, id=str(state.id), error=str(error))
        return True
    if stored == state:
        return False
    fields = [f for f in state.__struct_fields__ if getattr(state, f) != getattr(stored, f)]
    _log.error("snapshot_differs", kind=kind, id=str(state.id), fields=fields)
    return True


async def _rows(
    connection: Connection, aggregate: Aggregate[Any]
) -> AsyncIterator[Mapping[str, Any]]:
    async with connection.cursor(
        name=f"rows_{aggregate.snapshot.name}", row_factory=dict_row
    ) as cursor:
        cursor.itersize = _FETCH
        # The table's name is a constant of the code.
        await cursor.execute(f"select * from {aggregate.snapshot.name} order by id".encode())  # noqa: S608
        async for row in cursor:
            yield row


async def _rebuilt(
    connection: Connection, kind: str, aggregate: Aggregate[Any]
) -> AsyncIterator[tuple[UUID, Any]]:
    """Each aggregate's id and state; no state where its events do not make one."""
    held: list[Mapping[str, Any]] = []
    async for row in _events(connection, kind):
        if held and held[0]["aggregate_id"] != row["aggregate_id"]:
            yield held[0]["aggregate_id"], _state(kind, aggregate, held)
            held = []
        held.append(row)
    if held:
        yield held[0]["aggregate_id"], _state(kind, aggregate, held)


def _state(kind: str, aggregate: Aggregate[Any], rows: Sequence[Mapping[str, Any]]) -> Any:
    id_ = str(rows[0]["aggregate_id"])
    if [row["version"] for row in rows] != list(range(1, len(rows) + 1)):
        _log.error("events_missing", kind=kind, id=id_)
        return None
    try:
        return aggregate.rebuild([_occurred(row) for row in rows])
    except (IllegalMove, KeyError, ValueError, msgspec.ValidationError) as error:
        _log.error("events_make_no_state", kind=kind, id=id_, error=str(error))
        return None


def _occurred(row: Mapping[str, Any]) -> Occurred:
    return Occurred(
        aggregate_id=row["aggregate_id"],
        version=row["version"],
        at=row["at"],
        merchant_id=row["merchant_id"],
        livemode=row["livemode"],
        event=decode_event(row["event_type"], row["data"]),
    )


async def _events(connection: Connection, kind: str) -> AsyncIterator[Mapping[str, Any]]:
    async with connection.cursor(name=f"events_{kind}", row_factory=dict_row) as cursor:
        cursor.itersize = _FETCH
        await cursor.execute(QUERIES["events_of"], {"aggregate_type": kind})
        async for row in cursor:
            yield row
