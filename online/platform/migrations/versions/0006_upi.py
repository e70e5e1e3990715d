"""UPI whole: limits, handles, delegations, stored value, P2P, payouts, mandates, holds, escrows."""

from online.platform.migrations.run import run_files

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_files(
        "0006_1_limits.sql",
        "0006_2_upi.sql",
        "0006_3_delegated.sql",
        "0006_4_wallets.sql",
        "0006_5_transfers.sql",
        "0006_6_payouts.sql",
        "0006_7_mandates.sql",
        "0006_8_escrows.sql",
    )
