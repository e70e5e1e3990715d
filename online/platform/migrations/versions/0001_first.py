"""The first schema: roles, ledger, objects, grants, the views that ingestion reads."""

from online.platform.migrations.run import run_files

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_files(
        "0001_1_roles.sql",
        "0001_2_ledger.sql",
        "0001_3_objects.sql",
        "0001_4_grants.sql",
        "0001_5_offline.sql",
    )
