"""The lake held against its seals: what was changed, removed, moved or added since.

Belongs here: finding and naming differences. Does not: mending any; a seal is never made again.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from warehouse.connection import Lake
from warehouse.proof.sealing import BEFORE_ALL, NOTHING
from warehouse.proof.trees import ORDER, TREES, climb, hash_rows
from warehouse.statements.verify_statement import digest, seal_text, unbase64

_DAYS_AT_ONCE: Final = 31
_TABLES: Final = {"events": "raw_events", "entries": "raw_entries", "audit": "raw_audit"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `what`: changed, removed, twice, moved (a leaf out of its order), unsealed
    (came after the last seal of its day), root, node, seal, signature, chain.
    """

    what: str
    day: date
    part: int | None = None
    number: int | None = None
    tree: str = ""
    row: str = ""  # table and id, as `raw_entries 0190…`
    detail: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`late` is no fault: rows that the next seal of their day will have."""

    seals: int
    rows: int
    wrong: list[Finding]
    late: list[Finding]


def verify_seals(lake: Lake, *, day: date | None = None, keys: set[str] | None = None) -> Result:
    """Recomputes every seal (or those of one day) from the lake's rows.

    `keys` are the public keys (base64url) that may have signed; None takes those in the lake,
    which whoever rewrites the lake can put there.
    """
    seals = [seal for seal in _seals(lake) if day in {None, seal["day"]}]
    wrong = [*_chain(seals, whole=day is None), *_signatures(seals, keys)]
    late: list[Finding] = []
    rows = 0
    days = sorted({seal["day"] for seal in seals})
    for first in range(0, len(days), _DAYS_AT_ONCE):
        batch = days[first : first + _DAYS_AT_ONCE]
        hash_rows(lake, batch)
        lake.execute(
            "CREATE OR REPLACE TEMP TABLE proof_stored AS FROM proof_leaves"
            " WHERE day BETWEEN $first AND $last AND day IN (SELECT day FROM proof_days)",
            first=batch[0],
            last=batch[-1],
        )
        rows += lake.count("proof_rows")
        wrong += _rows(lake)
        wrong += _trees(lake, [seal for seal in seals if seal["day"] in set(batch)])
        late += _late(lake)
    return Result(seals=len(seals), rows=rows, wrong=wrong, late=late)


def _seals(lake: Lake) -> list[dict[str, Any]]:
    found = lake.frame(
        "SELECT *, strftime(sealed_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS sealed_text"
        " FROM proof_seals WHERE number IS NOT NULL ORDER BY number"
    )
    return list(found.iter_rows(named=True))


def _chain(seals: list[dict[str, Any]], *, whole: bool) -> Iterator[Finding]:
    previous = (0, BEFORE_ALL)
    for seal in seals:
        number = seal["number"]
        if whole and (number - 1, seal["previous"]) != previous:
            detail = f"does not follow on seal {previous[0]}"
            yield Finding(what="chain", day=seal["day"], number=number, detail=detail)
        if digest(_text(seal)) != seal["hash"]:
            yield Finding(what="seal", day=seal["day"], number=number, detail="is not its hash")
        previous = (number, seal["hash"])


def _signatures(seals: list[dict[str, Any]], keys: set[str] | None) -> Iterator[Finding]:
    for seal in seals:
        about: dict[str, Any] = {"day": seal["day"], "number": seal["number"]}
        if keys is not None and seal["public_key"] not in keys:
            yield Finding(what="signature", **about, detail="is of a key that is not ours")
        try:
            key = Ed25519PublicKey.from_public_bytes(unbase64(seal["public_key"]))
            key.verify(unbase64(seal["signature"]), _text(seal))
        except (InvalidSignature, ValueError):
            yield Finding(what="signature", **about, detail="does not hold")


def _text(seal: dict[str, Any]) -> bytes:
    trees = {tree: {"root": seal[f"{tree}_root"], "size": seal[f"{tree}_size"]} for tree in TREES}
    about = {"day": seal["day"].isoformat(), "sealed_at": seal["sealed_text"], **trees}
    return seal_text({**seal, **about})


def _rows(lake: Lake) -> Iterator[Finding]:
    """Leaf by leaf: is its row there, once, unchanged and in its place?"""
    found = lake.rows(
        "WITH held AS (SELECT day, tree, source_id, any_value(hash) AS hash, count(*) AS copies"
        " FROM proof_rows GROUP BY day, tree, source_id)"
        " SELECT CASE WHEN held.hash IS NULL THEN 'removed' WHEN held.copies > 1 THEN 'twice'"
        " ELSE 'changed' END, leaf.day, leaf.part, leaf.tree, leaf.source_id"
        " FROM proof_stored AS leaf LEFT JOIN held USING (day, tree, source_id)"
        " WHERE held.hash IS DISTINCT FROM leaf.hash OR held.copies > 1"
        " UNION ALL SELECT 'moved', day, part, tree, source_id FROM ("
        "  SELECT leaf.*, row_number() OVER (of_tree ORDER BY leaf.leaf_index) AS stored_at,"
        f"  row_number() OVER (of_tree ORDER BY {_of_row(ORDER)}) AS held_at"
        "  FROM proof_stored AS leaf INNER JOIN proof_rows AS held USING (day, tree, source_id)"
        "  WINDOW of_tree AS (PARTITION BY leaf.day, leaf.part, leaf.tree))"
        " WHERE stored_at <> held_at ORDER BY ALL"
    )
    for what, day, part, tree, source in found:
        row = f"{_TABLES[tree]} {source}"
        yield Finding(what=what, day=day, part=part, tree=tree, row=row)


def _of_row(columns: str) -> str:
    return ", ".join(f"held.{column}" for column in columns.split(", "))


def _late(lake: Lake) -> list[Finding]:
    found = lake.rows(
        "SELECT day, tree, source_id FROM proof_rows ANTI JOIN proof_stored"
        " USING (day, tree, source_id) ORDER BY ALL"
    )
    return [
        Finding(what="unsealed", day=day, tree=tree, row=f"{_TABLES[tree]} {source}")
        for day, tree, source in found
    ]


def _trees(lake: Lake, seals: list[dict[str, Any]]) -> list[Finding]:
    """Roots and nodes from the leaves that are stored."""
    wrong: list[Finding] = []
    for level in climb(lake, "proof_stored"):
        nodes = lake.rows(
            "SELECT DISTINCT day, part, tree FROM proof_level AS made"
            " LEFT JOIN proof_nodes AS node USING (day, part, tree, node_index)"
            " WHERE node.level = $level AND node.hash <> made.hash ORDER BY ALL",
            level=level,
        )
        wrong += [
            Finding(what="node", day=day, part=part, tree=tree, detail=f"level {level}")
            for day, part, tree in nodes
        ]
    roots = {
        (day, part, tree): (root, size)
        for day, part, tree, root, size in lake.rows(
            "SELECT day, part, tree, root, size FROM proof_roots"
        )
    }
    for seal in seals:
        for tree in TREES:
            made = roots.get((seal["day"], seal["part"], tree), (NOTHING, 0))
            if made != (seal[f"{tree}_root"], seal[f"{tree}_size"]):
                about: dict[str, Any] = {"day": seal["day"], "part": seal["part"], "tree": tree}
                wrong.append(Finding(what="root", number=seal["number"], **about))
    return wrong
