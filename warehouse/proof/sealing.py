"""Days into trees, trees into seals.

Belongs here: which days are to be sealed, their leaves and nodes, handing drafts to online. Does
not: how a leaf's text is made (`sql/proof_*.sql`).

Drafts are written before they are sent, and are sent again until online has answered: a run that
dies between the two sends the same roots again, and online answers as before. What was sealed stays
as it is; rows that come later are a part of their own with a seal of its own.
"""

import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
import polars as pl

from online.kernel.clock import business_date
from warehouse.connection import Lake, Warehouse, WarehouseError, sql_text
from warehouse.proof.trees import ORDER, TREES, climb, hash_rows

NOTHING: Final = hashlib.sha256(b"").hexdigest()  # the root of an empty tree
BEFORE_ALL: Final = "0" * 64  # what the first seal names as the one before it
_ROWS_AT_ONCE: Final = 4_000_000

Send = Callable[[object], dict[str, Any]]


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    root: str
    size: int


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a day the lake has when a seal of it is asked for."""

    events: int = 0
    entries: int = 0


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A seal as it is asked for; `msgspec.json.encode` gives the body of `/internal/v1/seals`."""

    number: int
    previous: str
    day: date
    part: int
    events: Tree
    entries: Tree
    audit: Tree
    holds: Holds
    epoch: str
    upto_xid: int


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What online made of a draft."""

    number: int
    previous: str
    sealed_at: datetime
    hash: str
    key_id: str
    public_key: str
    signature: str


def over_until(lake: Lake) -> date:
    """The last day that was over when the rows in the lake were read from online."""
    ((at,),) = lake.rows("SELECT min(at_time) FROM ingest_watermark")
    if at is None:
        raise WarehouseError("nothing was copied from online yet: there is no day to seal")
    return business_date(at) - timedelta(days=1)


def seal(warehouse: Warehouse, *, until: date, send: Send) -> list[tuple[date, int]]:
    """Seals what is not sealed of the days up to `until`; answers day and part of each new seal."""
    if until > over_until(warehouse):
        raise WarehouseError(f"{until} was not over when the lake was last brought up to date")
    while _unsealed(warehouse, until):
        warehouse.transaction(partial(_draft, until=until))
    return _sent(warehouse, send)


def late_rows(lake: Lake, *, until: date) -> list[tuple[date, int, int]]:
    """Days with rows that no seal has: the day, the part they will be, how many."""
    return [(day, int(part), int(rows)) for day, part, rows in _unsealed(lake, until)]


def _unsealed(lake: Lake, until: date) -> list[tuple[Any, ...]]:
    return lake.rows(sql_text("proof_unsealed"), until=until)


def _batch(lake: Lake, until: date) -> list[tuple[date, int]]:
    """Days that are hashed together, and the part that is next: few statements, bounded memory."""
    batch: list[tuple[date, int]] = []
    total = 0
    for day, part, rows in _unsealed(lake, until):
        total += rows
        if batch and total > _ROWS_AT_ONCE:
            break
        batch.append((day, part))
    return batch


def _draft(lake: Lake, *, until: date) -> None:
    """Leaves, nodes and drafts of the next days."""
    # Inserts of two runs do not conflict, and would draft a day twice. Both touch this: the one
    # that commits second begins again, and finds what the first has done.
    lake.execute("UPDATE ingest_watermark SET at_time = at_time")
    days = _batch(lake, until)
    if not days:
        return
    named = [day for day, _ in days]
    hash_rows(lake, named)
    lake.execute("CREATE OR REPLACE TEMP TABLE proof_parts (day DATE, part INTEGER)")
    lake.connection.executemany("INSERT INTO proof_parts VALUES (?, ?)", days)
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_known AS SELECT day, tree, source_id FROM proof_leaves"
        " WHERE day BETWEEN $first AND $last",
        first=min(named),
        last=max(named),
    )
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_new AS SELECT day, part, tree,"
        f" row_number() OVER (PARTITION BY day, tree ORDER BY {ORDER}) - 1 AS leaf_index,"
        " source_id, owner_id, hash FROM proof_rows INNER JOIN proof_parts USING (day)"
        " ANTI JOIN proof_known USING (day, tree, source_id)"
    )
    lake.execute("INSERT INTO proof_leaves BY NAME FROM proof_new ORDER BY day, tree, leaf_index")
    for level in climb(lake, "proof_new"):
        lake.execute(
            "INSERT INTO proof_nodes BY NAME SELECT day, part, tree, $level AS level, node_index,"
            " hash FROM proof_level ORDER BY day, tree, node_index",
            level=level,
        )
    _insert_drafts(lake)


def _insert_drafts(lake: Lake) -> None:
    columns = ", ".join(
        f"coalesce(max(root) FILTER (tree = '{tree}'), '{NOTHING}') AS {tree}_root,"
        f" coalesce(max(size) FILTER (tree = '{tree}'), 0) AS {tree}_size"
        for tree in TREES
    )
    lake.execute(
        f"INSERT INTO proof_seals BY NAME SELECT day, part, mark.epoch, mark.upto_xid, {columns}"
        " FROM proof_parts LEFT JOIN proof_roots USING (day, part) CROSS JOIN"
        " (SELECT max(epoch) AS epoch, min(xid) AS upto_xid FROM ingest_watermark) AS mark"
        " GROUP BY ALL"
    )


def _sent(warehouse: Warehouse, send: Send) -> list[tuple[date, int]]:
    """Each draft in its turn: numbered, asked for. What online signed is stored, also when it
    refuses one of them."""
    number, previous = last_seal(warehouse)
    signed: list[tuple[Draft, Signed]] = []
    try:
        for draft in _drafts(warehouse):
            number += 1
            body = msgspec.structs.replace(draft, number=number, previous=previous)
            answer = msgspec.convert(send(body), Signed)
            if (answer.number, answer.previous) != (number, previous):
                raise WarehouseError(f"online answered seal {answer.number} to seal {number}")
            previous = answer.hash
            signed.append((body, answer))
    finally:
        if signed:
            warehouse.transaction(partial(_store, signed=signed))
    return [(draft.day, draft.part) for draft, _ in signed]


def _drafts(lake: Lake) -> list[Draft]:
    found = lake.frame("FROM proof_seals WHERE number IS NULL ORDER BY day, part")
    held = {
        day: Holds(events=events, entries=entries)
        for day, events, entries in lake.rows(sql_text("proof_held"), days=found["day"].to_list())
    }
    return [
        Draft(
            number=0,
            previous="",
            day=row["day"],
            part=row["part"],
            holds=held.get(row["day"], Holds()),
            epoch=row["epoch"],
            upto_xid=row["upto_xid"],
            **{tree: Tree(root=row[f"{tree}_root"], size=row[f"{tree}_size"]) for tree in TREES},
        )
        for row in found.iter_rows(named=True)
    ]


def _store(lake: Lake, *, signed: list[tuple[Draft, Signed]]) -> None:
    columns = Signed.__struct_fields__
    given = ", ".join(f"{name} = proof_signed.{name}" for name in columns)
    rows = [(draft.day, draft.part, *msgspec.structs.astuple(answer)) for draft, answer in signed]
    frame = pl.DataFrame(rows, ["signed_day", "signed_part", *columns], orient="row")
    lake.connection.register("proof_signed", frame.to_arrow())
    try:
        lake.execute(
            f"UPDATE proof_seals SET {given} FROM proof_signed"
            " WHERE day = signed_day AND part = signed_part"
        )
    finally:
        lake.connection.unregister("proof_signed")


def last_seal(lake: Lake) -> tuple[int, str]:
    """Number and hash of the newest seal."""
    found = lake.rows(
        "SELECT number, hash FROM proof_seals WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1"
    )
    return (int(found[0][0]), str(found[0][1])) if found else (0, BEFORE_ALL)
