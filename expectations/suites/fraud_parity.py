"""Column rules of `fraud_parity`: a verdict counts decisions, and names the first that differs."""

from expectations.suites.rules import Suite, between, looks_like, present, unique

SUITE = Suite(
    table="fraud_parity",
    rules=(
        *present("day", "feature_set", "compared", "mismatches", "left_out"),
        unique("day"),
        looks_like("feature_set", "^[0-9a-f]{16}$", "feature_set is the hash of one"),
        between("compared", 0),
        between("mismatches", 0),
        between("left_out", 0),
    ),
)
