"""Where an attempt shows outside our own books."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Hop(StrEnum):
    RAIL_LINE = "rail_line"
    BANK_LINE = "bank_line"
    SETTLEMENT = "settlement"
    STATEMENT = "statement"


ORDER = {hop: place for place, hop in enumerate(Hop)}


class Link(Struct, frozen=True, kw_only=True):
    """Row of `trace_links`. Amount in minor units; `sha256` is of the file the line stands in."""

    attempt_id: UUID
    hop: Hop
    reference: str
    at: date
    amount_minor: int | None
    sha256: bytes | None
    livemode: bool
    recorded_at: datetime

    @property
    def key(self) -> tuple[UUID, str, str]:
        """A place is told of once for an attempt."""
        return self.attempt_id, self.hop, self.reference

    def says_the_same(self, other: "Link") -> bool:
        mine = (self.at, self.amount_minor, self.sha256)
        return mine == (other.at, other.amount_minor, other.sha256)
