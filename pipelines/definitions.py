"""Everything that Dagster knows of Khata, put together.

Belongs here: the list. Does not: anything that reads a file or opens a connection; this is loaded
by the server, each run and each step.
"""

import dagster as dg

from assets import (
    bank_files,
    books,
    checks,
    disputes,
    events,
    fee_audit,
    fraud,
    fraud_parity,
    fraud_watch,
    late_files,
    ledger_marts,
    proof,
    routing,
    settlement,
    staging,
    statements,
    traces,
)
from assets import reconciliation as recon
from assets.freshness import with_policy
from pipelines.jobs import JOBS
from pipelines.resources import resources
from pipelines.schedules import SCHEDULES
from pipelines.sensors import SENSORS

ASSETS = (
    events.ingest_online,
    bank_files.load_bank_files,
    *staging.STAGED,
    *(recon.reconcile, recon.file_postings_sent, recon.break_postings_sent, recon.breaks_reported),
    recon.tat_postings_sent,
    fee_audit.audit_fees,
    disputes.disputes_sent,
    *(settlement.settle, settlement.settlements_sent, settlement.payout_returns_sent),
    ledger_marts.mart_trial_balance,
    *(ledger_marts.mart_merchant_day, ledger_marts.mart_safeguarding),
    *(statements.statement_files, statements.statements_published),
    *(traces.trace_links, traces.trace_links_sent, traces.statement_links_sent),
    *books.ASSETS,
    proof.day_seals,
    *(fraud.fraud_training_set, fraud.fraud_model, fraud.fraud_promotion),
    fraud_parity.fraud_parity,
    *fraud_watch.ASSETS,
    *routing.ASSETS,
)
CHECKS = (
    *checks.CONSERVATION,
    checks.statements_foot,
    late_files.no_file_is_late,
    recon.suspense_is_the_open_breaks,
    *checks.COLUMN_RULES,
    *books.CHECKS,
    *proof.CHECKS,
    *fee_audit.CHECKS,
    *fraud_watch.CHECKS,
)


def build(data_dir: str | None = None) -> dg.Definitions:
    """All definitions, for a data folder (without one: that of the environment)."""
    return dg.Definitions(
        assets=list(dg.map_asset_specs(with_policy, ASSETS)),
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources=resources(data_dir),
        # One process a run: a step takes less time than a process needs to start. A deployment
        # over several machines names another executor here.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build()
