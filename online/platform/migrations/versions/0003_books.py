"""Settlement, reconciliation, statements, proof: terms, breaks, closed months, seals."""

from online.platform.migrations.run import run_files

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_files(
        "0003_1_settlements.sql",
        "0003_2_breaks.sql",
        "0003_3_periods.sql",
        "0003_4_seals.sql",
        "0003_5_statements.sql",
    )
