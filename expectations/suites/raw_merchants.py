"""Column rules of `raw_merchants`: whom we settle with, and under which terms."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="raw_merchants",
    rules=(
        *present("id", "name", "mcc", "settlement_days", "livemode"),
        unique("id"),
        between("settlement_days", 0, 365),
        looks_like("mcc", "^[0-9]{4}$", "mcc is four digits"),
        looks_like("state_code", "^[0-9]{2}$", "state_code is the two digits of a GSTIN"),
    ),
)
