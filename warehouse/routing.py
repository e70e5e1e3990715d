"""Decisions of routing and what came of them, a day at a time.

Belongs here: rebuilding a day, and the earlier days of which more is known since: a rail may tell
weeks later what became of a payment. Does not: when it is done (`pipelines`).
"""

from datetime import date
from typing import Final

from warehouse.connection import Lake, Warehouse, sql_text

# As long as a late approval may come.
LOOKBACK_DAYS: Final = 30


def decide_routes(warehouse: Warehouse, day: date) -> list[date]:
    """Replace the day in `route_decisions`, and every earlier one whose outcomes have come since.

    One transaction and one statement for all of them. Returns the days that were made.
    """

    def body(lake: Lake) -> list[date]:
        revisited = lake.query("route_days_to_revisit", day=day, lookback_days=LOOKBACK_DAYS)
        days = sorted({day, *revisited["business_date"].to_list()})
        lake.execute(
            "DELETE FROM route_decisions WHERE business_date IN (SELECT unnest($days::DATE []))",
            days=days,
        )
        lake.execute(
            f"INSERT INTO route_decisions BY NAME {sql_text('route_decisions')}", days=days
        )
        return days

    return warehouse.transaction(body)
