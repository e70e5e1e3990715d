"""Loading: all of a file or nothing of it, whatever it is and whenever the process dies."""

import json
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from assets.bank_files import write_report
from online.sandbox import switch_file
from tests.unit.warehouse.books import DAY, Books, noon, rail_file, rail_line, receive
from warehouse import connection as connection_module
from warehouse.bank_files import load
from warehouse.bank_files.expected import Expected, awaited
from warehouse.bank_files.load import load_file
from warehouse.connection import Lake, LakeConfig, Warehouse

ROWS = 4_000
_LOADER = """
import sys
from pathlib import Path
from tests.unit.warehouse.books import DAY, noon
from warehouse.bank_files.load import load_file
from warehouse.connection import LakeConfig, Warehouse

catalog, data, path = sys.argv[1:]
with Warehouse(LakeConfig(catalog=catalog, data_path=data, threads=1)) as lake:
    print("ready", flush=True)
    load_file(lake, Path(path), received_at=noon(DAY))
    print("loaded", flush=True)
"""


def _switch(*amounts: int) -> bytes:
    lines = [rail_line(f"att_{n}", amount, noon(DAY)) for n, amount in enumerate(amounts)]
    return switch_file.render(rail_file(lines, DAY))


def _counts(lake: Warehouse) -> tuple[int, int, int]:
    return (
        lake.count("raw_bank_files"),
        lake.count("raw_rail_rows"),
        lake.count("raw_file_parts"),
    )


def test_a_load_that_is_killed_at_any_moment_leaves_all_or_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    config = warehouse.config
    warehouse.close()
    path = tmp_path / "big.csv"
    path.write_bytes(_switch(*range(100, 100 + ROWS)))
    seen = set()
    for after in (0.0, 0.05, 0.2, 0.5, None):
        child = subprocess.Popen(
            [sys.executable, "-c", _LOADER, config.catalog, config.data_path, str(path)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        if after is not None:
            time.sleep(after)
            child.send_signal(signal.SIGKILL)
        child.wait(120)
        with Warehouse(LakeConfig(catalog=config.catalog, data_path=config.data_path)) as lake:
            seen.add(_counts(lake))
    assert seen <= {(0, 0, 0), (1, ROWS, 1)}
    assert (1, ROWS, 1) in seen


def test_two_loads_at_once_do_not_both_count(warehouse: Warehouse, tmp_path: Path) -> None:
    """Two connections, as two processes over a catalog in PostgreSQL have them."""
    receive(warehouse, tmp_path, "first.csv", _switch(1))
    path = tmp_path / "a.csv"
    path.write_bytes(_switch(1, 2))
    inside = load._read

    def meanwhile(of: Path) -> object:
        """Another loader is done while we still read."""
        other = Warehouse.__new__(Warehouse)
        other.connection = warehouse.connection.cursor()
        other.connection.execute("USE lake")
        other.config = warehouse.config
        with monkeypatch.context() as patched:
            patched.setattr(load, "_read", inside)
            assert load_file(other, path, received_at=noon(DAY)).status == "loaded"
        other.connection.close()
        return inside(of)

    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched:
        patched.setattr(load, "_read", meanwhile)
        assert load_file(warehouse, path, received_at=noon(DAY)).status == "duplicate"
    assert warehouse.count("raw_rail_rows") == 3


def test_loads_get_in_each_other_s_way_at_their_commit(warehouse: Warehouse) -> None:
    load._take_turn(warehouse)
    other = warehouse.connection.cursor()
    other.execute("USE lake")
    for connection in (warehouse.connection, other):
        connection.execute("BEGIN TRANSACTION")
        load._take_turn(Lake(connection))
    warehouse.connection.execute("COMMIT")
    with pytest.raises(duckdb.Error) as refused:
        other.execute("COMMIT")
    assert connection_module._is_conflict(refused.value)


def test_a_file_that_cannot_be_stored_leaves_nothing(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("warehouse.bank_files.reissues.settle", broken)
    with pytest.raises(RuntimeError):
        receive(warehouse, tmp_path, "a.csv", _switch(1, 2))
    assert _counts(warehouse) == (0, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04" + bytes(100), "is a zip archive or an office document"),
        (b"\x1f\x8b" + bytes(100), "is compressed (gzip)"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_text_is_refused_unopened(
    warehouse: Warehouse, tmp_path: Path, content: bytes, reason: str
) -> None:
    result = receive(warehouse, tmp_path, "a.csv", content)
    assert (result.status, result.problems[0].reason) == ("quarantined", reason)


def test_a_file_larger_than_any_bank_sends_is_not_read(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)
    result = load_file(warehouse, path, received_at=noon(DAY))
    assert result.status == "quarantined"
    assert "is larger than" in result.problems[0].reason


def test_a_quarantined_file_is_told_of_in_a_report(warehouse: Warehouse, tmp_path: Path) -> None:
    bad = _switch(1, 2).replace(b",0.01,", b",0.0l,")
    result = receive(warehouse, tmp_path, "a.csv", bad)
    path = write_report(result, tmp_path / "quarantine")
    report = json.loads(path.read_text())
    assert (report["file"], report["file_sha256"]) == ("a.csv", result.file_sha256)
    assert report["problems"][0] == {
        "line": 2,
        "field": "Gross Amount",
        "value": "0.0l",
        "reason": "is not a decimal amount",
    }
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_quarantined_file_is_tried_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _switch(1, 2)
    with monkeypatch.context() as patched:
        # Until we know a layout, its files are quarantined.
        patched.setattr(load.csv_layout, "find", lambda head: None)
        assert receive(warehouse, tmp_path, "a.csv", good).status == "quarantined"
        assert receive(warehouse, tmp_path, "a.csv", good).status == "quarantined"
        assert _counts(warehouse) == (1, 0, 0)
    assert receive(warehouse, tmp_path, "a.csv", good).status == "loaded"
    assert _counts(warehouse) == (1, 2, 1)


# ── files that have not come ─────────────────────────────────────────────────────────────────

RAIL = Expected(
    kind="rail", name="upi_hdfc", days_after=1, by="06:00", days="every", valid_from=DAY, source="x"
)
BANK = Expected(
    kind="bank", name="123", days_after=1, by="06:00", days="bank", valid_from=DAY, source="x"
)


def test_a_rail_owes_a_file_for_what_our_books_have_with_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    def missing(hours: int) -> list[tuple[str, bool, int]]:
        as_of = noon(DAY) + timedelta(hours=hours)
        found = awaited(warehouse, DAY, as_of=as_of, expected=(RAIL,))
        return [(file.name, file.late, file.in_books) for file in found]

    assert missing(48) == []
    reference = Books(warehouse).capture("a", 5_000, noon(DAY))
    warehouse.replace_day("stg_ledger_rows", "stg_ledger_rows", day=DAY)
    assert missing(17) == [("upi_hdfc", False, 1)]
    assert missing(19) == [("upi_hdfc", True, 1)]
    lines = [rail_line(reference, 5_000, noon(DAY))]
    receive(warehouse, tmp_path, "a.csv", switch_file.render(rail_file(lines, DAY)))
    assert missing(19) == []


def test_a_bank_owes_a_statement_for_its_days(warehouse: Warehouse) -> None:
    sunday = DAY + timedelta(days=6)
    for day, owed in ((DAY, 1), (sunday, 0), (DAY - timedelta(days=7), 0)):
        as_of = noon(day) + timedelta(days=2)
        assert len(awaited(warehouse, day, as_of=as_of, expected=(BANK,))) == owed
