"""The books at the end of a day, as finance reads them.

Belongs here: the marts. Does not: their SQL (`warehouse/sql/mart_*.sql`).
"""

from datetime import date

import dagster as dg

from assets import charts, display
from assets.groups import BOOKS, FINANCE
from assets.partitions import DAILY, day_of
from warehouse.connection import Warehouse


@dg.asset(
    deps=["raw_entries", "raw_accounts"],
    partitions_def=DAILY,
    group_name=BOOKS,
    owners=FINANCE,
    kinds={"duckdb", "sql"},
)
def mart_trial_balance(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """The trial balance at the end of the day: every account's opening balance, debits, credits
    and closing balance. Debits equal credits, in each currency."""
    day = day_of(context)
    warehouse.replace_day("mart_trial_balance", "mart_trial_balance", day=day)
    columns = (
        *("account", "layer", "opening_minor", "debit_minor", "credit_minor", "closing_minor"),
        "currency",
    )
    return dg.MaterializeResult(
        metadata={
            **display.of_table(
                warehouse,
                "mart_trial_balance",
                day=day,
                sums=("debit_minor", "credit_minor", "closing_minor"),
                columns=columns,
                order_by="abs(closing_minor) DESC",
            ),
            "balances": _balances(warehouse, day),
        }
    )


@dg.asset(
    deps=["stg_payments", "settlement_lines", "raw_merchants"],
    partitions_def=DAILY,
    group_name=BOOKS,
    owners=FINANCE,
    kinds={"duckdb", "sql"},
)
def mart_merchant_day(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """One line a merchant: payments, captures, declines, reversals, refunds, disputes, fees, GST
    and what is left."""
    day = day_of(context)
    warehouse.replace_day("mart_merchant_day", "mart_merchant_day", day=day)
    return dg.MaterializeResult(
        metadata=display.of_table(
            warehouse,
            "mart_merchant_day",
            day=day,
            sums=(
                *("captured_minor", "reversed_minor", "refunds_minor", "disputes_minor"),
                *("fees_minor", "tax_minor", "net_minor"),
            ),
            order_by="net_minor DESC",
        )
    )


@dg.asset(
    deps=["raw_entries", "raw_accounts"],
    partitions_def=DAILY,
    group_name=BOOKS,
    owners=FINANCE,
    kinds={"duckdb", "sql"},
)
def mart_safeguarding(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Other people's money at the end of the day and what covers it: what we owe merchants,
    customers and payers, less what the rails have not paid us yet, must lie in the escrow bank.
    A merchant who owes us covers nobody else."""
    day = day_of(context)
    warehouse.replace_day("mart_safeguarding", "mart_safeguarding", day=day)
    return dg.MaterializeResult(
        metadata=display.of_table(
            warehouse,
            "mart_safeguarding",
            day=day,
            sums=("required_minor", "bank_minor", "cover_minor"),
            order_by="currency",
        )
    )


def _balances(warehouse: Warehouse, day: date) -> dg.MarkdownMetadataValue:
    """Each family of accounts as a bar: what we have and are owed to the left of zero."""
    rows = warehouse.query("balance_families", day=day, currency="INR").rows()
    title = f"Balances at the end of {day} (debit negative, credit positive)"
    return charts.bars(title, [(str(family), int(minor)) for family, minor in rows])
