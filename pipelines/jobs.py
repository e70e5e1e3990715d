"""Jobs: which assets are made together.

Belongs here: selections. Does not: order inside a job, which the assets' own dependencies give, or
times (`schedules`, `sensors`). Checks of a selected asset run with it.
"""

from typing import Final

import dagster as dg

from assets import groups, late_files

_GROUP = dg.AssetSelection.groups
_ASSETS = dg.AssetSelection.assets

# Whatever reads the ledger copies what is new of it first.
_INGEST: Final = _ASSETS(
    *("raw_events", "raw_transactions", "raw_entries", "raw_accounts", "raw_merchants"),
    *("raw_periods", "raw_audit"),
)

ingest_job: Final = dg.define_asset_job(
    "ingest_job",
    _INGEST,
    description="Copy what online committed since the last run.",
)
bank_files_job: Final = dg.define_asset_job(
    "bank_files_job",
    _GROUP(groups.BANK_FILES),
    description="Load the bank and rail files that lie in the inbox.",
)
late_files_job: Final = dg.define_asset_job(
    "late_files_job",
    dg.AssetSelection.checks(late_files.no_file_is_late),
    description="Warn of banks and rails that have not sent what they owe; makes nothing.",
)
day_close_job: Final = dg.define_asset_job(
    "day_close_job",
    _INGEST | _GROUP(groups.STAGING) | _GROUP(groups.RECONCILIATION),
    description="Stage a day, reconcile it with all that is known, and post what files and breaks "
    "mean. Run it again when a later file came: it replaces the day and posts only what is new.",
)
reconcile_job: Final = dg.define_asset_job(
    "reconcile_job",
    _GROUP(groups.STAGING) | _GROUP(groups.RECONCILIATION),
    description="The same without copying the ledger again: for the days around one that was "
    "closed a moment ago.",
)
settle_job: Final = dg.define_asset_job(
    "settle_job",
    _INGEST | _GROUP(groups.SETTLEMENT),
    description="Sum a closed day for each merchant and hand the batches to online.",
)
books_job: Final = dg.define_asset_job(
    "books_job",
    _INGEST | _GROUP(groups.BOOKS),
    description="The books at the end of a day: trial balance, the merchants' day, and what covers "
    "other people's money.",
)
month_job: Final = dg.define_asset_job(
    "month_job",
    _INGEST | _GROUP(groups.MONTH),
    description="The books of a month that was closed: the journal for the general ledger, tax "
    "invoices and credit notes. Made again it gives the same numbers and the same bytes.",
)
seal_job: Final = dg.define_asset_job(
    "seal_job",
    _INGEST | _GROUP(groups.PROOF),
    description="Seal a day that is over, and what came late to earlier ones. Run again it seals "
    "only what has come since.",
)
statements_job: Final = dg.define_asset_job(
    "statements_job",
    _INGEST | _GROUP(groups.STATEMENTS),
    description="Render statements, check that they foot, publish them.",
)
traces_job: Final = dg.define_asset_job(
    "traces_job",
    _INGEST | _GROUP(groups.TRACES),
    description="Link a day's attempts to the rail's row, the bank line and the settlement, and "
    "tell online. After reconciling and settling; run it again when a later file came.",
)
watch_job: Final = dg.define_asset_job(
    "watch_job",
    _INGEST | _GROUP(groups.FRAUD_WATCH) | _GROUP(groups.ROUTING),
    description="What risk and routing decided on a day, whether it can be replayed, what became "
    "of it, and whether the model still fits. Labels and outcomes that came meanwhile are counted "
    "for the days before too.",
)
train_job: Final = dg.define_asset_job(
    "train_job",
    _INGEST | _GROUP(groups.FRAUD),
    description="Build the training set, fit, hold against the gates, promote.",
)

JOBS: Final = (
    *(
        ingest_job,
        bank_files_job,
        late_files_job,
        day_close_job,
        reconcile_job,
        settle_job,
        books_job,
    ),
    *(month_job, seal_job, statements_job, traces_job, watch_job, train_job),
)
