"""Column rules of `raw_entries`: each leg has an account, a side and an amount."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="raw_entries",
    rules=(
        *present("id", "transaction_id", "account_id", "amount_minor", "business_date", "livemode"),
        unique("account_id", "account_version"),
        between("account_version", 1),
        one_of("layer", ["posted", "pending"]),
        one_of("entry_type", ["DEBIT", "CREDIT"]),
        between("amount_minor", None, -1, where=("entry_type", "DEBIT")),
        between("amount_minor", 1, where=("entry_type", "CREDIT")),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
