"""The reconciliation engine over plain CSV files, for whoever wants to try it without a lake.

Belongs here: reading the three files and writing the three results. Does not: any matching.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from warehouse.connection import Lake, WarehouseError, quoted, sql_text
from warehouse.reconciliation.engine import found_breaks, match
from warehouse.reconciliation.rules import Rules

COLUMNS = {
    "ledger": (
        "entry_id,payment_id,kind,reference,amount_minor,currency,direction,status,occurred_at,route"
    ),
    "rail": (
        "rail_ref,reference,order_id,type,gross_minor,fee_minor,tax_minor,net_minor,currency,"
        "status,settled_on,settlement_id,utr"
    ),
    "bank": "line_id,value_date,amount_minor,currency,direction,utr,narrative",
}
_PLACES = ("matched", "broken", "open")
BREAKS = "break_id,kind,side,row_ids,reference,expected_minor,actual_minor,currency,reason"
MATCHES = (
    "side,rule,ledger_id,rail_id,bank_id,settlement_id,reference,amount_minor,currency,"
    "residual_minor"
)


def reconcile_files(
    ledger: Path, rail: Path, bank: Path, out: Path, *, rules: Rules
) -> dict[str, object]:
    """Write matches.csv, breaks.csv and summary.json into `out`; returns the summary."""
    with duckdb.connect(":memory:") as connection:
        lake = Lake(connection)
        lake.execute("SET TimeZone = 'UTC'")
        for name, path in (("ledger", ledger), ("rail", rail), ("bank", bank)):
            _read(lake, name, path)
        _normalise_statuses(lake, rules)
        lake.execute(
            "CREATE TEMP TABLE in_through AS SELECT NULL::VARCHAR AS source, NULL::DATE AS through"
        )
        # Plain files are all there is: whatever they do not show is missing.
        match(lake, day=None, as_of=None, rules=rules)
        breaks = found_breaks(lake)
        totals = lake.query("recon_totals", day=None)
        matches = lake.frame("SELECT * FROM found_matches ORDER BY ALL")
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "matches.csv", MATCHES.split(","), _plain(matches))
    _write(out / "breaks.csv", BREAKS.split(","), _plain(breaks))
    summary = _summary(matches, breaks, totals)
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _read(lake: Lake, name: str, path: Path) -> None:
    lake.execute(
        f"CREATE TEMP TABLE file_{name} AS FROM read_csv({quoted(str(path))},"
        " header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    )
    found = {str(row[0]) for row in lake.rows(f"DESCRIBE file_{name}")}
    missing = set(COLUMNS[name].split(",")) - found
    if missing:
        raise WarehouseError(f"{path}: columns are missing: {', '.join(sorted(missing))}")
    # An empty field reads as NULL; the statements below want to see it as it was written.
    filled = ", ".join(f'"{column}" = coalesce("{column}", \'\')' for column in sorted(found))
    lake.execute(f"UPDATE file_{name} SET {filled}")
    lake.execute(f"CREATE TEMP TABLE in_{name} AS {sql_text(f'files_{name}')}")


def _normalise_statuses(lake: Lake, rules: Rules) -> None:
    for table in ("in_ledger", "in_rail"):
        for (word,) in lake.rows(f"SELECT DISTINCT status FROM {table}"):
            lake.execute(
                f"UPDATE {table} SET status = $ours WHERE status = $word",
                ours=rules.status(word),
                word=word,
            )


def _plain(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Rows as text files write them: ids joined by semicolons, copies of an id under that id."""
    rows = []
    for row in frame.iter_rows(named=True):
        ids_found = [str(found).rstrip("~") for found in row.get("row_ids") or []]
        plain = {k: v.rstrip("~") if isinstance(v, str) else v for k, v in row.items()}
        rows.append({**plain, "row_ids": ";".join(ids_found)})
    return rows


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _summary(
    matches: pl.DataFrame, breaks: pl.DataFrame, totals: pl.DataFrame
) -> dict[str, object]:
    kinds = breaks.group_by("side", "kind").len().sort("side", "kind")
    by_side: dict[str, dict[str, int]] = {}
    for side, kind, count in kinds.iter_rows():
        by_side.setdefault(side, {})[kind] = count
    ordered = totals.drop("business_date").sort("side", "input", "currency")
    gap = sum(
        abs(row[f"input_{unit}"] - sum(row[f"{place}_{unit}"] for place in _PLACES))
        for row in ordered.iter_rows(named=True)
        for unit in ("minor", "count")
    )
    return {
        "matches": matches.height,
        "breaks": by_side,
        "totals": list(ordered.iter_rows(named=True)),
        "unexplained": gap,
    }
