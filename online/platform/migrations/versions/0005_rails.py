"""Rails that fail: callbacks, the job queue, money that comes late, routing for offline."""

from online.platform.migrations.run import run_files

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_files(
        "0005_1_callbacks.sql",
        "0005_2_jobs.sql",
        "0005_3_late_money.sql",
    )
