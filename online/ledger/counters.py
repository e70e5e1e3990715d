"""What limit counters stand at; the writer alone moves them."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from online.ledger.change import LimitMove
from online.platform.sql import Connection, load_queries

QUERIES: Final = load_queries("online.ledger", "counters.sql")

Used = dict[tuple[str, str, date], int]
"""By subject, rule and the start of its window; a counter that never moved is not there."""


class _Row(msgspec.Struct, frozen=True):
    subject: str
    rule: str
    window_start: date
    used: int


async def used(connection: Connection, subjects: Sequence[str]) -> Used:
    rows = await QUERIES.all(connection, "used", _Row, subjects=list(subjects))
    return {(row.subject, row.rule, row.window_start): row.used for row in rows}


async def standing(connection: Connection, moves: Sequence[LimitMove]) -> Used:
    """The counters that `moves` would move, in their windows and no others."""
    rows = await QUERIES.all(
        connection,
        "standing",
        _Row,
        subjects=[move.subject for move in moves],
        rules=[move.rule for move in moves],
        windows=[move.window_start for move in moves],
    )
    return {(row.subject, row.rule, row.window_start): row.used for row in rows}
