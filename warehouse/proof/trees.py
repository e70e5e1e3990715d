"""Rows into leaves, leaves into roots: set-wise, all trees of some days at once.

Belongs here: the temporary tables that both sealing and checking work on. Does not: what is stored.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from warehouse.connection import Lake, sql_text

TREES: Final = ("events", "entries", "audit")
# A level of trees is a table (day, part, tree, node_index, width, hash).
_PLACES: Final = {
    "events": "place, '' AS text_place",
    "entries": "place, '' AS text_place",
    "audit": "0 AS place, place AS text_place",
}
ORDER: Final = "owner_id, place, text_place, source_id"  # of leaves


def hash_rows(lake: Lake, days: Sequence[date]) -> None:
    """`proof_rows`: every row of these days with its place and the hash of its leaf."""
    bounds = {"first": min(days), "last": max(days)}
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_days AS SELECT unnest($days) AS day", days=days
    )
    selects = [
        f"SELECT day, '{tree}' AS tree, source_id, owner_id, {_PLACES[tree]}, hash"
        f" FROM ({_statement(tree)})"
        for tree in TREES
    ]
    rows = " UNION ALL ".join(selects)
    lake.execute(f"CREATE OR REPLACE TEMP TABLE proof_rows AS {rows}", **bounds)


def climb(lake: Lake, leaves: str) -> Iterator[int]:
    """From a table of leaves (day, part, tree, leaf_index, hash) to `proof_roots`.

    Yields each level above them, from 1, while its nodes are in `proof_level`.
    """
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_level AS SELECT day, part, tree,"
        " leaf_index AS node_index, count(*) OVER (PARTITION BY day, part, tree) AS width, hash"
        f" FROM {leaves}"
    )
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_sizes AS"
        " SELECT DISTINCT day, part, tree, width AS size FROM proof_level"
    )
    lake.execute("CREATE OR REPLACE TEMP TABLE proof_tops AS FROM proof_level WHERE width = 1")
    level = 0
    while lake.rows("SELECT 1 FROM proof_level WHERE width > 1 LIMIT 1"):
        level += 1
        lake.execute(f"CREATE OR REPLACE TEMP TABLE proof_above AS {sql_text('proof_next_level')}")
        lake.execute("CREATE OR REPLACE TEMP TABLE proof_level AS FROM proof_above")
        yield level
        lake.execute("INSERT INTO proof_tops FROM proof_level WHERE width = 1")
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE proof_roots AS SELECT day, part, tree, size,"
        " lower(hex(hash)) AS root FROM proof_tops INNER JOIN proof_sizes USING (day, part, tree)"
    )


def _statement(tree: str) -> str:
    if tree != "entries":
        return sql_text(f"proof_{tree}")
    return f"WITH entry_parts AS ({sql_text('proof_entry_parts')}) {sql_text('proof_entries')}"
