"""A statement with everything that is needed to check it without us, as one zip.

Belongs here: which entries, seals and nodes prove a statement. Does not: what it says (`build.py`)
or the check itself (`verify_statement.py`, which lies in every pack).

The same statement from the same snapshot is the same bytes. Everything is read at the statement's
snapshot: days that were sealed later are told as not sealed yet.

Paths to a root are shared: a seal has each node once, in the order in which `needed` names them, so
that a pack grows with its lines and not with lines times the depth of a tree. A merchant's entries
of a day lie side by side, since leaves are in the order of accounts.
"""

import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import polars as pl

from online.kernel import ids
from warehouse.connection import Lake, sql_text
from warehouse.statements.model import Statement
from warehouse.statements.verify_statement import (
    ALWAYS,
    BALANCE,
    FORMAT,
    POSTING,
    account_id,
    balance_hash,
    canonical,
    digest,
    needed,
    posting_hash,
)

Row = dict[str, Any]
# The body of `/internal/v1/seals/statements` → its answer.
Sign = Callable[[Row], Mapping[str, str]]

_BESIDE: Final = Path(__file__).parent
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_TREES: Final = ("events", "entries", "audit")
_PLACE: Final = ("account_id", "seal", "leaf")
_OWN: Final = (*_PLACE, *BALANCE, *POSTING)
_CHARGE: Final = (*_PLACE, "balance", *POSTING)
_NEIGHBOUR: Final = (*_PLACE, "balance", "posting")


def pack(
    lake: Lake, statement: Statement, *, files: Mapping[str, bytes], sign: Sign | None = None
) -> bytes:
    """`lake` is the lake at the statement's snapshot, `files` are `statement.{json,csv,pdf}`."""
    proof = canonical(proof_of(lake, statement, files=files, sign=sign))
    return zipped(
        {
            **files,
            "proof.json": proof,
            "verify_statement.py": (_BESIDE / "verify_statement.py").read_bytes(),
            "README.txt": (_BESIDE / "README.txt").read_bytes(),
        }
    )


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Sorted, without dates: the same files are the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return out.getvalue()


def proof_of(
    lake: Lake, statement: Statement, *, files: Mapping[str, bytes], sign: Sign | None
) -> Row:
    """`proof.json`; its members are what `verify_statement.py` reads."""
    accounts = _accounts(lake, statement)
    rows = _rows(lake, statement, accounts)
    hashes = {name: digest(files[name]) for name in sorted(files)}
    shown = rows["own"] + rows["charge"]
    used = {row["account_id"] for row in shown}
    seals = _seals(lake)
    return {
        "format": FORMAT,
        "files": hashes,
        "signature": dict(sign(to_sign(statement, hashes))) if sign else None,
        "accounts": [
            {"code": code, "stripe": stripe}
            for id_, (code, stripe) in sorted(accounts.items(), key=lambda each: each[1])
            if id_ in used
        ],
        "transactions": _transactions(shown),
        "entries": _pick(rows["own"], _OWN),
        "charges": _pick(rows["charge"], _CHARGE),
        "neighbours": _pick(rows["neighbour"], _NEIGHBOUR),
        **_under(seals, {row["seal"] for group in rows.values() for row in group}, statement),
        "nodes": _nodes(lake, seals, [row for group in rows.values() for row in group]),
        "keys": _keys(seals),
    }


def to_sign(statement: Statement, hashes: dict[str, str]) -> Row:
    """What online is asked to sign of a statement."""
    return {
        "merchant_id": statement.merchant_id,
        "number": statement.number,
        "edition": statement.edition,
        "start_date": statement.start_date.isoformat(),
        "end_date": statement.end_date.isoformat(),
        "content_sha256": statement.content_sha256,
        "files": hashes,
    }


def _accounts(lake: Lake, statement: Statement) -> dict[str, tuple[str, int]]:
    """Code and stripe by id: the merchant's own, and those of fees and taxes."""
    currency, livemode = statement.currency, statement.livemode
    found = lake.rows(
        "SELECT id::VARCHAR, code, stripe FROM raw_accounts WHERE currency = $currency"
        " AND livemode = $livemode AND (starts_with(code, $prefix) OR starts_with(code, 'fees:')"
        " OR starts_with(code, 'tax:'))",
        currency=currency,
        livemode=livemode,
        prefix=f"merchant:{statement.merchant_id}:",
    )
    always = [f"merchant:{statement.merchant_id}:{name}" for name in ALWAYS]
    standing = {account_id(code, currency, livemode, 0): (code, 0) for code in always}
    return standing | {str(id_): (str(code), int(stripe)) for id_, code, stripe in found}


def _rows(
    lake: Lake, statement: Statement, accounts: Mapping[str, tuple[str, int]]
) -> dict[str, list[Row]]:
    """The merchant's entries, the charges, and what lies beside them, with hashes of halves."""
    params = {
        "prefix": f"merchant:{statement.merchant_id}:",
        "merchant_id": ids.decode("mrc", statement.merchant_id),
        "currency": statement.currency,
        "livemode": statement.livemode,
        "start_date": statement.start_date,
        "end_date": statement.end_date,
        "accounts": [UUID(id_) for id_, (code, _) in accounts.items() if code[0] == "m"],
    }
    for name in ("own", "charges", "neighbours"):
        statement_ = sql_text(f"pack_{name}")
        lake.execute(f"CREATE OR REPLACE TEMP TABLE pack_{name} AS {statement_}", **params)
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE pack_wanted AS"
        " SELECT id, day, 'own' AS role FROM pack_own"
        " UNION ALL SELECT id, day, 'charge' FROM pack_charges"
        " UNION ALL SELECT id, day, 'neighbour' FROM pack_neighbours"
        " ANTI JOIN pack_own USING (id) ANTI JOIN pack_charges USING (id)"
    )
    rows: dict[str, list[Row]] = {"own": [], "charge": [], "neighbour": []}
    for row in lake.query("pack_rows").iter_rows(named=True):
        rows[row["role"]].append(_with_hashes(row))
    return rows


def _with_hashes(row: Row) -> Row:
    transaction = _transaction(row)
    hashed = digest(canonical(transaction)) if transaction["id"] else None
    return {**row, "balance": balance_hash(row), "posting": posting_hash(row, hashed)}


def _transaction(row: Row) -> Row:
    return {name[7:]: value for name, value in row.items() if name.startswith("posted_")}


def _transactions(rows: Iterable[Row]) -> list[Row]:
    found = {row["transaction_id"]: _transaction(row) for row in rows}
    return [found[id_] for id_ in sorted(found)]


def _pick(rows: Iterable[Row], names: Sequence[str]) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]


def _seals(lake: Lake) -> dict[int, Row]:
    """Every signed seal at the snapshot, by number."""
    found = lake.frame(
        "SELECT * REPLACE (day::VARCHAR AS day,"
        " strftime(sealed_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS sealed_at)"
        " FROM proof_seals WHERE number IS NOT NULL ORDER BY number"
    )
    return {row["number"]: row for row in found.iter_rows(named=True)}


def _under(seals: Mapping[int, Row], used: set[int | None], statement: Statement) -> Row:
    """The chain from the period's first seal to the newest, and older ones that entries need."""
    start, end = statement.start_date.isoformat(), statement.end_date.isoformat()
    of_period = [number for number, seal in seals.items() if start <= seal["day"] <= end]
    first = min(of_period, default=max(seals, default=0))
    older = sorted(number for number in used if number is not None and number < first)
    return {
        "seals": [_shown(seal) for number, seal in seals.items() if number >= first],
        "other_seals": [_shown(seals[number]) for number in older],
    }


def _shown(seal: Row) -> Row:
    trees = {tree: {"root": seal[f"{tree}_root"], "size": seal[f"{tree}_size"]} for tree in _TREES}
    names = ("number", "previous", "day", "part", "sealed_at", "hash", "key_id", "signature")
    return {**{name: seal[name] for name in names}, **trees}


def _keys(seals: Mapping[int, Row]) -> list[Row]:
    found = {seal["key_id"]: seal["public_key"] for seal in seals.values()}
    return [
        {"kty": "OKP", "crv": "Ed25519", "kid": key_id, "x": found[key_id], "use": "sig"}
        for key_id in sorted(found)
    ]


def _nodes(lake: Lake, seals: Mapping[int, Row], rows: Iterable[Row]) -> dict[str, list[str]]:
    """Of each seal the nodes that `needed` names, in its order."""
    leaves: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row["seal"] is not None:
            leaves[row["seal"]].add(row["leaf"])
    places = [
        (number, level, index)
        for number, of in sorted(leaves.items())
        for level, index in needed(seals[number]["entries_size"], of)
    ]
    columns = {"seal": pl.Int64, "level": pl.Int32, "node_index": pl.Int64}
    lake.connection.register("pack_places", pl.DataFrame(places, columns, orient="row").to_arrow())
    try:
        found = {tuple(row[:3]): str(row[3]) for row in lake.rows(sql_text("pack_nodes"))}
    finally:
        lake.connection.unregister("pack_places")
    nodes: dict[str, list[str]] = {str(number): [] for number in sorted(leaves)}
    for place in places:
        nodes[str(place[0])].append(found[place])
    return nodes
