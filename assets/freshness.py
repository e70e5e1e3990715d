"""By when each asset must have been made, and is shown as stale when it has not.

Belongs here: deadlines, in Indian time. Does not: whether what is there is right (`checks`), or
starting anything (`pipelines.schedules`). Deadlines go by the wall clock: they are for a running
deployment, whose daemon evaluates them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import dagster as dg

# Copied all day long: standing still is a fault.
_FOLLOWING: Final = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=1), warn_window=timedelta(minutes=30)
)
# The night's work: there when finance comes in, made since the evening before.
_EACH_MORNING: Final = dg.FreshnessPolicy.cron(
    deadline_cron="0 7 * * *",
    lower_bound_delta=timedelta(hours=8),
    timezone="Asia/Kolkata",
)

POLICIES: Final[Mapping[str, dg.FreshnessPolicy]] = {
    **dict.fromkeys(("raw_events", "raw_entries"), _FOLLOWING),
    **dict.fromkeys(
        (
            *("raw_bank_files", "recon_breaks", "settlement_batches", "settlements_sent"),
            *("mart_trial_balance", "mart_safeguarding", "proof_seals"),
            *("fraud_watch", "fraud_drift", "fraud_parity"),
        ),
        _EACH_MORNING,
    ),
}


def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset with its deadline, if it has one."""
    policy = POLICIES.get(spec.key.to_user_string())
    return dg.apply_freshness_policy(spec, policy) if policy else spec
