"""Event sourcing in one place: fold events into a state, and describe both for the writer."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from online.kernel.events import EVENTS, Event, Metadata, Occurred
from online.ledger.change import NewEvent, Snapshot, SnapshotRow


class Versioned(Protocol):
    """A state: its snapshot row, with the fields every aggregate has."""

    @property
    def id(self) -> UUID: ...

    @property
    def merchant_id(self) -> UUID: ...

    @property
    def version(self) -> int: ...

    @property
    def livemode(self) -> bool: ...


StateT = TypeVar("StateT", bound=Versioned)


Apply = Callable[[StateT | None, Occurred], StateT]


class Moved(msgspec.Struct, Generic[StateT], frozen=True):
    """A state after some events, and the pieces of a `Change` that make it so."""

    state: StateT
    row: SnapshotRow
    events: tuple[NewEvent, ...]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a new aggregate begins."""

    id: UUID
    merchant_id: UUID
    livemode: bool
    version: int = 0


class Aggregate(Generic[StateT]):
    """A kind of aggregate: its snapshot table and its one `apply`."""

    def __init__(self, snapshot: Snapshot, apply: Apply[StateT]) -> None:
        self.snapshot = snapshot
        self.apply = apply

    def create(
        self, origin: Origin, events: Sequence[Event], at: datetime, metadata: Metadata
    ) -> Moved[StateT]:
        """A new aggregate with its first events."""
        return self._fold(None, origin, events, at, metadata)

    def move(
        self, state: StateT, events: Sequence[Event], at: datetime, metadata: Metadata
    ) -> Moved[StateT]:
        """An existing one, moved on by `events`; raises `IllegalMove` where the table says no."""
        return self._fold(state, state, events, at, metadata)

    def _fold(
        self,
        state: StateT | None,
        where: Versioned,
        events: Sequence[Event],
        at: datetime,
        metadata: Metadata,
    ) -> Moved[StateT]:
        written = []
        for offset, event in enumerate(events, start=1):
            version = where.version + offset
            state = self.apply(
                state,
                Occurred(
                    aggregate_id=where.id,
                    version=version,
                    at=at,
                    merchant_id=where.merchant_id,
                    livemode=where.livemode,
                    event=event,
                ),
            )
            written.append(
                NewEvent(
                    aggregate_id=where.id,
                    version=version,
                    event=event,
                    at=at,
                    livemode=where.livemode,
                    merchant_id=where.merchant_id,
                    metadata=metadata,
                )
            )
        if state is None:
            raise ValueError("an aggregate needs at least one event")
        row = SnapshotRow(self.snapshot, where.id, where.version, state)
        return Moved(state, row, tuple(written))

    def rebuild(self, occurred: Sequence[Occurred]) -> StateT:
        """The state that the log alone says."""
        state: StateT | None = None
        for each in occurred:
            state = self.apply(state, each)
        if state is None:
            raise ValueError("no events")
        return state


def decode_event(event_type: str, data: object) -> Event:
    """An event as stored back into its Struct."""
    return msgspec.convert(data, EVENTS[event_type])
