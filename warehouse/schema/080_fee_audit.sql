-- grain: one rail, type, contract row and finding of a settlement day: billed against agreed
-- owner: finance
-- day: settled_on
CREATE TABLE fee_audit (
    settled_on DATE,
    rail VARCHAR,
    type VARCHAR,
    contract INTEGER,
    finding VARCHAR,
    currency VARCHAR,
    "rows" BIGINT,
    gross_minor BIGINT,
    billed_fee_minor BIGINT,
    billed_tax_minor BIGINT,
    expected_fee_minor BIGINT,
    expected_tax_minor BIGINT,
    difference_minor BIGINT
);
