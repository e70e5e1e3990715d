"""Payments a merchant can trust: reversals, card facts, disputes, contracts, devices, reads."""

from online.platform.migrations.run import run_files

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_files(
        "0002_1_payments.sql",
        "0002_2_cards.sql",
        "0002_3_disputes.sql",
        "0002_4_contracts.sql",
        "0002_5_devices.sql",
        "0002_6_reads.sql",
        "0002_7_offline.sql",
        "0002_8_ledger.sql",
    )
