"""The work_requests table."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.platform.sql import Connection, load_queries
from online.work.domain import State, WorkRequest, fingerprint

QUERIES: Final = load_queries("online.work")


async def request(connection: Connection, wanted: WorkRequest) -> WorkRequest:
    """Stores it, or answers with the one of the same fields that is there."""
    return await QUERIES.one(
        connection,
        "request",
        WorkRequest,
        id=wanted.id,
        kind=wanted.kind,
        fingerprint=fingerprint(wanted.kind, wanted.params, wanted.livemode),
        merchant_id=wanted.merchant_id,
        params=_json(wanted.params),
        livemode=wanted.livemode,
        created_at=wanted.created_at,
    )


async def get(connection: Connection, work_id: UUID, kind: str) -> WorkRequest | None:
    return await QUERIES.one_or_none(connection, "get", WorkRequest, id=work_id, kind=kind)


async def claim(
    connection: Connection,
    kinds: list[str],
    livemode: bool,
    *,
    now: datetime,
    today: date,
    lost_before: datetime,
    most: int,
) -> list[WorkRequest]:
    return await QUERIES.all(
        connection,
        "claim",
        WorkRequest,
        kinds=kinds,
        livemode=livemode,
        now=now,
        today=today.isoformat(),
        lost_before=lost_before,
        most=most,
    )


async def finish(
    connection: Connection, work_id: UUID, livemode: bool, state: State, result: dict[str, Any]
) -> WorkRequest | None:
    return await QUERIES.one_or_none(
        connection,
        "finish",
        WorkRequest,
        id=work_id,
        livemode=livemode,
        state=state.value,
        result=_json(result),
    )


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
