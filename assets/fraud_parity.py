"""Whether the features that were served are those that training computes.

Belongs here: the day's verdict in the lake, and the check that stops what follows. Does not:
replaying (`models.fraud.parity`), or what promotion makes of a verdict.
"""

from typing import Any, Final

import dagster as dg
import msgspec

from assets import display
from assets.groups import DATA_SCIENCE, FRAUD_WATCH
from assets.partitions import DAILY, day_of
from models.fraud import parity
from warehouse.connection import Warehouse


@dg.asset(
    deps=["raw_events"],
    partitions_def=DAILY,
    group_name=FRAUD_WATCH,
    owners=DATA_SCIENCE,
    kinds={"duckdb"},
    check_specs=[
        dg.AssetCheckSpec(
            "decisions_match_replay",
            asset="fraud_parity",
            blocking=True,
            description="Every feature that a decision of the day was made with is the one that "
            "the training SQL computes from exactly the events that the decision could see.",
        )
    ],
)
def fraud_parity(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """The day's fraud decisions replayed from the event log by the SQL that makes training sets.
    One value that differs means that the model learns from something else than it is asked about:
    no model is promoted until that is understood."""
    found = parity.verdict(warehouse, day_of(context))
    parity.store(warehouse, found)
    shown = _shown(found)
    return dg.MaterializeResult(
        metadata=shown,
        check_results=[
            dg.AssetCheckResult(
                passed=found.holds,
                check_name="decisions_match_replay",
                severity=dg.AssetCheckSeverity.ERROR,
                metadata=shown,
            )
        ],
    )


_COLUMNS: Final = ("payment_id", "feature", "served", "replayed")


def _shown(found: parity.Verdict) -> dict[str, Any]:
    return {
        "decisions_compared": found.compared,
        "decisions_that_differ": found.mismatches,
        "decisions_left_out": found.left_out,
        "why_left_out": display.table(("reason", "decisions"), sorted(found.reasons.items())),
        "first_values_that_differ": display.table(
            _COLUMNS, [msgspec.structs.astuple(each) for each in found.first]
        ),
        "feature_set": found.feature_set,
    }
