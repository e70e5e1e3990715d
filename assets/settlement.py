"""Settlement: what each merchant is owed for a closed business day.

Belongs here: the day's batches and handing them to online. Does not: the sums (`warehouse`), or
paying (`online`, which sums its own ledger again before it accepts a batch).
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets import answers, display
from assets.groups import FINANCE, SETTLEMENT
from assets.partitions import DAILY, day_of
from assets.ports import Online
from warehouse.connection import Warehouse
from warehouse.settlement import batches, settle_day

_SUMS: Final = (
    *("gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "tax_minor", "net_minor"),
)
_LINE_SUMS: Final = (
    *("gross_minor", "refund_minor", "dispute_minor", "fee_minor", "tax_minor", "net_minor"),
)
_SPECS: Final = (
    dg.AssetSpec(
        "settlement_lines",
        description="Each capture, reversal, refund and dispute of the day with its fee and GST, "
        "merchant by merchant: the lines behind a settlement.",
    ),
    dg.AssetSpec(
        "settlement_batches",
        description="What each merchant is owed for the day: captures less reversals, refunds, "
        "disputes, fee, GST and reserve. Paid on the next bank working day.",
    ),
)


@dg.multi_asset(
    name="settle",
    specs=[
        spec.replace_attributes(
            group_name=SETTLEMENT,
            owners=FINANCE,
            deps=["raw_transactions", "raw_entries", "raw_accounts", "raw_merchants"],
            kinds={"duckdb", "sql"},
        )
        for spec in _SPECS
    ],
    partitions_def=DAILY,
)
def settle(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.MaterializeResult]:
    """Rebuild the day's lines and batches from the ledger's own entries."""
    day = day_of(context)
    settled = settle_day(warehouse, day)
    yield dg.MaterializeResult(
        asset_key="settlement_lines",
        metadata=display.of_table(warehouse, "settlement_lines", day=day, sums=_LINE_SUMS),
    )
    yield dg.MaterializeResult(
        asset_key="settlement_batches",
        metadata={
            **display.of_table(
                warehouse, "settlement_batches", day=day, sums=_SUMS, order_by="net_minor DESC"
            ),
            "merchants": len({batch.merchant_id for batch in settled}),
        },
    )


@dg.asset(
    deps=["settlement_batches"],
    partitions_def=DAILY,
    group_name=SETTLEMENT,
    owners=FINANCE,
    kinds={"api"},
)
def settlements_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """The day's batches, accepted by online once its own books gave the same sums; it then pays
    the merchants. Sending a day again pays nobody twice."""
    due = batches(warehouse, day_of(context))
    snapshot = warehouse.snapshot_id()
    found = online.send_lines("settlement-batches", [batch.wire(snapshot) for batch in due])
    answers.require_none_refused("settlement batches", found)
    columns = ("merchant", "status", "settlement", "payout", "net_minor")
    rows = [
        (
            *(answer["merchant_id"], answer["status"], answer.get("settlement_id")),
            *(answer.get("payout_attempt_id"), batch.net_minor),
        )
        for answer, batch in zip(found, due, strict=True)
    ]
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            **display.money({"paid_out": {"INR": sum(batch.net_minor for batch in due)}}),
            "business_day": context.partition_key,
            "warehouse_snapshot": snapshot,
            "settlements": display.table(columns, rows),
        }
    )
