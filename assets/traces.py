"""Trace links: where each attempt shows outside our own books, told to online.

Belongs here: a day's links, and those of the statements of a run. Does not: finding them
(`warehouse/sql/trace_*.sql`), or showing a payment's way (online's `/payments/{id}/trace`).
"""

from typing import Final

import dagster as dg

from assets import answers, display
from assets.groups import FINANCE, STATEMENTS, TRACES
from assets.partitions import DAILY, LATER_DAYS, day_of
from assets.ports import Folders, Online
from assets.statements import manifest
from online.kernel import ids
from warehouse.connection import Warehouse
from warehouse.traces import Cited, links, statement_links

_DEPS: Final = [
    "raw_events",
    "raw_transactions",
    dg.AssetDep("recon_matches", partition_mapping=LATER_DAYS),
    dg.AssetDep("recon_breaks", partition_mapping=LATER_DAYS),
    "settlement_lines",
]


@dg.asset(
    deps=_DEPS,
    partitions_def=DAILY,
    group_name=TRACES,
    owners=FINANCE,
    kinds={"duckdb", "sql"},
)
def trace_links(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Where each attempt of the day shows: the row of its rail's file, the bank line that brought
    the money, the settlement that paid it out."""
    day = day_of(context)
    warehouse.replace_day("trace_links", "trace_links", day=day)
    hops = warehouse.rows(
        "SELECT hop, count(*), count(DISTINCT attempt) FROM trace_links"
        " WHERE business_date = $day GROUP BY hop ORDER BY hop",
        day=day,
    )
    return dg.MaterializeResult(
        metadata={
            **display.of_table(warehouse, "trace_links", day=day, order_by="attempt, hop"),
            "by_hop": display.table(("hop", "links", "attempts"), hops),
        }
    )


@dg.asset(
    deps=["trace_links"],
    partitions_def=DAILY,
    group_name=TRACES,
    owners=FINANCE,
    kinds={"api"},
)
def trace_links_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """The day's links in online, which shows them with the payment. Sending a day again adds what
    is new and nothing else."""
    found = online.send_lines("trace-links", links(warehouse, day_of(context)))
    answers.require_none_refused("trace links", found)
    return dg.MaterializeResult(
        metadata={**answers.summary(found), "business_day": context.partition_key}
    )


@dg.asset(
    deps=["statements_published"],
    group_name=STATEMENTS,
    owners=FINANCE,
    kinds={"api"},
)
def statement_links_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
    folders: dg.ResourceParam[Folders],
) -> dg.MaterializeResult:
    """Which statements show an attempt, each with its id and the hash of its file: told to online
    for every attempt of the statements that the run published."""
    made = [
        link
        for file in manifest(folders, context.run.run_id)
        for link in statement_links(
            warehouse,
            Cited(
                statement_id=file.statement_id,
                merchant_id=ids.decode("mrc", file.merchant_id),
                start_date=file.start_date,
                end_date=file.end_date,
                snapshot=file.snapshot,
                sha256=file.sha256,
            ),
        )
    ]
    found = online.send_lines("trace-links", made)
    answers.require_none_refused("trace links", found)
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            "attempts": len({link.attempt for link in made}),
            "statements": len({link.reference for link in made}),
        }
    )
