"""Column rules of `fraud_watch`: each model once a day and role, parts within their wholes."""

from expectations.suites.rules import Suite, between, one_of, present, unique

SUITE = Suite(
    table="fraud_watch",
    rules=(
        *present("business_date", "livemode", "role", "model_version", "amount_minor"),
        unique("business_date", "livemode", "role", "model_version"),
        one_of("role", ("champion", "challenger")),
        between("decisions", 1),
        between("beyond_decisions", 0, 0),
        between("alerts_fraud", 0),
        between("passed_fraud", 0),
        between("alerts_unmade", 0, 0),
        between("alerted_minor", 0),
    ),
    columns="*, decisions - allowed - challenged - reviewed - blocked AS beyond_decisions,"
    " greatest(alerts_known - reviewed - blocked, alerts_fraud - alerts_known,"
    " alerts_paid_known - alerts_paid, passed_known - allowed - challenged,"
    " passed_fraud - passed_known, 0) AS alerts_unmade",
)
