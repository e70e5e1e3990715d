"""Decisions of risk and what came of them, a day at a time.

Belongs here: rebuilding a day and the earlier days that a new label tells something about. Does
not: the arithmetic of drift (`models.fraud.watching`), or when it is done (`pipelines`).
"""

from datetime import date
from typing import Final

from warehouse.connection import Lake, Warehouse, sql_text

# A cardholder has 120 days to dispute, and the networks may take as long to tell us again.
LOOKBACK_DAYS: Final = 240


def decide_day(warehouse: Warehouse, day: date) -> int:
    """Replace the day in `fraud_decisions`; returns how many decisions it has."""
    return warehouse.replace_day("fraud_decisions", "fraud_decisions", day=day)


def watch_day(warehouse: Warehouse, day: date) -> list[date]:
    """Replace the day in `fraud_watch`, and every earlier one whose labels have come meanwhile.

    One transaction and one statement for all of them. Returns the days that were made.
    """

    def body(lake: Lake) -> list[date]:
        revisited = lake.query("fraud_days_to_revisit", day=day, lookback_days=LOOKBACK_DAYS)
        days = sorted({day, *revisited["business_date"].to_list()})
        lake.execute(
            "DELETE FROM fraud_watch WHERE business_date IN (SELECT unnest($days::DATE []))",
            days=days,
        )
        lake.execute(f"INSERT INTO fraud_watch BY NAME {sql_text('fraud_watch')}", days=days)
        return days

    return warehouse.transaction(body)
