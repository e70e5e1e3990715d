"""Column rules of `settlement_batches`: one batch a merchant, none of its parts negative."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="settlement_batches",
    rules=(
        *present("merchant_id", "business_date", "currency", "net_minor", "settle_on"),
        unique("merchant_id", "business_date", "currency"),
        between("gross_minor", 0),
        between("refunds_minor", 0),
        between("reserve_minor", 0),
        between("count", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
