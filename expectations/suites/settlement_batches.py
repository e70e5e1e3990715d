"""Column rules of `settlement_batches`: one batch a merchant, each of its parts given.

A part may be negative: what was reversed, or failed, or was won, on a later day than it went.
"""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="settlement_batches",
    rules=(
        *present("merchant_id", "business_date", "currency", "net_minor", "settle_on"),
        unique("merchant_id", "business_date", "currency"),
        *present("gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "tax_minor"),
        between("reserve_minor", 0),
        between("count", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
