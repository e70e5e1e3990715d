"""What a use case hands to the writer: everything that must become true together, or not at all.

A use case reads, decides in pure code, and describes the outcome as a `Change`. It names the
version of every aggregate it decided on; if one has moved meanwhile, nothing is written and
`VersionConflict` says: decide again.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

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


class LimitMove(msgspec.Struct, frozen=True, kw_only=True):
    """Adds `delta` to a counter; refused when it would pass `cap`. Negative gives back."""

    subject: str
    rule: str
    window_start: date
    delta: int
    cap: int
    livemode: bool


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
