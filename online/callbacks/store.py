"""Callbacks in PostgreSQL. The raw bytes go in and come out sealed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from online.callbacks.domain import IN_ORDER, Arrival, Finding, Stored
from online.platform.lists import Window
from online.platform.sql import Connection, load_queries
from online.security.sealing import CannotOpen, EncryptedField, Sealer

QUERIES: Final = load_queries("online.callbacks")

_log = structlog.get_logger(__name__)
_FIRST_TRY: Final = timedelta(seconds=5)  # until then it is in the hands of whoever took it
_LONGEST_WAIT: Final = timedelta(minutes=10)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`added`: it was not there before. `differs`: the one that was there says something else."""

    id: UUID
    added: bool
    differs: bool


class _Claimed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    rail: str
    raw: bytes
    raw_key: str
    tries: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One as it is listed: all but what came."""

    id: UUID
    rail: str
    callback_id: str
    received_at: datetime
    secret: int
    tries: int
    next_try_at: datetime | None
    processed_at: datetime | None
    verdict: str | None
    reference: str | None
    sequence: int | None
    occurred_at: datetime | None
    error: str | None


class Newest(msgspec.Struct, frozen=True, kw_only=True):
    sequence: int
    occurred_at: datetime


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which are asked for; what is None does not matter."""

    rail: str | None = None
    reference: str | None = None
    verdict: str | None = None
    waiting: bool | None = None


async def store(connection: Connection, arrivals: Sequence[Arrival], sealer: Sealer) -> list[Kept]:
    """Keeps those that are not there yet; what became of each."""
    sealed = [sealer.seal(each.body, each.id.bytes) for each in arrivals]
    return await QUERIES.all(
        connection,
        "store",
        Kept,
        ids=[each.id for each in arrivals],
        rails=[each.rail for each in arrivals],
        callback_ids=[each.callback_id for each in arrivals],
        received=[each.received_at for each in arrivals],
        secrets=[each.secret for each in arrivals],
        digests=[each.digest for each in arrivals],
        raws=[each.ciphertext for each in sealed],
        raw_keys=[each.key_id for each in sealed],
        first_try=_FIRST_TRY,
    )


async def claim(connection: Connection, now: datetime, most: int, sealer: Sealer) -> list[Stored]:
    """Those that are due; nobody else gets them for a while."""
    rows = await QUERIES.all(
        connection, "claim", _Claimed, now=now, most=most, longest=_LONGEST_WAIT
    )
    return [
        Stored(id=row.id, rail=row.rail, body=_opened(row, sealer), tries=row.tries) for row in rows
    ]


def _opened(row: _Claimed, sealer: Sealer) -> bytes | None:
    """None where its key is gone: one of them must not stop the others."""
    try:
        return sealer.open(EncryptedField.of(row.raw, row.raw_key), row.id.bytes)
    except CannotOpen as error:
        _log.error("callback_cannot_be_opened", id=str(row.id), exc_info=error)
        return None


async def conclude(connection: Connection, finding: Finding, now: datetime) -> None:
    """Writes down what came of it; a verdict that is there already stays."""
    notice = finding.notice
    await QUERIES.execute(
        connection,
        "conclude",
        id=finding.id,
        now=now,
        verdict=finding.verdict,
        reference=notice.reference if notice else None,
        sequence=notice.sequence if notice else None,
        occurred_at=notice.occurred_at if notice else None,
        error=finding.error,
    )


async def newest(connection: Connection, rail: str, reference: str) -> tuple[int, datetime] | None:
    """Where in the rail's own order the last is that counts."""
    found = await QUERIES.one_or_none(
        connection, "newest", Newest, rail=rail, reference=reference, verdicts=sorted(IN_ORDER)
    )
    return None if found is None else (found.sequence, found.occurred_at)


async def page(connection: Connection, wanted: Filter, asked: Window) -> list[Row]:
    """Newest first; one more than asked for where there is more."""
    return await QUERIES.all(
        connection,
        "page",
        Row,
        after=asked.after,
        most=asked.most,
        **msgspec.structs.asdict(wanted),
    )


async def forget(connection: Connection, before: datetime, most: int) -> int:
    """Removes the oldest that are done with; answers how many."""
    return int(await QUERIES.scalar(connection, "forget", before=before, most=most))
