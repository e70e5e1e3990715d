"""A Dagster run killed at any point, then run again: the same tables, nothing twice."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from online.sandbox import camt, switch_file
from tests import mortal
from tests.architecture.source import ROOT
from tests.unit.warehouse.books import (
    DAY,
    NEXT_DAY,
    Books,
    bank_file,
    credit,
    noon,
    rail_file,
    rail_line,
)
from warehouse import schema

DEATHS = int(os.environ.get("KHATA_DEATHS", "4"))  # more of them take longer
# What a table says of when it was made, or under which number: true of each run by itself.
_OF_THE_RUN = {"received_at", "sealed_at", "snapshot"}


def _begin(folder: Path) -> None:
    """A day with a match, a refund, a row on either side alone, a payout, and two files of it."""
    folder.mkdir()
    with mortal.open_lake(folder) as warehouse:
        schema.ensure(warehouse)
        books = Books(warehouse)
        both = [books.capture(name, 10_000, noon(DAY)) for name in ("a", "b", "c")]
        books.capture("ours", 5_000, noon(DAY, minute=1))
        books.pay_out("paid", 9_000, noon(DAY, minute=2))
        lines = [rail_line(reference, 10_000, noon(DAY)) for reference in both]
        lines.append(rail_line("att_theirs", 700, noon(DAY)))
    inbox = folder / "inbox"
    inbox.mkdir()
    settled = rail_file(lines, DAY)
    (inbox / "switch.csv").write_bytes(switch_file.render(settled))
    (inbox / "bank.xml").write_bytes(camt.render(bank_file(NEXT_DAY, 0, credit(settled))))


def _run(folder: Path, point: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.mortal", str(folder), str(point)],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def _tables(folder: Path) -> dict[str, list[str]]:
    """Every row of every table, in one order, less what is true of one run only."""
    found = {}
    with mortal.open_lake(folder) as warehouse:
        for table in warehouse.tables():
            frame = warehouse.frame(f"FROM {table}")
            kept = [column for column in frame.columns if column not in _OF_THE_RUN]
            found[table] = sorted(map(str, frame.select(kept).rows()))
    return found


def _told(folder: Path) -> set[str]:
    """What online was told, each once: it knows a line that it has had."""
    lines = (folder / "online.ndjson").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    for each in told:
        each["line"].pop("snapshot", None)
    return {json.dumps(each, sort_keys=True) for each in told}


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The same day, not disturbed, and how many acts it takes."""
    folder = tmp_path_factory.mktemp("control") / "lake"
    _begin(folder)
    done = _run(folder)
    assert done.returncode == 0, done.stderr
    return folder, int(done.stdout.split()[-1])


def test_a_run_killed_anywhere_and_run_again_leaves_the_same_tables(
    control: tuple[Path, int], tmp_path: Path
) -> None:
    undisturbed, acts = control
    folder = tmp_path / "lake"
    _begin(folder)
    choice = random.Random(4)
    ends = []
    for point in sorted(choice.sample(range(2, acts), DEATHS)):
        died = _run(folder, point)
        # A later run has less to do: it may end before its point.
        assert died.returncode in {-9, 0}, died.stderr
        ends.append(died.returncode)
    assert ends.count(-9) > DEATHS // 2
    done = _run(folder)
    assert done.returncode == 0, done.stderr
    assert _tables(folder) == _tables(undisturbed)
    assert _told(folder) == _told(undisturbed)


def test_running_a_day_again_changes_nothing(control: tuple[Path, int]) -> None:
    folder, _ = control
    before, told = _tables(folder), _told(folder)
    assert _run(folder).returncode == 0
    assert _tables(folder) == before
    assert _told(folder) == told
