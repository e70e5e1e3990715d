"""The days' trees: leaves as the verifier makes them, roots as RFC 6962 has them."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.warehouse.books import DAY, MERCHANT, NEXT_DAY, PENDING, Books, noon
from tests.unit.warehouse.seals import Signer, read_until, seal
from warehouse.__main__ import main
from warehouse.connection import Warehouse, WarehouseError
from warehouse.proof import sealing
from warehouse.proof.checking import verify_seals
from warehouse.proof.trees import hash_rows
from warehouse.statements import verify_statement as verifier


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    for number in range(5):
        books.capture(f"c{number}", 10_000 + number, noon(DAY, minute=number))
    books.refund("r", 100, noon(NEXT_DAY))
    add_event(warehouse, "first", 1)
    add_event(warehouse, "first", 2)
    warehouse.execute(
        "INSERT INTO raw_audit VALUES ('merchant_terms', 'm/1', $at, false, '{\"a\": \"é\\n\"}')",
        at=noon(DAY),
    )
    return books


def add_event(warehouse: Warehouse, aggregate: str, version: int) -> None:
    warehouse.execute(
        "INSERT INTO raw_events SELECT uuid(), md5($aggregate)::UUID, 'payment', 'payment.created',"
        " $version, $at, $merchant, '{\"amount\": 1}', NULL, false, 1",
        aggregate=aggregate,
        version=version,
        at=noon(DAY),
        merchant=MERCHANT,
    )


def rfc6962(leaves: list[bytes]) -> bytes:
    """The root as section 2.1 defines it: split at the largest power of two below the size."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = rfc6962(leaves[:split]), rfc6962(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaves_of(warehouse: Warehouse, tree: str) -> list[bytes]:
    found = warehouse.rows(
        "SELECT hash FROM proof_leaves WHERE tree = $tree AND day = $day AND part = 1"
        " ORDER BY leaf_index",
        tree=tree,
        day=DAY,
    )
    return [bytes(hash_) for (hash_,) in found]


def test_roots_are_those_of_the_standard(warehouse: Warehouse, books: Books) -> None:
    signer = Signer()
    seal(warehouse, NEXT_DAY, signer)
    draft = signer.asked[0]
    for tree, size in (("events", 2), ("entries", 25), ("audit", 1)):
        leaves = leaves_of(warehouse, tree)
        made = getattr(draft, tree)
        assert (made.size, made.root) == (size, rfc6962(leaves).hex())
    assert signer.asked[1].audit == sealing.Tree(root=hashlib.sha256(b"").hexdigest(), size=0)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33])
def test_the_verifier_builds_the_same_roots_from_any_leaves(size: int) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([rfc6962(below[n : n + 2]) for n in range(0, len(below), 2)])
    for shown in ({0}, {size - 1}, {size // 2, size - 1}, set(range(size))) if size else (set(),):
        nodes = {at: levels[at[0]][at[1]] for at in verifier.needed(size, shown)}
        made = verifier.root_of(size, {n: leaves[n] for n in shown}, nodes)
        assert made == rfc6962(leaves)


def test_the_verifier_makes_the_same_leaves_as_the_warehouse(
    warehouse: Warehouse, books: Books
) -> None:
    awkward = '{"note": "a\\u001f\\u000b\\"\\\\é\u2028", "b": [1, null]}'
    legs = [(PENDING, -5), ("fees:mdr", 5)]
    books.post("odd \x1f\x0b\\ü", 'ref "é\x1e', legs, noon(DAY, 9), awkward)
    hash_rows(warehouse, [DAY])
    made = dict(
        warehouse.rows("SELECT source_id::VARCHAR, hash FROM proof_rows WHERE tree = 'entries'")
    )
    text = "strftime({}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    entries = warehouse.frame(
        "SELECT * REPLACE (id::VARCHAR AS id, account_id::VARCHAR AS account_id,"
        " transaction_id::VARCHAR AS transaction_id, business_date::VARCHAR AS business_date,"
        f" {text.format('created_at')} AS created_at,"
        f" {text.format('effective_at')} AS effective_at)"
        " FROM raw_entries WHERE business_date = $day",
        day=DAY,
    )
    transactions = warehouse.frame(
        "SELECT id::VARCHAR AS id, cause::VARCHAR AS cause, kind, reference, livemode,"
        " merchant_id::VARCHAR AS merchant_id, business_date::VARCHAR AS business_date,"
        f" {text.format('effective_at')} AS effective_at, metadata::VARCHAR AS metadata"
        " FROM raw_transactions"
    )
    hashes = {
        row["id"]: verifier.digest(verifier.canonical(row))
        for row in transactions.iter_rows(named=True)
    }
    assert len(made) == 27
    for row in entries.iter_rows(named=True):
        posting = verifier.posting_hash(row, hashes[row["transaction_id"]])
        leaf = verifier.leaf_hash(row["account_id"], verifier.balance_hash(row), posting)
        assert leaf == bytes(made[row["id"]]), row


def test_days_without_anything_are_sealed_too_and_nothing_is_sealed_twice(
    warehouse: Warehouse, books: Books
) -> None:
    signer = Signer()
    later = NEXT_DAY + timedelta(days=2)
    days = [DAY + timedelta(days=n) for n in range(4)]
    assert seal(warehouse, later, signer) == [(day, 1) for day in days]
    assert [draft.entries.size for draft in signer.asked] == [25, 4, 0, 0]
    assert [draft.number for draft in signer.asked] == [1, 2, 3, 4]
    assert seal(warehouse, later, signer) == []


def test_a_day_that_is_not_over_is_not_sealed(warehouse: Warehouse, books: Books) -> None:
    with pytest.raises(WarehouseError, match="nothing was copied"):
        sealing.seal(warehouse, until=DAY, send=Signer())
    read_until(warehouse, noon(NEXT_DAY))
    with pytest.raises(WarehouseError, match="was not over"):
        sealing.seal(warehouse, until=NEXT_DAY, send=Signer())
    assert sealing.seal(warehouse, until=DAY, send=Signer()) == [(DAY, 1)]


def test_late_rows_get_a_seal_of_their_own(warehouse: Warehouse, books: Books) -> None:
    signer = Signer()
    seal(warehouse, NEXT_DAY, signer)
    before = warehouse.rows("SELECT * FROM proof_leaves ORDER BY ALL")
    books.capture("late", 777, noon(DAY, minute=50))
    assert sealing.late_rows(warehouse, until=NEXT_DAY) == [(DAY, 2, 5)]
    assert [late.what for late in verify_seals(warehouse).late] == ["unsealed"] * 5
    assert seal(warehouse, NEXT_DAY, signer) == [(DAY, 2)]
    draft = signer.asked[-1]
    assert (draft.number, draft.part, draft.entries.size, draft.events.size) == (3, 2, 5, 0)
    after = warehouse.rows("SELECT * FROM proof_leaves ORDER BY ALL")
    assert [row for row in after if row[1] == 1] == before
    result = verify_seals(warehouse)
    assert (result.wrong, result.late, result.seals) == ([], [], 3)


def test_a_run_that_dies_before_the_answer_sends_the_same_roots_again(
    warehouse: Warehouse, books: Books
) -> None:
    class Lost(Exception):
        pass

    signer = Signer()

    def lossy(draft: object) -> dict[str, Any]:
        answer = signer(draft)
        if len(signer.asked) == 2:
            raise Lost
        return answer

    read_until(warehouse, noon(NEXT_DAY + timedelta(days=1)))
    with pytest.raises(Lost):
        sealing.seal(warehouse, until=NEXT_DAY, send=lossy)
    assert sealing.last_seal(warehouse)[0] == 1
    books.capture("meanwhile", 500, noon(NEXT_DAY, minute=50))
    sealed = sealing.seal(warehouse, until=NEXT_DAY, send=signer)
    # The second is asked for as it was; what came meanwhile is a part of its own.
    first, again = signer.asked[1:3]
    assert (first.holds.entries, again.holds.entries) == (4, 9)
    assert msgspec.structs.replace(again, holds=first.holds) == first
    assert sealed == [(NEXT_DAY, 1), (NEXT_DAY, 2)]
    assert verify_seals(warehouse).wrong == []


TAMPERING: dict[str, tuple[str, set[str], str]] = {
    "a changed amount": (
        "UPDATE raw_entries SET amount_minor = amount_minor + 1 WHERE id = $row",
        {"changed"},
        "raw_entries",
    ),
    "a changed balance": (
        "UPDATE raw_entries SET balance_after = 0 WHERE id = $row",
        {"changed"},
        "raw_entries",
    ),
    "a removed entry": ("DELETE FROM raw_entries WHERE id = $row", {"removed"}, "raw_entries"),
    "an entry twice": (
        "INSERT INTO raw_entries FROM raw_entries WHERE id = $row",
        {"twice"},
        "raw_entries",
    ),
    "an entry moved to another day": (
        "UPDATE raw_entries SET business_date = $next WHERE id = $row",
        {"removed"},
        "raw_entries",
    ),
    "another reason for a posting": (
        "UPDATE raw_transactions SET reference = 'x' WHERE business_date = $day",
        {"changed"},
        "raw_entries",
    ),
    "a changed event": (
        "UPDATE raw_events SET data = '{\"amount\": 2}' WHERE version = 2",
        {"changed"},
        "raw_events",
    ),
    "changed terms": (
        "UPDATE raw_audit SET content = '{}'",
        {"changed"},
        "raw_audit",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_tampered_row_is_found_and_named(warehouse: Warehouse, books: Books, name: str) -> None:
    seal(warehouse, NEXT_DAY, Signer())
    assert verify_seals(warehouse).wrong == []
    statement, expected, table = TAMPERING[name]
    ((row,),) = warehouse.rows(
        "SELECT id FROM raw_entries WHERE business_date = $day ORDER BY id LIMIT 1", day=DAY
    )
    warehouse.execute(statement, row=row, next=NEXT_DAY, day=DAY)
    for day in (None, DAY):
        found = verify_seals(warehouse, day=day).wrong
        named = {finding.row.split(" ")[0] for finding in found}
        assert (expected <= {f.what for f in found}, named) == (True, {table}), found
        if table == "raw_entries" and "posting" not in name:
            assert f"raw_entries {row}" in {finding.row for finding in found}


def swap(warehouse: Warehouse, _: Books) -> None:
    """Two entries of one account change places."""
    warehouse.execute(
        "UPDATE raw_entries SET account_version = 3 - account_version WHERE account_version <= 2"
        " AND account_id = (SELECT id FROM raw_accounts WHERE code = $code)",
        code=PENDING,
    )


def rewrite(warehouse: Warehouse, _: Books) -> None:
    """A row is changed and its leaf made anew, as somebody would who may write to the lake."""
    warehouse.execute("UPDATE raw_entries SET amount_minor = 1 WHERE business_date = $day", day=DAY)
    hash_rows(warehouse, [DAY])
    warehouse.execute(
        "UPDATE proof_leaves SET hash = proof_rows.hash FROM proof_rows"
        " WHERE proof_leaves.source_id = proof_rows.source_id"
    )


def reorder_leaves(warehouse: Warehouse, _: Books) -> None:
    warehouse.execute(
        "UPDATE proof_leaves SET leaf_index = 1 - leaf_index"
        " WHERE tree = 'events' AND leaf_index < 2"
    )


def forge_root(warehouse: Warehouse, _: Books) -> None:
    warehouse.execute("UPDATE proof_seals SET entries_root = $root WHERE number = 1", root="0" * 64)


def drop_seal(warehouse: Warehouse, _: Books) -> None:
    warehouse.execute("DELETE FROM proof_seals WHERE number = 1")


def change_node(warehouse: Warehouse, _: Books) -> None:
    warehouse.execute("UPDATE proof_nodes SET hash = '\\x00'::BLOB WHERE level = 2")


def sign_again(warehouse: Warehouse, books: Books) -> None:
    """The whole lake sealed by somebody else."""
    for table in ("proof_leaves", "proof_nodes", "proof_seals"):
        warehouse.execute(f"DELETE FROM {table}")
    seal(warehouse, NEXT_DAY, Signer(b"2" * 32))


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (swap, {"changed", "moved"}),
        (rewrite, {"root", "node"}),
        (reorder_leaves, {"moved", "root"}),
        (forge_root, {"seal", "signature", "root"}),
        (drop_seal, {"chain"}),
        (change_node, {"node"}),
        (sign_again, {"signature"}),
    ],
)
def test_tampering_with_order_leaves_and_seals_is_found(
    warehouse: Warehouse,
    books: Books,
    tamper: Callable[[Warehouse, Books], None],
    expected: set[str],
) -> None:
    signer = Signer()
    seal(warehouse, NEXT_DAY, signer)
    keys = {key.jwk["x"] for key in signer.keys.public}
    assert verify_seals(warehouse, keys=keys).wrong == []
    tamper(warehouse, books)
    assert expected <= {finding.what for finding in verify_seals(warehouse, keys=keys).wrong}


def test_the_command_names_what_differs(
    warehouse: Warehouse, books: Books, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    signer = Signer()
    seal(warehouse, NEXT_DAY, signer)
    keys = tmp_path / "keys.json"
    keys.write_bytes(signer.jwks)
    place = ("--catalog", warehouse.config.catalog, "--data-path", warehouse.config.data_path)
    warehouse.close()  # a lake over a file has one user at a time

    def command(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main(["verify-seals", *place, *arguments])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    code, said = command("--key", str(keys))
    assert (code, said) == (
        0,
        [{"seals": 2, "rows": 32, "wrong": 0, "unsealed": 0, "keys": "given"}],
    )
    with Warehouse(warehouse.config) as again:
        again.execute("DELETE FROM raw_events WHERE version = 2")
    code, said = command("--day", DAY.isoformat())
    assert (code, [line.get("what") for line in said]) == (1, ["removed", None])
    assert said[0]["row"].startswith("raw_events ")
    assert command("--day", "2001-01-01")[0] == 1
    assert command("--key", str(tmp_path / "none.json"))[0] == 2
