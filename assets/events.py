"""Ingest: online's event log and ledger, copied into the warehouse.

Belongs here: the raw tables that come from online's database. Does not: what rows mean
(`staging`), or how they are copied exactly once (`warehouse.ingest`).
"""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from assets import display
from assets.groups import FINANCE, LEDGER, PLATFORM
from online.kernel.clock import Clock
from warehouse.connection import Warehouse
from warehouse.ingest import IngestResult, PostgresSource, ingest

_SPECS: Final = (
    dg.AssetSpec(
        "raw_events",
        description="Everything that happened to every payment, refund and settlement, in the "
        "order it happened. A copy of online's append-only event log; nothing is ever changed.",
        owners=PLATFORM,
    ),
    dg.AssetSpec(
        "raw_transactions",
        description="The ledger's journal: one row for each balanced posting (a capture, a "
        "refund, a bank credit) with its cause and business day.",
        owners=FINANCE,
    ),
    dg.AssetSpec(
        "raw_entries",
        description="The legs of every posting: which account, debit (negative) or credit "
        "(positive), and the balance after it. They add up to zero in every currency.",
        owners=FINANCE,
    ),
    dg.AssetSpec(
        "raw_accounts",
        description="The chart of accounts: what rails and banks owe us, what we owe merchants, "
        "our fees, taxes and suspense.",
        owners=FINANCE,
    ),
    dg.AssetSpec(
        "raw_merchants",
        description="The merchants we settle with, and after how many days.",
        owners=FINANCE,
    ),
    dg.AssetSpec(
        "raw_audit",
        description="Append-only records of online that are no events: agreed terms, closed "
        "months, invoices and statements given out. They are sealed with the day they are of.",
        owners=PLATFORM,
    ),
    dg.AssetSpec(
        "raw_periods",
        description="The months that were closed, with what moved in them. A month is here once "
        "every entry of it is: nothing can be posted to it any more.",
        owners=FINANCE,
    ),
)
_SUMS: Final = {"raw_entries": ("amount_minor",)}
_ORDER: Final = {
    "raw_events": "xid DESC, version DESC",
    "raw_transactions": "xid DESC",
    "raw_entries": "xid DESC",
    "raw_accounts": "code",
    "raw_merchants": "name",
    "raw_periods": "month DESC",
    "raw_audit": "at_time DESC",
}


@dg.multi_asset(
    name="ingest_online",
    specs=[spec.replace_attributes(group_name=LEDGER, kinds={"postgres"}) for spec in _SPECS],
    # Two runs may want to at the same time; the second waits for the first.
    retry_policy=dg.RetryPolicy(max_retries=5, delay=3),
)
def ingest_online(
    warehouse: dg.ResourceParam[Warehouse],
    source: dg.ResourceParam[PostgresSource],
    clock: dg.ResourceParam[Clock],
) -> Iterator[dg.MaterializeResult]:
    """Copy what was committed since the last run; running it again changes nothing."""
    before = watermark(warehouse)
    result = ingest(warehouse, source, at=clock.now())
    for spec in _SPECS:
        name = spec.key.to_user_string()
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **display.of_table(
                    warehouse, name, sums=_SUMS.get(name, ()), order_by=_ORDER[name]
                ),
                **_run(result, name),
                "from_xid": 0 if result.rebuilt else before,
            },
        )


def watermark(warehouse: Warehouse) -> int:
    """Everything below this transaction id is in the lake."""
    (found,) = warehouse.rows("SELECT coalesce(max(xid), 0) FROM ingest_watermark")
    return int(found[0])


def _run(result: IngestResult, table: str) -> dict[str, Any]:
    return {
        "new_rows": result.rows[table],
        "upto_xid": result.upto,
        "database_epoch": result.epoch,
        "read_from_the_beginning": result.rebuilt,
    }
