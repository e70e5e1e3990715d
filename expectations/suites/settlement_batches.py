"""Column rules of `settlement_batches`: one batch a merchant and period, each of its parts given.

A part may be negative: what was reversed, or failed, or was won, on a later day than it went.
"""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="settlement_batches",
    rules=(
        *present("merchant_id", "business_date", "currency", "net_minor", "settle_on", "ends_at"),
        unique("merchant_id", "currency", "ends_at"),
        *present("gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "tax_minor"),
        between("reserve_minor", 0),
        between("tds_minor", 0),
        between("payout_minor", 0),
        *present("carried_minor", "owed_minor", "carried_out_minor"),
        # A period of which nothing moved is settled when there is something to pay all the same.
        between("count", 0),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
