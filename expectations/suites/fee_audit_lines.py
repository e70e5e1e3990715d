"""Column rules of `fee_audit_lines`: each line once, and only those that do not agree."""

from expectations.suites.rules import Suite, one_of, present, unique

SUITE = Suite(
    table="fee_audit_lines",
    rules=(
        *present("settled_on", "rail_ref", "rail", "type", "currency", "difference_minor"),
        one_of("finding", ("overbilled", "underbilled", "misstated", "no_contract")),
        unique("rail_ref"),
    ),
)
