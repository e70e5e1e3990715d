"""What must hold before anything downstream may use a table.

Belongs here: conservation of money, in SQL, and running the column rules of `expectations` as
checks. Does not: a rule of one column; none is kept twice. A statement in `assets/sql` gives the
rows that are wrong, so that a check that fails shows them; one in `warehouse/sql` their number.
"""

from collections.abc import Sequence
from datetime import date
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
from warehouse.connection import Lake, Warehouse, identifier
from warehouse.schema import tables

_SQL: Final = Path(__file__).parent / "sql"
_SHOWN: Final = 20
# These grow for ever, so only what is new is looked at: by transaction, and by day of receipt.
_LOG: Final = ("raw_events", "raw_transactions", "raw_entries")
_OF_FILES: Final = (
    *("raw_bank_files", "raw_rail_rows", "raw_bank_lines", "raw_bank_balances", "raw_dispute_rows"),
)
_NEW_FILES: Final = (
    "SELECT file_sha256 FROM raw_bank_files"
    " WHERE received_at > (SELECT max(received_at) - INTERVAL 1 DAY FROM raw_bank_files)"
)


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


def day_for(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, table: str
) -> date | None:
    """The day of the run; for a check that is run by itself, the newest day that there is."""
    day, column = day_of_check(context), tables()[table].day
    if day is None and column is not None:
        (newest,) = warehouse.rows(f"SELECT max({column}) FROM {identifier(table)}")  # noqa: S608
        day = newest[0]
    return day


def wrong(name: str, asset: str, statement: str, description: str) -> dg.AssetChecksDefinition:
    """A blocking check by a statement of `assets/sql` that finds what is wrong, if anything."""

    @dg.asset_check(name=name, asset=asset, blocking=True, description=description)
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.AssetCheckResult:
        days = {"day": day_for(context, warehouse, asset)} if "$day" in sql(statement) else {}
        return nothing_wrong(warehouse, statement, **days)

    return check


def zero(name: str, asset: str, statement: str, description: str) -> dg.AssetChecksDefinition:
    """A blocking check by a number of the warehouse that is zero when all is right."""

    @dg.asset_check(name=name, asset=asset, blocking=True, description=description)
    def check(
        context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.AssetCheckResult:
        found = int(warehouse.scalar(statement, day=day_for(context, warehouse, asset)))
        return dg.AssetCheckResult(passed=found == 0, metadata={"off_by": found})

    return check


CONSERVATION: Final = (
    zero(
        *("ledger_sums_to_zero", "raw_entries", "check_ledger_zero"),
        "Debits equal credits over the whole ledger, in every currency and layer.",
    ),
    zero(
        *("postings_sum_to_zero", "raw_entries", "check_transactions_zero"),
        "Debits equal credits in every single posting, and no posting is empty.",
    ),
    zero(
        *("balances_are_sums", "raw_entries", "check_balances"),
        "Each account's last stated balance is the sum of its entries.",
    ),
    zero(
        *("no_entry_is_missing", "raw_entries", "check_balance_steps"),
        "Each account's entries are numbered without a gap.",
    ),
    wrong(
        *("nothing_points_nowhere", "raw_entries", "ledger_orphans"),
        "Every leg has its posting and its account, and every posting its legs.",
    ),
    wrong(
        *("files_are_whole", "raw_rail_rows", "file_rows_off"),
        "Every loaded file has all its rows, and no quarantined file has any.",
    ),
    wrong(
        *("files_are_whole", "raw_bank_lines", "file_rows_off"),
        "Every loaded file has all its rows, and no quarantined file has any.",
    ),
    wrong(
        *("files_are_whole", "raw_dispute_rows", "file_rows_off"),
        "Every loaded file has all its rows, and no quarantined file has any.",
    ),
    wrong(
        *("statements_follow_on", "raw_bank_balances", "balances_broken"),
        "Each bank statement opens where the one before it closed: none is missing.",
    ),
    wrong(
        *("no_payment_is_lost", "stg_payments", "payments_lost"),
        "Each payment created on the day is there once, and took no more than it was for.",
    ),
    wrong(
        *("staged_equals_posted", "stg_payout_rows", "payout_rows_against_entries"),
        "The day's payouts are what the ledger moved into transit.",
    ),
    wrong(
        *("a_row_matches_once", "recon_matches", "matched_twice"),
        "No row is in two match groups of one side.",
    ),
    wrong(
        *("breaks_are_logged", "recon_breaks", "breaks_unlogged"),
        "Each break is there once, and its opening and closing are in the log that online is told.",
    ),
    wrong(
        *("lines_foot", "settlement_lines", "settlement_lines_off"),
        "On every line: net = captured − refunded − disputed − fee − GST.",
    ),
    wrong(
        *("staged_equals_posted", "stg_ledger_rows", "ledger_rows_against_entries"),
        "What we claim from each rail is what the ledger moved on its receivable that day.",
    ),
    wrong(
        *("net_is_gross_less_costs", "stg_rail_rows", "rail_rows_off"),
        "On every row of a rail: net = gross − fee − GST.",
    ),
    wrong(
        *("statement_lines_foot", "stg_bank_lines", "bank_lines_off"),
        "The bank's opening balance and its lines lead to its closing balance.",
    ),
    zero(
        *("every_rupee_is_explained", "recon_totals", "recon_conservation"),
        "Matched, broken and not yet due add up to what came in, on every side.",
    ),
    wrong(
        *("batches_equal_the_ledger", "settlement_batches", "settlement_off"),
        "Each batch foots, is the sum of its lines, and is what the ledger moved for the merchant.",
    ),
    zero(
        *("debits_equal_credits", "mart_trial_balance", "check_trial_balance"),
        "The trial balance balances and foots, in every currency and layer.",
    ),
    wrong(
        *("closed_days_owe_nothing", "mart_trial_balance", "receivable_left"),
        "Once a day's files are in, no rail owes us anything for it: it was settled, or it is a "
        "break in suspense, or a later settlement brings it.",
    ),
    wrong(
        *("settled_attempts_are_traced", "trace_links", "trace_links_off"),
        "Each attempt of a settled day has its settlement, the rail's row that it was matched "
        "with, and the bank line of that row's settlement.",
    ),
    wrong(
        *("client_money_is_covered", "mart_safeguarding", "client_money_short"),
        "The escrow bank holds at least what was received for merchants, customers and payers.",
    ),
    wrong(
        *("merchants_add_up", "mart_merchant_day", "merchant_day_off"),
        "The merchants' refunds, disputes and net are those of the settlement lines.",
    ),
)


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


def column_rules(table: str) -> dg.AssetChecksDefinition:
    """The suite of a table over the partition that the run is about; one step each, so that a
    table that fails stops what is made from it and nothing else."""

    @dg.asset_check(
        name="columns",
        asset=table,
        blocking=True,
        description="Every column holds what it may hold (Great Expectations).",
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        folders: dg.ResourceParam[Folders],
    ) -> dg.AssetCheckResult:
        frame, partition = partition_of(context, warehouse, table)
        result = quality.validate(quality.suite(table), to_pandas(frame), partition=partition)
        page = quality.write_page(result, folders.quality)
        return dg.AssetCheckResult(passed=result.passed, metadata=_shown(result, page))

    return check


COLUMN_RULES: Final = tuple(column_rules(table) for table in quality.SUITES)


def partition_of(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, table: str
) -> tuple[pl.DataFrame, str]:
    """One day of a table kept by day; of the log, what the last ingest brought; of files, those of
    the last day on which any came."""
    select = f"SELECT {quality.suite(table).columns} FROM {identifier(table)}"  # noqa: S608
    if table in _LOG:
        since = _ingested_from(context, table)
        return warehouse.frame(f"{select} WHERE xid >= $since", since=since), f"from-{since}"
    if table in _OF_FILES:
        return warehouse.frame(f"{select} WHERE file_sha256 IN ({_NEW_FILES})"), "newest"
    day, column = day_for(context, warehouse, table), tables()[table].day
    if day is not None and column is not None:
        return warehouse.frame(f"{select} WHERE {column} = $day", day=day), day.isoformat()
    return warehouse.frame(select), "whole"


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
