"""Reconciliation against worlds whose truth is known: nothing missed, nothing invented."""

import csv
from pathlib import Path

import pytest

from tests.unit.warehouse.worlds import World, generate
from warehouse.reconciliation.files import COLUMNS, reconcile_files
from warehouse.reconciliation.rules import load_rules


def _run(world: World, folder: Path) -> tuple[dict[str, object], Path]:
    folder.mkdir()
    for name in COLUMNS:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[name].split(","))
            writer.writeheader()
            writer.writerows(getattr(world, name))
    paths = [folder / f"{name}.csv" for name in COLUMNS]
    out = folder / "out"
    return reconcile_files(*paths, out, rules=load_rules()), out


def _found(out: Path) -> set[tuple[str, str, str]]:
    with (out / "breaks.csv").open() as file:
        return {(row["side"], row["kind"], row["row_ids"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize(("seed", "size"), [(1, 30), (2, 300), (3, 3_000)])
def test_every_break_is_found_and_none_is_invented(seed: int, size: int, tmp_path: Path) -> None:
    world = generate(seed, size)
    summary, out = _run(world, tmp_path / "world")
    assert _found(out) == world.truth
    assert summary["unexplained"] == 0


def test_a_reversal_written_as_a_positive_amount_is_the_same_reversal(tmp_path: Path) -> None:
    world = generate(6, 60)
    for row in world.rail:
        if row["type"] == "reversal":
            for column in ("gross_minor", "fee_minor", "tax_minor", "net_minor"):
                row[column] = -int(str(row[column]))
    _, signed = _run(generate(6, 60), tmp_path / "signed")
    _, plain = _run(world, tmp_path / "plain")
    assert _found(plain) == world.truth
    assert (plain / "summary.json").read_bytes() == (signed / "summary.json").read_bytes()


def test_row_order_changes_nothing(tmp_path: Path) -> None:
    world = generate(4, 200)
    _, first = _run(world, tmp_path / "first")
    for seed in range(3):
        _, other = _run(world.shuffled(seed), tmp_path / f"other{seed}")
        for name in ("matches.csv", "breaks.csv", "summary.json"):
            assert (other / name).read_bytes() == (first / name).read_bytes()


def test_a_row_is_in_one_match_group_at_most(tmp_path: Path) -> None:
    _, out = _run(generate(5, 500), tmp_path / "world")
    with (out / "matches.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["side"] == "rail"]
    for column in ("ledger_id", "rail_id"):
        assert len({row[column] for row in rows}) == len(rows)
