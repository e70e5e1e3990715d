"""Risk: tiles of features, lists and terms, reviews."""

from online.platform.migrations.run import run_files

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_files(
        "0004_1_tiles.sql",
        "0004_2_risk_terms.sql",
        "0004_3_reviews.sql",
    )
