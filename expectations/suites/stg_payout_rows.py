"""Column rules of `stg_payout_rows`: each payout that the bank should show."""

from expectations.suites.rules import Suite, looks_like, present, unique

SUITE = Suite(
    table="stg_payout_rows",
    rules=(
        *present("entry_id", "transaction_id", "reference", "rail", "amount_minor", "occurred_at"),
        unique("entry_id"),
        looks_like("reference", "^att_[0-9a-z]{26}$", "reference is an attempt that we sent"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
