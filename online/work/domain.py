"""A request for work, the same for the same fields."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class WorkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `work_requests`."""

    id: UUID
    kind: str
    merchant_id: UUID | None
    params: dict[str, Any]
    state: State
    result: dict[str, Any] | None
    livemode: bool
    created_at: datetime


def fingerprint(kind: str, params: dict[str, Any], livemode: bool) -> bytes:
    """Equal fields are the same request, whatever order they come in."""
    fields = msgspec.json.encode([kind, params, livemode], order="deterministic")
    return hashlib.sha256(fields).digest()
