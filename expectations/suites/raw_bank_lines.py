"""Column rules of `raw_bank_lines`: what a bank's file says, line by line."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="raw_bank_lines",
    columns="file_sha256, line_no, account, currency, amount_minor, value_date, booking_date",
    rules=(
        *present("file_sha256", "line_no", "account", "amount_minor", "booking_date"),
        unique("file_sha256", "line_no"),
        between("line_no", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
