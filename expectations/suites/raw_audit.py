"""Column rules of `raw_audit`: records that were never to change."""

from expectations.suites.rules import Suite, one_of, present, unique

SUITE = Suite(
    table="raw_audit",
    columns="source, id, at_time, livemode",
    rules=(
        *present("source", "id", "at_time"),
        unique("source", "id"),
        one_of("source", ("merchant_terms", "periods", "invoices", "statements")),
    ),
)
