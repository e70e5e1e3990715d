"""Staging: one business day of typed, deduplicated rows a table.

Belongs here: which raw tables a staged table comes from. Does not: the SQL
(`warehouse/sql/stg_*.sql`).
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from assets import display
from assets.groups import FINANCE, STAGING
from assets.partitions import DAILY, day_of
from warehouse.connection import Warehouse


def staged(
    table: str, *, deps: Sequence[str], description: str, sums: Sequence[str]
) -> dg.AssetsDefinition:
    """An asset that replaces one day of `table` by `warehouse/sql/<table>.sql`."""

    @dg.asset(
        name=table,
        deps=deps,
        partitions_def=DAILY,
        group_name=STAGING,
        owners=FINANCE,
        description=description,
        kinds={"duckdb", "sql"},
    )
    def day_of_table(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult:
        day = day_of(context)
        warehouse.replace_day(table, table, day=day)
        return dg.MaterializeResult(metadata=display.of_table(warehouse, table, day=day, sums=sums))

    return day_of_table


_LEDGER: Final = ("raw_transactions", "raw_entries", "raw_accounts")

STAGED: Final = (
    staged(
        "stg_payments",
        deps=["raw_events"],
        sums=("amount_minor", "captured_minor"),
        description="The day's payments, each in its latest state: captured, declined, refunded, "
        "or still unknown.",
    ),
    staged(
        "stg_ledger_rows",
        deps=_LEDGER,
        sums=("amount_minor",),
        description="What our own books say the rails owe us for the day: captures, less "
        "reversals, refunds and lost disputes.",
    ),
    staged(
        "stg_payout_rows",
        deps=_LEDGER,
        sums=("amount_minor",),
        description="Payouts that we sent to merchants on the day, as our books have them.",
    ),
    staged(
        "stg_rail_rows",
        deps=["raw_rail_rows", "raw_file_parts"],
        sums=("gross_minor", "fee_minor", "tax_minor", "net_minor"),
        description="What the rails say they settled on the day, row by row, with their fees.",
    ),
    staged(
        "stg_disputes",
        deps=["raw_dispute_rows", "raw_bank_files"],
        sums=("amount_minor",),
        description="The disputes that the rails listed on the day, each as the last list has it.",
    ),
    staged(
        "stg_bank_lines",
        deps=["raw_bank_lines", "raw_bank_files", "raw_file_parts"],
        sums=("amount_minor",),
        description="What our bank booked on the day: credits positive, debits negative.",
    ),
)
