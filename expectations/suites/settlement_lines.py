"""Column rules of `settlement_lines`: a line has its posting and all its parts."""

from expectations.suites.rules import Suite, looks_like, present, unique

SUITE = Suite(
    table="settlement_lines",
    rules=(
        *present("merchant_id", "transaction_id", "kind", "occurred_at"),
        *present("gross_minor", "refund_minor", "dispute_minor", "fee_minor", "tax_minor"),
        *present("net_minor"),
        unique("transaction_id", "merchant_id", "currency"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
