"""The proof: each day's rows under one signed root.

Belongs here: when a day is sealed, and whether its seal still holds. Does not: trees
(`warehouse.proof`), or signing (online).
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import dagster as dg
import msgspec

from assets import display
from assets.freshness import with_policy
from assets.groups import PLATFORM, PROOF
from assets.partitions import DAILY, day_of, day_of_check
from assets.ports import Online
from warehouse.connection import Warehouse
from warehouse.proof import sealing
from warehouse.proof.checking import Finding, Result, verify_seals

_LEDGER: Final = ("raw_events", "raw_transactions", "raw_entries", "raw_audit")
_SHOWN: Final = 25
_ABOUT: Final = {
    "proof_leaves": "Every event, ledger entry and audit row of a sealed day as a hash, in a fixed "
    "order: the leaves of the day's three trees.",
    "proof_nodes": "What lies between the leaves and the root of a day: with these the proof that "
    "a row was there is a look-up.",
    "proof_seals": "The root of each day, signed by online and chained: each seal names the one "
    "before it, so that nothing of a sealed day can be changed, removed or added unseen.",
}


@dg.multi_asset(
    name="day_seals",
    specs=[
        with_policy(
            dg.AssetSpec(
                name,
                deps=_LEDGER,
                description=about,
                group_name=PROOF,
                owners=PLATFORM,
                partitions_def=DAILY,
                kinds={"duckdb"},
            )
        )
        for name, about in _ABOUT.items()
    ],
    # Two runs may seal at the same time; online lets one go first, the other counts on from it.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=2),
)
def day_seals(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> Iterator[dg.MaterializeResult]:
    """Seal the day, and whatever came late to earlier ones, as parts of their own."""
    day = day_of(context)
    made = sealing.seal(
        warehouse, until=day, send=lambda draft: online.send("seals", msgspec.to_builtins(draft))
    )
    for name in _ABOUT:
        yield dg.MaterializeResult(
            asset_key=name,
            metadata={
                **display.of_table(warehouse, name, day=day),
                "sealed_by_this_run": display.table(("day", "part"), made[-_SHOWN:]),
                "late_parts": sum(part > 1 for _, part in made),
            },
        )


@dg.asset_check(
    asset="proof_seals",
    blocking=True,
    description="The day is sealed, its seal is signed and follows on the one before it, and every "
    "row is still there as it was sealed.",
)
def the_seal_holds(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = _day(context, warehouse)
    found = verify_seals(warehouse, day=day) if day else Result(seals=0, rows=0, wrong=[], late=[])
    return dg.AssetCheckResult(
        passed=found.seals > 0 and not found.wrong,
        metadata={
            "day": str(day),
            "seals": found.seals,
            "rows_compared": found.rows,
            "found": _table(found.wrong),
        },
    )


@dg.asset_check(
    asset="proof_seals",
    blocking=True,
    description="No row of a sealed day waits for a seal: what came late has one of its own.",
)
def late_rows_are_sealed(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = _day(context, warehouse)
    late = sealing.late_rows(warehouse, until=day) if day else []
    return dg.AssetCheckResult(
        passed=not late,
        metadata={
            "rows": sum(rows for _, _, rows in late),
            "waiting": display.table(("day", "part", "rows"), late[:_SHOWN]),
        },
    )


def _day(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> date | None:
    """That of the run; for a check that is run by itself, the newest that is sealed."""
    (newest,) = warehouse.rows("SELECT max(day) FROM proof_seals WHERE number IS NOT NULL")
    return day_of_check(context) or newest[0]


def _table(findings: list[Finding]) -> dg.MarkdownMetadataValue:
    columns = ("what", "tree", "row", "part", "detail")
    rows: list[list[Any]] = [[getattr(each, name) for name in columns] for each in findings]
    return display.table(columns, rows[:_SHOWN])


CHECKS: Final = (the_seal_holds, late_rows_are_sealed)
