"""Column rules of `recon_totals`: what came in on each side, and where it went."""

from expectations.suites.rules import Suite, between, looks_like, one_of, present, unique

SUITE = Suite(
    table="recon_totals",
    rules=(
        *present("business_date", "side", "input", "input_minor"),
        *present("matched_minor", "broken_minor", "open_minor"),
        unique("side", "input", "currency"),
        one_of("side", ["rail", "bank"]),
        one_of("input", ["ledger", "rail", "expected", "line"]),
        between("input_count", 1),
        looks_like("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
    ),
)
