"""A call as its key remembers it."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from online.kernel import ids
from online.platform.idempotency import KEPT


class Status(StrEnum):
    IN_FLIGHT = "in_flight"
    DONE = "done"


class Call(Struct, frozen=True, kw_only=True):
    """Row of `idempotency_keys`. Without a `status`, no final answer was stored."""

    merchant_id: UUID
    key: str
    resource_type: str | None
    resource_id: UUID | None
    status: int | None
    body: bytes | None
    livemode: bool
    created_at: datetime

    @property
    def resource(self) -> str | None:
        """The id of what it made, as the API shows it."""
        if self.resource_type is None or self.resource_id is None:
            return None
        return ids.encode(self.resource_type, self.resource_id)

    @property
    def body_sha256(self) -> str:
        return sha256(self.body or b"").hexdigest()

    @property
    def expires_at(self) -> datetime:
        return self.created_at + KEPT

    def state(self, *, at_the_rail: bool) -> Status:
        """A call without an answer is over once nothing of it is open at a rail: recovery, or
        the rail's own late word, has brought its resource to where it is now.
        """
        if self.status is None and at_the_rail:
            return Status.IN_FLIGHT
        return Status.DONE
