"""Upkeep of what risk compares with: tiles of a new series, and the end of what is too old.

Belongs here: whether the tiles that features read are complete, building them, forgetting.
Does not: writing tiles day by day (a trigger of the database does), or reading them (`store`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection as PsycopgConnection

from models.fraud.features import FEATURES, Kind
from models.fraud.tiles import needed_series
from online.platform.db import Database
from online.platform.sql import BlockingConnection, load_queries

QUERIES: Final = load_queries(__package__ or "online.risk", "tiles.sql")

# Waits for those who write, and keeps the next out until its transaction ends; readers go on. It
# stands here, not among the queries: it has no plan.
_EXCLUDE_WRITERS: Final = "lock table risk_activity, risk_labels in share row exclusive mode"

_MARGIN: Final = timedelta(days=2)  # clocks, and the tile that a window's edge is cut from
# A label takes its keys from the row of its payment, and disputes come for half a year.
_LABELLED_FOR: Final = timedelta(days=200)
_BATCH: Final = 5_000
_BATCHES_A_ROUND: Final = 100


class IncompleteTiles(RuntimeError):
    """Features read sums that were never added up for the past of this database."""


async def require_complete(database: Database) -> None:
    """IncompleteTiles unless every series that a feature reads may be read."""
    async with database.connection() as connection:
        cursor = await connection.execute(QUERIES["complete"])
        complete = {series for (series,) in await cursor.fetchall()}
    missing = needed_series() - complete
    if missing:
        raise IncompleteTiles(
            f"tiles of series {sorted(missing)} are not complete: "
            "run `python -m online risk-tiles rebuild`"
        )


# ── building ─────────────────────────────────────────────────────────────────────────────────


def rebuild(url: str, wanted: Sequence[int] | None = None) -> dict[int, int]:
    """Builds the series `wanted`, by default those that features read and that are not complete.

    Answers how many tiles each has now. Payments go on: they wait for the moment in which a series
    is switched on. What was committed before that moment is added up by one snapshot, what comes
    after it by the trigger; no event is in both, and none in neither. A series that is being built
    counts as incomplete until its end, also if this process is killed: run it again.
    """
    with (
        PsycopgConnection.connect(url, autocommit=True) as gate,
        PsycopgConnection.connect(url, autocommit=True) as builder,
    ):
        gate.execute(QUERIES["one_at_a_time"])
        if wanted is None:
            complete = {series for (series,) in gate.execute(QUERIES["complete"])}
            wanted = sorted(needed_series() - complete)
        return {series: _build(gate, builder, series) for series in wanted}


def _build(gate: BlockingConnection, builder: BlockingConnection, series: int) -> int:
    _switch(gate, series, written=False)
    while gate.execute(QUERIES["clear"], {"series": series, "most": _BATCH}).rowcount:
        pass
    with builder.transaction():
        builder.execute("set transaction isolation level repeatable read")
        with gate.transaction():
            gate.execute(_EXCLUDE_WRITERS)
            builder.execute("select")  # takes the snapshot: all that was written is in it
            _mark(gate, series, written=True)
        added = builder.execute(QUERIES["fill"], {"series": series}).fetchone()
    _mark(gate, series, written=True, complete=True)
    return int(added[0]) if added else 0


def _switch(gate: BlockingConnection, series: int, *, written: bool) -> None:
    """Once this returns, no transaction under way thinks otherwise."""
    with gate.transaction():
        gate.execute(_EXCLUDE_WRITERS)
        _mark(gate, series, written=written)


def _mark(gate: BlockingConnection, series: int, *, written: bool, complete: bool = False) -> None:
    gate.execute(QUERIES["mark"], {"series": series, "written": written, "complete": complete})


# ── forgetting ───────────────────────────────────────────────────────────────────────────────


def longest(kind: Kind) -> timedelta:
    """The longest window over events of a kind."""
    return timedelta(seconds=max(f.window_s for f in FEATURES if f.kind == kind))


async def forget(database: Database, now: datetime) -> int:
    """Removes what no window reaches any more, a bounded number of rows; answers how many."""
    keep = {
        "forget_activity": max(longest("transaction") + _MARGIN, _LABELLED_FOR),
        "forget_labels": longest("label") + _MARGIN,
        "forget_tiles": max(longest("transaction"), longest("label")) + _MARGIN,
    }
    return sum([await _forget(database, name, now - kept) for name, kept in keep.items()])


async def _forget(database: Database, name: str, before: datetime) -> int:
    forgotten = 0
    for _ in range(_BATCHES_A_ROUND):
        async with database.connection() as connection:
            found = await QUERIES.execute(connection, name, before=before, most=_BATCH)
        forgotten += found
        if found < _BATCH:
            break
    return forgotten
