"""How routes were chosen, and what came of it.

Belongs here: the daily step and what it shows. Does not: choosing (`online/routing`), or its table
(`warehouse.routing`).
"""

from typing import Final

import dagster as dg

from assets import charts, display
from assets.groups import DATA_SCIENCE, ROUTING
from assets.partitions import DAILY, day_of
from warehouse.connection import Warehouse
from warehouse.routing import decide_routes


@dg.asset(
    deps=["raw_events"],
    partitions_def=DAILY,
    group_name=ROUTING,
    owners=DATA_SCIENCE,
    kinds={"duckdb", "sql"},
)
def route_decisions(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Every try of the day's payments at a rail: candidates with their scores and propensities, the
    one that was chosen and why, and its outcome and latency. Earlier days are made again when a
    rail has said more; with propensities, another policy can be judged by what this one saw."""
    day = day_of(context)
    days = decide_routes(warehouse, day)
    by_route = warehouse.rows(
        "SELECT route, count(*), count(*) FILTER (try_number > 1),"
        " count(*) FILTER (outcome = 'succeeded'), count(*) FILTER (outcome = 'failed'),"
        " quantile_disc(latency_ms, 0.95) FROM route_decisions"
        " WHERE business_date = $day GROUP BY route ORDER BY route",
        day=day,
    )
    columns = ("route", "tries", "after a failure elsewhere", "succeeded", "failed", "p95 ms")
    shown = ("decided_at", "try_number", "method", "amount_minor", "currency", "route", "reason")
    return dg.MaterializeResult(
        metadata={
            **display.of_table(
                warehouse,
                "route_decisions",
                day=day,
                columns=(*shown, "propensity_bps", "outcome", "code", "latency_ms"),
                order_by="try_number DESC, decided_at",
            ),
            "by_route": display.table(columns, by_route),
            "tries": charts.bars(
                "Tries by route", [(row[0], row[1]) for row in by_route], money=False
            ),
            "days_made": ", ".join(map(str, days)),
        }
    )


ASSETS: Final = (route_decisions,)
