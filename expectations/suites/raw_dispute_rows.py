"""Column rules of `raw_dispute_rows`: what a rail's list of disputes says, row by row."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_dispute_rows",
    rules=(
        *present("file_sha256", "row_no", "rail", "reference", "original_reference", "respond_by"),
        unique("file_sha256", "row_no"),
        one_of("status", ["open", "won", "lost"]),
        between("amount_minor", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
