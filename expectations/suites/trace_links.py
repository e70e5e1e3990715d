"""Column rules of `trace_links`: a link says whose attempt it is, and where that shows."""

from expectations.suites.rules import Suite, looks_like, one_of, present, unique

SUITE = Suite(
    table="trace_links",
    rules=(
        *present("attempt", "hop", "reference", "at_date", "amount_minor"),
        unique("attempt", "hop", "reference"),
        one_of("hop", ["rail_line", "bank_line", "settlement"]),
        looks_like("attempt", "^att_[0-9a-z]{26}$", "attempt is one that we sent"),
        looks_like("sha256", "^[0-9a-f]{64}$", "sha256 is a file's hash"),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
