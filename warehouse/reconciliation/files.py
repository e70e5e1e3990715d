"""The reconciliation engine over plain CSV files, for whoever wants to try it without a lake.

Belongs here: reading the three files and writing the three results. Does not: any matching.
"""

import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse.connection import Lake, WarehouseError, quoted, sql_text
from warehouse.reconciliation.engine import load_words, match
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
OPTIONAL = ("counterparty",)
MEMORY_LIMIT = "3300MiB"
_PLACES = ("matched", "broken", "open")
BREAKS = "break_id,kind,side,row_ids,reference,expected_minor,actual_minor,currency,reason"
MATCHES = (
    "side,rule,ledger_id,rail_id,bank_id,settlement_id,reference,amount_minor,currency,"
    "residual_minor"
)
# Any fixed order does; that of one number is cheap to sort millions of rows by.
_ORDER = "hash(side, ledger_id, rail_id, bank_id, settlement_id, reference, amount_minor, currency)"


def reconcile_files(
    ledger: Path, rail: Path, bank: Path, out: Path, *, rules: Rules
) -> dict[str, object]:
    """Write matches.csv, breaks.csv and summary.json into `out`; returns the summary.

    Raises WarehouseError naming file, line, column and value where a file cannot be read; then
    nothing is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".reconcile-", dir=out) as folder:
        made = Path(folder)
        with _lake(made / "spill") as lake:
            load_words(lake, rules)
            for name, path in (("ledger", ledger), ("rail", rail), ("bank", bank)):
                _read(lake, name, path)
            lake.execute(
                "CREATE TEMP TABLE in_through AS"
                " SELECT NULL::VARCHAR AS source, NULL::DATE AS through"
            )
            # Plain files are all there is: whatever they do not show is missing.
            match(lake, day=None, as_of=None, rules=rules)
            summary = _summary(lake)
            _write(lake, made)
        (made / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        for name in ("matches.csv", "breaks.csv", "summary.json"):
            (made / name).replace(out / name)
    return summary


@contextmanager
def _lake(spill: Path) -> Iterator[Lake]:
    with duckdb.connect(":memory:") as connection:
        lake = Lake(connection)
        lake.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        lake.execute(f"SET temp_directory = {quoted(str(spill))}")
        lake.execute("SET preserve_insertion_order = false")
        lake.execute("SET TimeZone = 'UTC'")
        yield lake


def _read(lake: Lake, name: str, path: Path) -> None:
    header = _header(path)
    missing = set(COLUMNS[name].split(",")) - set(header)
    if missing:
        raise WarehouseError(f"{path}: columns are missing: {', '.join(sorted(missing))}")
    columns = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in header)
    absent = "".join(f", NULL::VARCHAR AS {one}" for one in OPTIONAL if one not in header)
    # Read once, as text: what cannot be read is looked up where it stands, if there is any.
    lake.execute(
        f"CREATE OR REPLACE TEMP VIEW file_{name} AS SELECT *{absent} FROM"
        f" read_csv({quoted(str(path))}, header = true, auto_detect = false, delim = ',',"
        f" quote = '\"', escape = '\"', columns = {{{columns}}})"
    )
    try:
        lake.execute(f"CREATE TEMP TABLE in_{name} AS {sql_text(f'files_{name}')}")
    except duckdb.Error as error:
        raise WarehouseError(f"{path}: {_first_lines(error)}") from error
    wrong = lake.rows(
        f"SELECT DISTINCT wrong, coalesce(wrong_value, '') FROM in_{name}"
        " WHERE wrong IS NOT NULL LIMIT 1000"
    )
    if wrong:
        raise WarehouseError(_where(path, header, {(str(c), str(v)) for c, v in wrong}))


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [column.strip().lower() for column in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WarehouseError(f"{path}: {error}") from error


def _first_lines(error: duckdb.Error) -> str:
    stated = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(stated[:3])


def _where(path: Path, header: Sequence[str], wrong: set[tuple[str, str]]) -> str:
    """The first place in the file with one of the values that cannot be read."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        line = 1
        for row in reader:
            fields = dict(zip(header, row, strict=False))
            for column, value in sorted(wrong):
                stated = fields.get(column, "")
                if line > 1 and (stated == value or (not stated.strip() and not value.strip())):
                    told = f"{stated!r} cannot be read" if stated.strip() else "a value is missing"
                    return f"{path}: line {line}, column {column}: {told}"
            line = reader.line_num + 1
    column, value = min(wrong)
    return f"{path}: column {column}: {value!r} cannot be read"


def _write(lake: Lake, folder: Path) -> None:
    lake.execute(
        f"COPY (SELECT {MATCHES} FROM found_matches ORDER BY {_ORDER})"
        f" TO {quoted(str(folder / 'matches.csv'))} (HEADER, DELIMITER ',')"
    )
    columns = BREAKS.replace("row_ids", "array_to_string(row_ids, ';') AS row_ids")
    lake.execute(
        f"COPY (SELECT {columns} FROM found_breaks ORDER BY side, kind, row_ids, break_id)"
        f" TO {quoted(str(folder / 'breaks.csv'))} (HEADER, DELIMITER ',')"
    )


def _summary(lake: Lake) -> dict[str, object]:
    by_side: dict[str, dict[str, int]] = {}
    for side, kind, count in lake.rows(
        "SELECT side, kind, count(*) FROM found_breaks GROUP BY ALL ORDER BY ALL"
    ):
        by_side.setdefault(side, {})[kind] = count
    rules = lake.rows(
        "SELECT side || ': ' || rule, count(*) FROM found_matches GROUP BY 1 ORDER BY 1"
    )
    totals = lake.query("recon_totals", day=None).drop("business_date")
    ordered = list(totals.sort("side", "input", "currency").iter_rows(named=True))
    gap = sum(
        abs(row[f"input_{unit}"] - sum(row[f"{place}_{unit}"] for place in _PLACES))
        for row in ordered
        for unit in ("minor", "count")
    )
    return {
        "matches": sum(count for _, count in rules),
        "rules": dict(rules),
        "breaks": by_side,
        "totals": ordered,
        "unexplained": gap,
    }
