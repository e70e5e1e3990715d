"""What online wrote, into the lake: incremental, exactly once, behind the safe horizon.

Belongs here: bounds, watermarks and copying. Does not: what rows mean (`sql/stg_*.sql`).

Bounds are fixed once a run for every source, so that events and entries are cut at the same
place. Rows and watermarks are written in one DuckLake transaction: a run that dies leaves the
lake as it was, and the next one reads the same bounds again. A lock in the source keeps two
runs apart, since two inserts alone would not conflict.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import psycopg

from warehouse.connection import Lake, Warehouse, WarehouseError, quoted

# Raw table → what the view of the same name offers, in the table's column order.
INCREMENTAL: Mapping[str, str] = {
    "events": 'id, aggregate_id, aggregate_type, event_type, version, "timestamp", merchant_id,'
    " data, metadata, livemode, xid",
    "transactions": "id, cause, kind, reference, merchant_id, business_date, effective_at,"
    " created_at, livemode, metadata, xid",
    "entries": "id, transaction_id, account_id, account_version, amount_minor, currency,"
    " entry_type, balance_after, layer, business_date, effective_at, created_at, livemode, xid",
    "periods": "month, closed_at, accounts, entries, totals, sha256, xid",
}
REFRESHED: Mapping[str, str] = {
    "accounts": "id, code, stripe, currency, normal_side, merchant_id, livemode",
    "merchants": "id, name, mcc, state_code, settlement_days, livemode, legal_name, gstin, address,"
    " settlement_schedule, settlement_weekday, settlement_cycles, cutoff, min_payout_minor,"
    " reserve_bps, reserve_days, tds_section, tds_bps",
    "audit": "source, id, at_time, livemode, content",
}
_LOCK = 0x4B48415441  # "KHATA"


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """One run. `rows` by raw table; everything below transaction id `upto` is in the lake.

    `rebuilt` says that the source was another database than last time (restored from a dump,
    for example), and that the raw tables were therefore read anew from its beginning.
    """

    epoch: str
    upto: int
    rows: dict[str, int]
    rebuilt: bool


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one run may read: transaction ids below `horizon`, which no longer change."""

    epoch: str
    horizon: int


class Source(Protocol):
    """Where rows come from: PostgreSQL in service, local tables in tests."""

    def opened(self, lake: Lake) -> AbstractContextManager[Bounds]:
        """Keep other runs out, make the source readable by the lake, fix the bounds."""

    def incremental(self, view: str, low: int, high: int) -> str:
        """A statement for the rows of a view with low <= xid < high."""

    def whole(self, view: str) -> str:
        """A statement for all rows of a view."""


class PostgresSource:
    """Online's database, through the role that sees only schema `offline`."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def opened(self, lake: Lake) -> Iterator[Bounds]:
        with psycopg.connect(self.url, autocommit=True) as guard:
            if not _value(guard, f"select pg_try_advisory_lock({_LOCK})"):
                raise WarehouseError("another ingest of this database is under way")
            bounds = Bounds(
                epoch=str(_value(guard, "select offline.epoch()")),
                horizon=int(str(_value(guard, "select offline.horizon()"))),
            )
            lake.execute(f"ATTACH {quoted(self.url)} AS source (TYPE postgres, READ_ONLY)")
            try:
                yield bounds
            finally:
                lake.execute("DETACH source")

    def incremental(self, view: str, low: int, high: int) -> str:
        # The bounds are xid8 literals, so that PostgreSQL walks the index on xid.
        return _pushed(
            f"select {INCREMENTAL[view]} from offline.{view}"
            f" where xid8 >= '{low}'::xid8 and xid8 < '{high}'::xid8"
        )

    def whole(self, view: str) -> str:
        return _pushed(f"select {REFRESHED[view]} from offline.{view}")


def _value(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


def _pushed(statement: str) -> str:
    # ATTACH pushes few filters down to a partitioned parent; a whole query goes as it is.
    return f"SELECT * FROM postgres_query('source', {quoted(statement)})"


def ingest(warehouse: Warehouse, source: Source, *, at: datetime) -> IngestResult:
    """Bring the lake up to the source's horizon; a rerun after a crash changes nothing."""
    with source.opened(warehouse) as bounds:
        return warehouse.transaction(lambda lake: _copy(lake, source, bounds, at))


def _copy(lake: Lake, source: Source, bounds: Bounds, at: datetime) -> IngestResult:
    marks = _watermarks(lake, bounds.epoch)
    rebuilt = not marks and bool(lake.rows("SELECT 1 FROM ingest_watermark LIMIT 1"))
    if rebuilt:
        for view in INCREMENTAL:
            lake.execute(f"DELETE FROM raw_{view}")
    rows = {}
    for view in INCREMENTAL:
        low = marks.get(view, 0)
        if low < bounds.horizon:
            rows[f"raw_{view}"] = _insert(lake, view, source.incremental(view, low, bounds.horizon))
        else:
            rows[f"raw_{view}"] = 0
    for view in REFRESHED:
        lake.execute(f"DELETE FROM raw_{view}")
        rows[f"raw_{view}"] = _insert(lake, view, source.whole(view))
    # A horizon never moves back within an epoch; if a source says so, the mark stays.
    upto = max([bounds.horizon, *marks.values()])
    lake.execute("DELETE FROM ingest_watermark")
    for view in INCREMENTAL:
        lake.execute(
            "INSERT INTO ingest_watermark VALUES ($epoch, $source, $upto, $at)",
            epoch=bounds.epoch,
            source=view,
            upto=upto,
            at=at,
        )
    return IngestResult(epoch=bounds.epoch, upto=upto, rows=rows, rebuilt=rebuilt)


def _watermarks(lake: Lake, epoch: str) -> dict[str, int]:
    found = lake.rows("SELECT source, xid FROM ingest_watermark WHERE epoch = $epoch", epoch=epoch)
    return {str(source): int(xid) for source, xid in found}


def _insert(lake: Lake, view: str, statement: str) -> int:
    columns = {**INCREMENTAL, **REFRESHED}[view]
    (inserted,) = lake.rows(
        f"INSERT INTO raw_{view} ({columns}) SELECT {columns} FROM ({statement})"
    )
    return int(inserted[0])
