"""Reconciliation: our books against the rails' files against the bank's statement.

Belongs here: a day's matches and breaks, and telling online what they mean for the ledger.
Does not: matching (`warehouse.reconciliation`) or posting recipes (`warehouse.postings`).
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg
import polars as pl

from assets import answers, charts, display
from assets.checks import nothing_wrong, sql
from assets.groups import FINANCE, RECONCILIATION
from assets.partitions import DAILY, LATER_DAYS, day_of
from assets.ports import Online
from online.kernel.clock import Clock, business_date
from warehouse.breaks.rules import UNKNOWN
from warehouse.breaks.tat import tat_postings
from warehouse.connection import Warehouse
from warehouse.postings import (
    Posting,
    break_postings,
    decide_file_postings,
    suspense_cause,
    suspense_of,
)
from warehouse.reconciliation.days import Break, ReconResult, break_changes, reconcile_day

_STAGED: Final = (
    "stg_ledger_rows",
    "stg_payout_rows",
    "stg_rail_rows",
    "stg_bank_lines",
)
_DEPS: Final = [dg.AssetDep(table, partition_mapping=LATER_DAYS) for table in _STAGED]
_SPECS: Final = (
    dg.AssetSpec(
        "recon_matches",
        description="What agrees: each of our rows with the rail's row, and each settlement or "
        "payout with the bank's line, with the rule that paired them.",
    ),
    dg.AssetSpec(
        "recon_breaks",
        description="What does not agree, by kind: missing here or there, wrong amount, twice, "
        "late, or money that nobody announced. A break that explains itself later goes away.",
    ),
    dg.AssetSpec(
        "recon_totals",
        description="Where each rupee of the day went: matched, broken, or not yet due. The three "
        "add up to what came in.",
    ),
)


@dg.multi_asset(
    name="reconcile",
    specs=[
        spec.replace_attributes(
            group_name=RECONCILIATION, owners=FINANCE, deps=_DEPS, kinds={"duckdb", "sql"}
        )
        for spec in _SPECS
    ],
    partitions_def=DAILY,
)
def reconcile(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult]:
    """Match the day with all that is known now; rows of later days explain late ones."""
    day = day_of(context)
    result = reconcile_day(warehouse, day, as_of=business_date(clock.now()))
    yield dg.MaterializeResult(
        asset_key="recon_matches",
        metadata=display.of_table(
            warehouse, "recon_matches", day=day, sums=("amount_minor", "residual_minor")
        ),
    )
    yield dg.MaterializeResult(
        asset_key="recon_breaks", metadata=_breaks_metadata(warehouse, day, result)
    )
    yield dg.MaterializeResult(
        asset_key="recon_totals", metadata=display.of_table(warehouse, "recon_totals", day=day)
    )


def _breaks_metadata(warehouse: Warehouse, day: date, result: ReconResult) -> dict[str, Any]:
    columns = (
        *("kind", "cause", "owner", "age_bucket", "rail", "reference", "expected_minor"),
        *("actual_minor", "at_stake_minor", "currency", "reason"),
    )
    by_kind = sorted(result.breaks.items())
    return {
        "by_kind": display.table(("kind", "breaks"), by_kind),
        **display.of_table(
            warehouse,
            "recon_breaks",
            day=day,
            columns=columns,
            order_by="at_stake_minor DESC, kind",
        ),
        "opened_by_this_run": result.opened,
        "closed_by_this_run": result.closed,
        **display.money({"at_stake": {"INR": result.money_at_stake_minor}}),
        **_standing_metadata(warehouse),
    }


def _standing_metadata(warehouse: Warehouse) -> dict[str, Any]:
    """All breaks that stand open, whatever their day: by kind and age, and by who has them."""
    rows = warehouse.frame(sql("breaks_by_age"))
    shown: dict[str, dict[str, int]] = {}
    for row in rows.filter(pl.col("currency") == "INR").iter_rows(named=True):
        ages = shown.setdefault(row["kind"], {})
        ages[row["age_bucket"]] = ages.get(row["age_bucket"], 0) + row["at_stake_minor"]
    sums = pl.col("breaks").sum(), pl.col("at_stake_minor").sum()
    tables = {
        name: rows.group_by(*by, "currency", maintain_order=True).agg(*sums)
        for name, by in (
            ("standing_by_owner", ["owner"]),
            ("standing_by_age", ["kind", "age_bucket"]),
        )
    }
    return {
        "breaks_by_kind_and_age": charts.stacked("Money at stake by kind and age in days", shown),
        **{name: display.table(found.columns, found.rows()) for name, found in tables.items()},
    }


@dg.asset(
    deps=[
        "stg_rail_rows",
        dg.AssetDep("stg_bank_lines", partition_mapping=LATER_DAYS),
        "recon_matches",
    ],
    partitions_def=DAILY,
    group_name=RECONCILIATION,
    owners=FINANCE,
    kinds={"api"},
)
def file_postings_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """What the day's rail files and bank lines do to our books: rail receivable to money in
    transit less the rail's fee and GST, then to the bank. What a file that was issued again had
    said is taken back. Sent to online, which posts each once."""
    return _post(online, decide_file_postings(warehouse, day_of(context)), day_of(context))


@dg.asset(
    deps=["recon_breaks"],
    partitions_def=DAILY,
    group_name=RECONCILIATION,
    owners=FINANCE,
    kinds={"api"},
)
def break_postings_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """Money of open breaks moved to suspense, and back when a break explains itself: once per
    rupee, however often the day is run."""
    changes = break_changes(warehouse, day_of(context))
    return _post(online, break_postings(changes), day_of(context))


@dg.asset(
    deps=["recon_breaks"],
    partitions_def=DAILY,
    group_name=RECONCILIATION,
    owners=FINANCE,
    kinds={"api"},
)
def breaks_reported(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """The day's breaks as online's work list has them: opened, or closed because a later file
    explained them."""
    changes = break_changes(warehouse, day_of(context))
    found = online.send_lines("breaks", [break_line(change) for change in changes])
    answers.require_none_refused("breaks", found)
    columns = ("state", "kind", "rail", "reference", "expected_minor", "actual_minor", "reason")
    rows = [[getattr(change, column) for column in columns] for change in changes]
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            "business_day": context.partition_key,
            "changes": display.table(columns, rows),
        }
    )


@dg.asset(
    deps=["recon_breaks", "raw_events"],
    group_name=RECONCILIATION,
    owners=FINANCE,
    kinds={"api"},
)
def tat_postings_sent(
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:
    """What payers are owed who were debited while nobody was credited: ₹100 for each day after
    their money was due back, by the rules of the Reserve Bank; until somebody puts it right."""
    today = business_date(clock.now())
    return _post(online, tat_postings(warehouse, as_of=today), today)


def break_line(change: Break) -> dict[str, Any]:
    """One opening or closing, as online reads it."""
    account, suspense_minor = suspense_of(change) or (None, 0)
    return {
        "break_id": str(change.break_id),
        "generation": change.generation,
        "kind": change.kind,
        "side": change.side,
        "rail": change.rail,
        "reference": change.reference,
        "row_ids": change.row_ids,
        "expected": change.expected_minor,
        "actual": change.actual_minor,
        "currency": change.currency,
        "business_date": change.business_date,
        "reason": change.reason,
        "state": change.state,
        "cause": change.cause or UNKNOWN,
        "owner": change.owner or "finance",
        "opened_on": change.opened_on,
        "at_stake": change.at_stake_minor or 0,
        "suspense": suspense_minor,
        "suspense_account": account,
        "suspense_cause": str(suspense_cause(change)) if account else None,
        "tat_due_on": change.tat_due_on,
        "tat_per_day": change.tat_per_day_minor or 0,
    }


def _post(online: Online, postings: Sequence[Posting], day: date) -> dg.MaterializeResult:
    found = online.send_lines("postings", postings)
    answers.require_none_refused("postings", found)
    columns = ("kind", "reference", "debit_minor", "currency", "accounts")
    rows = [
        (
            *(posting.kind, posting.reference, -sum(e.amount_minor for e in debits)),
            *(posting.entries[0].currency, " · ".join(e.account for e in posting.entries)),
        )
        for posting in postings
        if (debits := [entry for entry in posting.entries if entry.amount_minor < 0])
    ]
    total_minor = sum(row[2] for row in rows)
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            **display.money({"posted": {"INR": total_minor}}),
            "business_day": day.isoformat(),
            "postings": display.table(columns, rows[: display.PREVIEW_ROWS * 3]),
        }
    )


@dg.asset_check(
    asset="raw_entries",
    description="Each suspense account holds what the open breaks have put there, to the paisa: no "
    "unexplained money without a break, and no break twice.",
)
def suspense_is_the_open_breaks(
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.AssetCheckResult:
    """Not blocking: between a break's posting and its report the two differ for a moment."""
    return nothing_wrong(warehouse, "suspense_unexplained")
