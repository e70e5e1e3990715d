"""Business days as Dagster partitions.

Belongs here: the daily partitions that every dated asset shares, and how days depend on others.
Does not: which days run when (`pipelines.schedules`).
"""

import warnings
from datetime import date
from typing import Final

import dagster as dg

# `end_offset` makes the running day a partition too: finance watches it fill.
DAILY: Final = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Kolkata", end_offset=1)

# A day is also explained by what comes after it: late rows, and the bank's credits for it.
# Dagster warns that the last argument is beta; a day that is not there yet is what it is for.
with warnings.catch_warnings(action="ignore"):
    LATER_DAYS: Final = dg.TimeWindowPartitionMapping(
        start_offset=0, end_offset=2, allow_nonexistent_upstream_partitions=True
    )


def day_of(context: dg.AssetExecutionContext) -> date:
    """The business day that a step works on."""
    return date.fromisoformat(context.partition_key)


def day_of_check(context: dg.AssetCheckExecutionContext) -> date | None:
    """The business day whose assets are being checked; None in a run without partitions."""
    key = context.run.tags.get("dagster/partition")
    return date.fromisoformat(key) if key else None
