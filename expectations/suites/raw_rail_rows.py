"""Column rules of `raw_rail_rows`: what a rail's file says, row by row."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_rail_rows",
    rules=(
        *present("file_sha256", "row_no", "rail", "settlement_id", "settled_on", "row_type"),
        *present("gross_minor", "fee_minor", "tax_minor", "net_minor"),
        unique("file_sha256", "row_no"),
        between("row_no", 1),
        one_of(
            "row_type",
            [
                *("capture", "refund", "reversal", "chargeback", "refund_reversal"),
                *("chargeback_won", "adjustment", "transfer", "fee", "reserve", "payout"),
                *("p2p", "p2p_return"),
            ],
        ),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
