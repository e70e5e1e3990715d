"""The event schema: what happened, one Struct a type, each with a schema version.

This is one of the four contracts between online and offline; `docs/events/*.json` is exported
from it. Events carry tokens, keyed hashes and masks, never a PAN, VPA, name or phone, so that a
personal field can be erased while the books stay. Amounts are minor units (`amount`, as on the
wire). A field is only ever added, with a default; a change of meaning is a new version.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec

EVENTS: dict[str, "type[Event]"] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all events. `TYPE` is `<aggregate>.<what happened>`."""

    TYPE: ClassVar[str]
    SCHEMA_VERSION: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "TYPE" in cls.__dict__:
            EVENTS[cls.TYPE] = cls


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who caused an event, and in answer to what."""

    schema_version: int = 1
    actor: str = "system"
    request_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


class Occurred(msgspec.Struct, frozen=True, kw_only=True):
    """An event with where it stands in the log: what a state is folded from."""

    aggregate_id: UUID
    version: int
    at: datetime
    merchant_id: UUID
    livemode: bool
    event: Event
