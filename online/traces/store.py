"""Trace links in PostgreSQL: told once, never changed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from online.platform.sql import Connection, load_queries
from online.traces.domain import Link

QUERIES: Final = load_queries("online.traces")


async def insert(
    connection: Connection, links: Sequence[Link], *, livemode: bool, recorded_at: datetime
) -> int:
    """Those that are new; how many that was. In the order of their key, as others insert them."""
    ordered = sorted(links, key=lambda link: link.key)
    return await QUERIES.execute(
        connection,
        "insert_links",
        attempts=[link.attempt_id for link in ordered],
        hops=[link.hop.value for link in ordered],
        references=[link.reference for link in ordered],
        dates=[link.at for link in ordered],
        amounts=[link.amount_minor for link in ordered],
        hashes=[link.sha256 for link in ordered],
        livemode=livemode,
        recorded_at=recorded_at,
    )


async def of_attempts(connection: Connection, attempts: Collection[UUID]) -> list[Link]:
    return await QUERIES.all(connection, "links", Link, attempts=list(attempts))
