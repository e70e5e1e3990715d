"""Reconciling plain files, next to what anyone has at hand: one full outer join of the same files.

Each run is a process of its own, so that its memory is its own. `KHATA_BENCH_RECONCILE_ROWS` sets
the size (5,000,000 ledger and as many rail rows by default); the tenth of it shows the growth.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.load.stage import Figure, Stage

ROWS = int(os.environ.get("KHATA_BENCH_RECONCILE_ROWS", "5000000"))

# One row in a thousand is missing, one differs; settlements of ten thousand rows.
_LEDGER = """
COPY (
    SELECT 'txn_' || md5('e' || i) AS entry_id, 'pay_' || md5('p' || i) AS payment_id,
        'capture' AS kind, 'att_' || md5('r' || i) AS reference,
        100 + hash(i) % 1000000 AS amount_minor, 'INR' AS currency, 'debit' AS direction,
        'captured' AS status,
        strftime(TIMESTAMP '2026-11-16 04:00:00' + to_seconds((i * 7) % 36000),
            '%Y-%m-%dT%H:%M:%SZ') AS occurred_at,
        'upi_hdfc' AS route
    FROM range({rows}) AS numbers(i)
) TO '{folder}/ledger.csv' (HEADER)
"""
_RAIL = """
COPY (
    SELECT 'r' || lpad(i::VARCHAR, 10, '0') AS rail_ref, 'att_' || md5('r' || i) AS reference,
        'ord_' || i AS order_id, 'capture' AS type,
        (100 + hash(i) % 1000000)::BIGINT - CASE WHEN i % 1000 = 9 THEN 1 ELSE 0 END AS gross_minor,
        gross_minor // 100 AS fee_minor, fee_minor * 18 // 100 AS tax_minor,
        gross_minor - fee_minor - tax_minor AS net_minor, 'INR' AS currency, 'SUCCESS' AS status,
        DATE '2026-11-16' AS settled_on, 'STL' || (i // 10000) AS settlement_id,
        'HDFCN52026' || lpad((i // 10000)::VARCHAR, 8, '0') AS utr
    FROM range({rows}) AS numbers(i)
    WHERE i % 1000 <> 7
    ORDER BY hash(i)
) TO '{folder}/rail.csv' (HEADER)
"""
_BANK = """
COPY (
    SELECT 'b' || utr AS line_id, DATE '2026-11-17' AS value_date,
        sum(net_minor)::BIGINT AS amount_minor, 'INR' AS currency, 'credit' AS direction, utr,
        'NEFT CR ' || utr AS narrative
    FROM read_csv('{folder}/rail.csv')
    GROUP BY utr
    ORDER BY utr
) TO '{folder}/bank.csv' (HEADER)
"""
_JOIN = """
import duckdb, sys
duckdb.execute(
    f"COPY (SELECT * FROM read_csv('{sys.argv[1]}/ledger.csv') AS ledger FULL JOIN"
    f" read_csv('{sys.argv[1]}/rail.csv') AS rail USING (reference))"
    f" TO '{sys.argv[1]}/joined.parquet' (FORMAT parquet)"
)
"""


@dataclass(frozen=True)
class Run:
    """One process: how long it took, and the most memory it held."""

    seconds: float
    peak_gib: float
    printed: str


def figures(_stage: Stage, _seconds: int) -> list[Figure]:
    """Seconds of both at full size, and seconds a million rows at full size and at a tenth."""
    folder = _stage.folder / "reconcile"
    small, _ = _measure(folder, ROWS // 10)
    ours, join = _measure(folder, ROWS)
    more = {
        "rows": ROWS,
        "peak_gib": round(ours.peak_gib, 2),
        "baseline_peak_gib": round(join.peak_gib, 2),
    }
    a_million = ours.seconds / ROWS * 1e6, small.seconds / (ROWS // 10) * 1e6
    return [
        Figure("reconcile", ours.seconds, join.seconds, "s", more),
        Figure("reconcile growth", *a_million, "s a million rows, against a tenth of them"),
    ]


def _measure(folder: Path, rows: int) -> tuple[Run, Run]:
    folder.mkdir(parents=True, exist_ok=True)
    for statement in (_LEDGER, _RAIL, _BANK):
        duckdb.execute(statement.format(rows=rows, folder=folder))
    join = _run("-c", _JOIN, str(folder))
    files = [part for name in ("ledger", "rail", "bank") for part in _option(folder, name)]
    ours = _run("-m", "warehouse", "reconcile", *files, "--out", str(folder / "out"))
    told = json.loads(ours.printed)
    broken = {"amount_mismatch": rows // 1000, "missing_external": rows // 1000}
    if told["unexplained"] or told["breaks"] != {"rail": broken}:
        raise AssertionError(f"the files have other breaks than {broken}: {told}")
    return ours, join


def _option(folder: Path, name: str) -> tuple[str, str]:
    return f"--{name}", str(folder / f"{name}.csv")


def _run(*arguments: str) -> Run:
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Run(seconds, usage.ru_maxrss / 2**20, printed)
