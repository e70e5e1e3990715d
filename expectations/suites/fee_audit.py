"""Column rules of `fee_audit`: each group of rows once, with a finding we know."""

from expectations.suites.rules import Suite, between, one_of, present, unique

FINDINGS = ("agreed", "overbilled", "underbilled", "misstated", "no_contract")

SUITE = Suite(
    table="fee_audit",
    rules=(
        *present("settled_on", "rail", "type", "currency", "rows", "difference_minor"),
        *present("billed_fee_minor", "billed_tax_minor", "expected_fee_minor"),
        one_of("finding", FINDINGS),
        between("rows", 1),
        unique("settled_on", "rail", "type", "contract", "finding", "currency"),
    ),
)
