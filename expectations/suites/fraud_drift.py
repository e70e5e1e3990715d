"""Column rules of `fraud_drift`: each input once a model, an index that is never negative."""

from expectations.suites.rules import Suite, between, one_of, present, unique

SUITE = Suite(
    table="fraud_drift",
    rules=(
        *present("business_date", "livemode", "role", "model_version", "input", "verdict"),
        unique("business_date", "livemode", "role", "model_version", "input"),
        one_of("role", ("champion", "challenger")),
        one_of("verdict", ("steady", "moved", "drifted", "too few")),
        between("rows", 0),
        between("missing", 0),
        between("psi", 0),
        between("week_psi", 0),
        between("week_rows", 0),
    ),
    columns="* EXCLUDE (counts)",
)
