"""What a use case hands to the writer: everything that must become true together, or not at all.

A use case reads, decides in pure code, and describes the outcome as a `Change`. It names the
version of every aggregate it decided on; if one has moved meanwhile, nothing is written and
`VersionConflict` says: decide again.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel.errors import KhataError
from online.kernel.events import Event, Metadata
from online.ledger.journal import Journal
from online.platform.copy_binary import Table
from online.platform.idempotency import IdempotencyAnswer, IdempotencyKey


class Snapshot(Table):
    """A table whose rows are snapshots of aggregates: `id`, …, `version`.

    `lock` answers `(id, version)` for ids, locked in id order; `update` takes `rows`, a JSON
    array of rows. Both are named queries of the slice that owns the table.
    """

    def __init__(self, name: str, columns: str, *, lock: str, update: str) -> None:
        super().__init__(name, columns)
        self.lock = lock
        self.update = update


class SnapshotRow(msgspec.Struct, frozen=True):
    """The new state of one aggregate. `expected_version` is what it was (0: it is new)."""

    snapshot: Snapshot
    id: UUID
    expected_version: int
    row: Any  # a Struct whose fields are the snapshot's columns, in order


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an aggregate at its next `version`."""

    aggregate_id: UUID
    version: int
    event: Event
    at: datetime
    livemode: bool
    merchant_id: UUID | None = None
    metadata: Metadata = Metadata()


class Append(msgspec.Struct, frozen=True):
    """Rows for an append-only side table (risk activity, labels)."""

    table: Table
    rows: tuple[Sequence[Any], ...]


FOREVER: Final = date(1970, 1, 1)  # the window of a counter that never begins anew
CLOSED: Final = "closed"


class LimitMove(msgspec.Struct, frozen=True, kw_only=True):
    """Adds `delta` to a counter; refused when it would pass `cap`. Negative gives back.

    `window_start`, a business date, names the window, which is over at `until` (never: None).
    `source` names the dated rule behind the cap; `refusal` is what its caller hears, where that
    is not `LimitExceeded`.
    """

    subject: str
    rule: str
    window_start: date
    delta: int
    cap: int
    livemode: bool
    until: datetime | None = None
    source: str = ""
    refusal: type[KhataError] | None = None


def guard(subject: str, livemode: bool, refusal: type[KhataError]) -> LimitMove:
    """Refuses its change once `subject` is closed, also where the two race: so that something may
    be stopped at once (a handle, a delegation, a device) whose version no payment takes."""
    return LimitMove(
        subject=subject,
        rule=CLOSED,
        window_start=FOREVER,
        delta=0,
        cap=0,
        livemode=livemode,
        refusal=refusal,
    )


def close(subject: str, livemode: bool) -> LimitMove:
    """Goes with the event that stops `subject`. Once for each `reopen`."""
    return LimitMove(
        subject=subject, rule=CLOSED, window_start=FOREVER, delta=1, cap=1, livemode=livemode
    )


def reopen(subject: str, livemode: bool) -> LimitMove:
    """Goes with the event that lets `subject` go on."""
    return msgspec.structs.replace(close(subject, livemode), delta=-1)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Work for later, handed on by the outbox relay once this change is committed."""

    topic: str
    payload: dict[str, Any]
    run_at: datetime
    livemode: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One all-or-nothing change."""

    snapshots: tuple[SnapshotRow, ...] = ()
    events: tuple[NewEvent, ...] = ()
    journals: tuple[Journal, ...] = ()
    limits: tuple[LimitMove, ...] = ()
    reserve: IdempotencyKey | None = None
    answer: IdempotencyAnswer | None = None
    outbox: tuple[Message, ...] = ()
    appends: tuple[Append, ...] = ()


def merged(first: Change, then: Change) -> Change:
    """What else takes two commits, in one: `then` was decided on what `first` leads to. An answer
    of the second is that of the key which the first reserves."""
    rows = {(row.snapshot.name, row.id): row for row in first.snapshots}
    for row in then.snapshots:
        known = rows.get((row.snapshot.name, row.id))
        began = known.expected_version if known else row.expected_version
        rows[row.snapshot.name, row.id] = SnapshotRow(row.snapshot, row.id, began, row.row)
    reserve = first.reserve
    if reserve is not None and then.answer is not None:
        reserve = msgspec.structs.replace(reserve, status=then.answer.status, body=then.answer.body)
    return Change(
        snapshots=tuple(rows.values()),
        events=(*first.events, *then.events),
        journals=(*first.journals, *then.journals),
        limits=(*first.limits, *then.limits),
        reserve=reserve,
        outbox=(*first.outbox, *then.outbox),
        appends=(*first.appends, *then.appends),
    )
