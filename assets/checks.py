"""What must hold before anything downstream may use a table.

Belongs here: conservation of money, in SQL, and running the column rules of `expectations` as
checks. Does not: a rule of one column; none is kept twice. Each statement in `assets/sql` gives the
rows that are wrong, so a check that fails shows them.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets import display
from assets.partitions import day_of_check
from assets.ports import Folders
from assets.statements import manifest_path
from expectations import run as quality
from warehouse.connection import Lake, Warehouse
from warehouse.reconciliation import conservation_gap
from warehouse.schema import tables

_SQL: Final = Path(__file__).parent / "sql"
_SHOWN: Final = 20


@cache
def sql(name: str) -> str:
    """The statement in `assets/sql/<name>.sql`."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8").strip()


def nothing_wrong(lake: Lake, statement: str, **params: object) -> dg.AssetCheckResult:
    """Passed if the statement finds no row; otherwise the rows it found."""
    wrong = lake.frame(sql(statement), **params)
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        metadata={
            "wrong_rows": wrong.height,
            "found": display.table(wrong.columns, wrong.head(_SHOWN).rows()),
            **{name: str(value) for name, value in params.items()},
        },
    )


def conserved(name: str, asset: str, statement: str, description: str) -> dg.AssetChecksDefinition:
    """A blocking check over the whole table or, in a run of one day, over that day."""

    @dg.asset_check(name=name, asset=asset, blocking=True, description=description)
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.AssetCheckResult:
        params: dict[str, object] = {}
        if "$day" in sql(statement):
            params["day"] = day_of_check(context)
        return nothing_wrong(warehouse, statement, **params)

    return check


CONSERVATION: Final = (
    conserved(
        *("entries_sum_to_zero", "raw_entries", "ledger_unbalanced"),
        "Debits equal credits: in every currency and layer, and in every single posting.",
    ),
    conserved(
        *("nothing_points_nowhere", "raw_entries", "ledger_orphans"),
        "Every leg has its posting and its account, and every posting its legs.",
    ),
    conserved(
        *("staged_equals_posted", "stg_ledger_rows", "ledger_rows_against_entries"),
        "What we claim from each rail is what the ledger moved on its receivable that day.",
    ),
    conserved(
        *("net_is_gross_less_costs", "stg_rail_rows", "rail_rows_off"),
        "On every row of a rail: net = gross − fee − GST.",
    ),
    conserved(
        *("statement_lines_foot", "stg_bank_lines", "bank_lines_off"),
        "The bank's opening balance and its lines lead to its closing balance.",
    ),
    conserved(
        *("batches_equal_the_ledger", "settlement_batches", "settlement_off"),
        "Each batch foots, is the sum of its lines, and is what the ledger moved for the merchant.",
    ),
    conserved(
        *("debits_equal_credits", "mart_trial_balance", "trial_balance_off"),
        "The trial balance balances, in every currency and layer.",
    ),
    conserved(
        *("closed_days_owe_nothing", "mart_trial_balance", "receivable_left"),
        "Once a day's files are in, no rail owes us anything for it: it was settled, or it is a "
        "break in suspense, or it is not yet due.",
    ),
    conserved(
        *("merchants_add_up", "mart_merchant_day", "merchant_day_off"),
        "The merchants' captures, refunds and net are those of the settlement lines.",
    ),
)


@dg.asset_check(
    asset="recon_totals",
    blocking=True,
    description="Matched, broken and not yet due add up to what came in, on every side.",
)
def every_rupee_is_explained(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    gap = conservation_gap(warehouse, day_of_check(context))
    return dg.AssetCheckResult(passed=gap == 0, metadata={"gap": gap})


@dg.asset_check(
    asset="statement_files",
    blocking=True,
    description="Opening balance + credits − debits = closing balance, which is the ledger's.",
)
def statements_foot(
    context: dg.AssetCheckExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
) -> dg.AssetCheckResult:
    manifest = str(manifest_path(folders, context.run.run_id))
    return nothing_wrong(warehouse, "statements_off", manifest=manifest)


def _rules_check(table: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "columns",
        asset=table,
        blocking=True,
        description="Every column holds what it may hold (Great Expectations).",
    )


@dg.multi_asset_check(
    name="column_rules",
    specs=[_rules_check(table) for table in quality.SUITES],
    can_subset=True,
)
def column_rules(
    context: dg.AssetCheckExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
) -> Iterator[dg.AssetCheckResult]:
    """The suite of each selected table over the partition that the run is about."""
    for key in sorted(context.selected_asset_check_keys):
        table = key.asset_key.to_user_string()
        frame, partition = partition_of(context, warehouse, table)
        result = quality.validate(quality.suite(table), to_pandas(frame), partition=partition)
        written = quality.write_page(result, folders.quality)
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.passed,
            metadata=_shown(result, written),
        )


def partition_of(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, table: str
) -> tuple[pl.DataFrame, str]:
    """One day of a table kept by day; of the log, what the last ingest brought."""
    day, column = day_of_check(context), tables()[table].day
    select = f"SELECT {quality.suite(table).columns} FROM {table}"
    if day is not None and column is not None:
        return warehouse.frame(f"{select} WHERE {column} = $day", day=day), day.isoformat()
    since = _ingested_from(context, table)
    return warehouse.frame(f"{select} WHERE xid >= $since", since=since), f"from-{since}"


def _ingested_from(context: dg.AssetCheckExecutionContext, table: str) -> int:
    event = context.instance.get_latest_materialization_event(dg.AssetKey(table))
    found = event.asset_materialization if event else None
    return int(str(found.metadata["from_xid"].value)) if found else 0


def to_pandas(frame: pl.DataFrame) -> Any:
    """Whole numbers stay whole: without this a missing amount would turn its column to floats."""
    made = frame.to_pandas()
    whole = [
        name
        for name, kind in frame.schema.items()
        if kind.is_integer() and frame[name].null_count()
    ]
    for name in whole:
        made[name] = frame[name].to_pandas(use_pyarrow_extension_array=True).astype("Int64")
    return made


def _shown(result: quality.Result, page: Path) -> dict[str, Any]:
    rows: Sequence[Sequence[object]] = [
        (
            *("holds" if outcome.held else "BROKEN", outcome.means),
            *(outcome.broken, ", ".join(outcome.examples) or outcome.error),
        )
        for outcome in result.outcomes
    ]
    return {
        "rows": result.rows,
        "partition": result.partition,
        "rules": len(result.outcomes),
        "rules_broken": sum(not outcome.held for outcome in result.outcomes),
        "what_was_checked": display.table(("rule", "it says", "rows", "examples"), rows),
        "page": dg.MetadataValue.url(page.resolve().as_uri()),
    }
