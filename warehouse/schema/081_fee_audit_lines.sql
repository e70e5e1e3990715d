-- grain: one line of a rail's file that was billed otherwise than its contract says
-- owner: finance
-- day: settled_on
CREATE TABLE fee_audit_lines (
    settled_on DATE,
    rail_ref VARCHAR,
    rail VARCHAR,
    settlement_id VARCHAR,
    reference VARCHAR,
    type VARCHAR,
    contract INTEGER,
    finding VARCHAR,
    currency VARCHAR,
    gross_minor BIGINT,
    billed_fee_minor BIGINT,
    billed_tax_minor BIGINT,
    expected_fee_minor BIGINT,
    expected_tax_minor BIGINT,
    difference_minor BIGINT
);
