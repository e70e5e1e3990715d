"""Reconciliation against worlds whose truth is known: nothing missed, nothing invented."""

import csv
import os
from collections import Counter
from pathlib import Path

import duckdb
import msgspec
import pytest

from tests.unit.warehouse.worlds import World, generate
from warehouse import connection
from warehouse.__main__ import main
from warehouse.connection import WarehouseError, sql_text
from warehouse.reconciliation import bank_side, engine, files
from warehouse.reconciliation.files import COLUMNS, reconcile_files
from warehouse.reconciliation.rules import Charges, load_rules


def run(world: World, folder: Path) -> tuple[dict[str, object], Path]:
    folder.mkdir()
    for name in COLUMNS:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[name].split(","))
            writer.writeheader()
            writer.writerows(getattr(world, name))
    paths = [folder / f"{name}.csv" for name in COLUMNS]
    out = folder / "out"
    return reconcile_files(*paths, out, rules=load_rules()), out


def found(out: Path) -> set[tuple[str, str, str]]:
    with (out / "breaks.csv").open() as file:
        return {(row["side"], row["kind"], row["row_ids"]) for row in csv.DictReader(file)}


# More on demand: KHATA_TRUTH_ROWS=1000000 runs a world of a million rows.
SIZES = (30, 300, int(os.environ.get("KHATA_TRUTH_ROWS", "10000")))


@pytest.mark.parametrize(("seed", "size"), list(enumerate(SIZES, 1)))
def test_every_break_is_found_and_none_is_invented(seed: int, size: int, tmp_path: Path) -> None:
    world = generate(seed, size)
    summary, out = run(world, tmp_path / "world")
    assert found(out) == world.truth
    assert summary["unexplained"] == 0


def positive(world: World) -> World:
    """The same world in a file that writes what it takes back without a sign."""
    for row in world.rail:
        if row["type"] in ("reversal", "refund", "chargeback"):
            for column in ("gross_minor", "fee_minor", "tax_minor", "net_minor"):
                row[column] = -int(str(row[column]))
    return world


def test_what_is_taken_back_without_a_sign_is_the_same(tmp_path: Path) -> None:
    world = positive(generate(6, 60))
    _, signed = run(generate(6, 60), tmp_path / "signed")
    _, plain = run(world, tmp_path / "plain")
    assert found(plain) == world.truth
    assert (plain / "summary.json").read_bytes() == (signed / "summary.json").read_bytes()


def test_row_order_changes_nothing(tmp_path: Path) -> None:
    world = generate(4, 200)
    _, first = run(world, tmp_path / "first")
    for seed in range(3):
        _, other = run(world.shuffled(seed), tmp_path / f"other{seed}")
        for name in ("matches.csv", "breaks.csv", "summary.json"):
            assert (other / name).read_bytes() == (first / name).read_bytes()


def test_a_row_is_in_one_match_group_at_most(tmp_path: Path) -> None:
    """Groups of ledger and rail are stars: one row of one side, one or several of the other."""
    _, out = run(generate(5, 500), tmp_path / "world")
    with (out / "matches.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["side"] == "rail"]
    ours, theirs = (Counter(row[name] for row in rows) for name in ("ledger_id", "rail_id"))
    several = {"many_to_one", "one_to_many"}
    for row in rows:
        assert min(ours[row["ledger_id"]], theirs[row["rail_id"]]) == 1
        assert (ours[row["ledger_id"]] + theirs[row["rail_id"]] > 2) == (row["rule"] in several)
    broken = {
        row_id for side, _, row_ids in found(out) for row_id in row_ids.split(";") if side == "rail"
    }
    assert not broken & (ours.keys() | theirs.keys())


def test_the_ambiguous_is_reported_and_not_guessed(tmp_path: Path) -> None:
    world = generate(7, 30)
    _, out = run(world, tmp_path / "world")
    with (out / "breaks.csv").open() as file:
        unsure = {row["row_ids"] for row in csv.DictReader(file) if "ambiguous" in row["reason"]}
    assert unsure == world.unsure


# What an engine that is wrong in one place would say: each must be caught by the known truth.
WRONG = (
    ("recon_exact", "AND ledger.amount_minor = rail.gross_minor", ""),
    ("recon_exact", "AND ledger.status = rail.status", ""),
    ("recon_exact", "AND ledger.kind <> 'reversal'", ""),
    (
        "recon_exact",
        "AND rail.day BETWEEN ledger.day - $early_days::INTEGER AND ledger.rail_last",
        "",
    ),
    ("recon_exact", "AND rail.adds_up", ""),
    ("recon_exact", "AND rail.is_taxed_right", ""),
    ("recon_exact", "ANTI JOIN recon_apart ON in_ledger.place = recon_apart.place", ""),
    ("recon_left_rail", "upper(trim(reference))", "reference"),
    ("recon_left_rail", "is_taxed_wrong AND gap_minor <> 0", "false"),
    ("recon_rail_members", "nth <= least(ledger_same, rail_same)", "false"),
    ("recon_rail_members", "AND ledger_same <> rail_same", "AND false"),
    ("recon_rail_parts", "ours.rail_copies = 0 AND theirs.ledger_copies = 0", "false"),
    ("recon_rail_groups", "AND $sums_of_rail::BOOLEAN", "AND false"),
    ("recon_rail_groups", "AND $sums_of_ledger::BOOLEAN", "AND false"),
    ("recon_rail_groups", "kind = 'reversal' AND (", "false AND ("),
    ("recon_rail_groups", "settled_on > last_in_window", "false"),
    ("recon_rail_returns", "HAVING bool_and(copies = 1 AND agrees)", ""),
    ("recon_bank_expected", "WHERE place = 1 OR NOT is_doubted", ""),
    ("recon_bank_links", "UNION ALL FROM by_piece", ""),
    ("recon_bank_links", "UNION ALL FROM by_word", ""),
    ("recon_bank_names", "unnest(utrs)", "utrs[1]"),
    ("recon_bank_groups", "line_count = 0 AND expected_minor = 0", "false"),
    ("recon_bank_groups", "booked_on > last_in_window", "false"),
    ("recon_subset_lines", "rail.settlement_id IS NULL AND rail.utr IS NULL", "false"),
    ("files_ledger", "THEN -size_minor", "THEN size_minor"),
    ("files_rail", "-abs(net)", "net"),
    ("files_ledger", "INTERVAL 510 MINUTE", "INTERVAL 330 MINUTE"),
)


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG)
def test_a_wrong_engine_is_found_out(
    name: str, right: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(asked: str) -> str:
        text = sql_text(asked)
        return text.replace(right, wrong) if asked == name else text

    assert right in sql_text(name)
    for module in (connection, engine, bank_side, files):
        monkeypatch.setattr(module, "sql_text", changed)
    world = positive(generate(8, 60))
    try:
        summary, out = run(world, tmp_path / "world")
    except (WarehouseError, duckdb.Error):
        return
    assert found(out) != world.truth or summary["unexplained"] != 0


def test_money_that_was_stored_twice_or_nowhere_is_unexplained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of every run, when the engine forgets its breaks and when it drops a row."""

    def run_with(name: str, right: str, wrong: str) -> int:
        def changed(asked: str) -> str:
            text = sql_text(asked)
            return text.replace(right, wrong) if asked == name else text

        for module in (connection, engine, bank_side):
            monkeypatch.setattr(module, "sql_text", changed)
        summary, _ = run(generate(9, 30), tmp_path / name)
        return int(str(summary["unexplained"]))

    assert run_with("recon_rail_breaks", "WHERE outcome NOT IN", "WHERE false AND outcome NOT IN")
    assert run_with("recon_bank_breaks", "'open')", "'open', 'unexpected_credit')")
    assert run_with("recon_bank_matches", "matched.outcome = 'matched'", "true")
    with pytest.raises(WarehouseError, match="lost or doubled"):
        run_with("recon_left_rail", "WHERE NOT is_matched", "WHERE false")


def _write(folder: Path, name: str, columns: str, *rows: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text("\n".join((columns, *rows)) + "\n")
    return path


def _files(folder: Path, ledger: list[str], rail: list[str], bank: list[str]) -> list[Path]:
    """Three files that also name counterparties."""
    rows = {"ledger": ledger, "rail": rail, "bank": bank}
    return [_write(folder, name, f"{COLUMNS[name]},counterparty", *rows[name]) for name in COLUMNS]


def test_a_counterparty_answers_where_both_rows_name_one(tmp_path: Path) -> None:
    at = "2026-11-16T04:30:00Z,upi_hdfc"
    ledger = [
        f"e1,p1,capture,a1,500,INR,debit,captured,{at},Asha",
        f"e2,p2,capture,a2,600,INR,debit,captured,{at},Ravi",
        f"e3,p3,capture,a3,600,INR,debit,captured,{at},Ravi",
        f"e4,p4,capture,a4,700,INR,debit,captured,{at},",
    ]
    rail = [
        "r1,x1,,capture,500,0,0,500,INR,SUCCESS,2026-11-17,,,ASHA",
        "r2,x2,,capture,600,0,0,600,INR,SUCCESS,2026-11-17,,,RAVI",
        "r4,x4,,capture,700,0,0,700,INR,SUCCESS,2026-11-17,,,",
    ]
    out = tmp_path / "out"
    reconcile_files(*_files(tmp_path, ledger, rail, []), out, rules=load_rules())
    with (out / "matches.csv").open() as file:
        ((rule, ours, theirs),) = [
            (row["rule"], row["ledger_id"], row["rail_id"]) for row in csv.DictReader(file)
        ]
    assert (rule, ours, theirs) == ("counterparty", "e1", "r1")
    with (out / "breaks.csv").open() as file:
        unsure = {row["row_ids"]: "ambiguous" in row["reason"] for row in csv.DictReader(file)}
    assert unsure == {"e2": True, "e3": True, "r2": True, "e4": False, "r4": False}


def test_charges_that_the_ledger_books_apart_are_compared_with_the_files(tmp_path: Path) -> None:
    at = "2026-11-16T04:30:00Z,card_visa,"
    ledger = [
        row
        for n in (1, 2, 3)
        for row in (
            f"e{n},p{n},capture,a{n},100000,INR,debit,captured,{at}",
            f"f{n},p{n},fee,a{n},2000,INR,debit,captured,{at}",
            f"t{n},p{n},tax,,360,INR,debit,captured,{at}",
        )
    ]
    rail = [
        "r1,a1,,payment,100000,2000,360,97640,INR,SUCCESS,2026-11-17,,,",
        "r2,a2,,payment,100000,2100,360,97540,INR,SUCCESS,2026-11-17,,,",
        "r3,a3,,payment,100000,2000,377,97623,INR,SUCCESS,2026-11-17,,,",
    ]
    out = tmp_path / "out"
    rules = msgspec.structs.replace(load_rules(), charges=Charges(tax_tolerance_minor=20))
    summary = reconcile_files(*_files(tmp_path, ledger, rail, []), out, rules=rules)
    assert found(out) == {
        ("rail", "fee_mismatch", "e2;f2;r2;t2"),
        ("rail", "tax_mismatch", "e3;f3;r3;t3"),
    }
    assert summary["unexplained"] == 0


def test_a_tolerance_is_a_rails_own(tmp_path: Path) -> None:
    at = "2026-11-16T04:30:00Z"
    ledger = [
        f"e1,p1,capture,a1,100000,INR,debit,captured,{at},swift_sbi,",
        f"e2,p2,capture,a2,100000,INR,debit,captured,{at},upi_hdfc,",
    ]
    rail = [f"r{n},a{n},,payment,99990,0,0,99990,INR,SUCCESS,2026-11-17,,," for n in (1, 2)]
    config = tmp_path / "rules.yaml"
    config.write_text("rails: {'swift*': {tolerance_bps: 1}}\n")
    out = tmp_path / "out"
    reconcile_files(*_files(tmp_path, ledger, rail, []), out, rules=load_rules(config))
    assert found(out) == {("rail", "amount_mismatch", "e2;r2")}
    with (out / "matches.csv").open() as file:
        ((rule, residual),) = [(row["rule"], row["residual_minor"]) for row in csv.DictReader(file)]
    assert (rule, residual) == ("reference_tolerance", "10")


@pytest.mark.parametrize(
    ("bank", "told"),
    [
        (
            'b1,2026-11-17,1,INR,credit,U,"a\nb"\nb2,2026-11-17,12.50,INR,credit,U,x',
            "line 4, column amount_minor: '12.50'",
        ),
        ("b1,2026-11-17,1e3,INR,credit,U,x", "line 2, column amount_minor: '1e3'"),
        ("b1,17/11/2026,1,INR,credit,U,x", "line 2, column value_date: '17/11/2026'"),
        ("b1,2026-11-17,99999999999999999999,INR,credit,U,x", "column amount_minor"),
        ("b1,2026-11-17,1,INR,credit,U,x\n,2026-11-17,1,INR,credit,U,x", "line 3, column line_id"),
        ("b1,2026-11-17,1", "Line: 2"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_and_nothing_is_written(
    bank: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {name: _write(tmp_path, name, COLUMNS[name]) for name in ("ledger", "rail")}
    paths["bank"] = _write(tmp_path, "bank", COLUMNS["bank"], bank)
    out = tmp_path / "out"
    given = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    assert main(["reconcile", *given, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert str(paths["bank"]) in error
    assert told in error
    assert list(out.iterdir()) == []


def test_files_of_a_header_only_are_empty_worlds(tmp_path: Path) -> None:
    paths = [_write(tmp_path, name, COLUMNS[name]) for name in COLUMNS]
    summary = reconcile_files(*paths, tmp_path / "out", rules=load_rules())
    assert (summary["matches"], summary["breaks"], summary["unexplained"]) == (0, {}, 0)
