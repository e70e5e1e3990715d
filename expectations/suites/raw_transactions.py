"""Column rules of `raw_transactions`: a posting has a kind, a cause and a business day."""

from expectations.suites.rules import Suite, looks_like, present, unique

SUITE = Suite(
    table="raw_transactions",
    # Metadata is personal to each kind.
    columns="id, cause, kind, reference, merchant_id, business_date, effective_at, livemode, xid",
    rules=(
        *present("id", "cause", "kind", "business_date", "effective_at", "livemode"),
        unique("id"),
        unique("cause", "kind"),
        looks_like("kind", "^[a-z][a-z0-9_]{2,40}$", "kind is a word of the ledger"),
    ),
)
