"""Disputes that rails list in files, handed to online.

Belongs here: sending the day's list. Does not: reading it (`warehouse.bank_files`), or what a
dispute does to a payment and the books (online's).
"""

import dagster as dg

from assets import answers, display
from assets.groups import FINANCE, RECONCILIATION
from assets.partitions import DAILY, day_of
from assets.ports import Online
from warehouse.connection import Warehouse
from warehouse.disputes import lines


@dg.asset(
    deps=["stg_disputes"],
    partitions_def=DAILY,
    group_name=RECONCILIATION,
    owners=FINANCE,
    kinds={"api"},
)
def disputes_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """What the rails' lists of the day say of disputes, told to online, which opens, wins or loses
    each once. What a rail's callback told already changes nothing."""
    listed = lines(warehouse, day_of(context))
    found = online.send_lines("disputes", listed)
    answers.require_none_refused("disputes", found)
    columns = ("rail", "reference", "status", "amount_minor", "currency", "answer")
    rows = [
        (
            *(line.rail, line.reference, line.status, line.amount_minor, line.currency),
            answer["status"],
        )
        for line, answer in zip(listed, found, strict=True)
    ]
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            "business_day": context.partition_key,
            "disputes": display.table(columns, rows[: display.PREVIEW_ROWS * 3]),
        }
    )
