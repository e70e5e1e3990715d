-- grain: one settled row of a rail's file (refunds, reversals and chargebacks negative)
-- owner: finance
-- day: settled_on
CREATE TABLE stg_rail_rows (
    rail_ref VARCHAR,
    rail VARCHAR,
    reference VARCHAR,
    rrn VARCHAR,
    type VARCHAR,
    gross_minor BIGINT,
    fee_minor BIGINT,
    tax_minor BIGINT,
    net_minor BIGINT,
    currency VARCHAR,
    status VARCHAR,
    settled_on DATE,
    settlement_id VARCHAR,
    utr VARCHAR,
    file_sha256 VARCHAR,
    row_no BIGINT
);
