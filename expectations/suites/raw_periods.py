"""Column rules of `raw_periods`: a month is closed once, with what it was closed with."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="raw_periods",
    columns="month, closed_at, accounts, entries, sha256, xid",
    rules=(
        *present("month", "closed_at", "accounts", "entries", "sha256", "xid"),
        unique("month"),
        between("accounts", 0),
        between("entries", 0),
        looks_like("sha256", "^[0-9a-f]{64}$", "sha256 is a hash"),
    ),
)
