"""Column rules of `raw_bank_balances`: the balances between which a bank's lines lie."""

from expectations.suites.rules import Suite, looks_like, present, unique

SUITE = Suite(
    table="raw_bank_balances",
    rules=(
        *present("file_sha256", "account", "currency"),
        unique("file_sha256", "account", "statement_id", "opening_date", "currency"),
        looks_like("file_sha256", "^[0-9a-f]{64}$", "file_sha256 is a hash"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
