-- grain: one data row of a rail's settlement file
-- owner: finance
-- day: settled_on
CREATE TABLE raw_rail_rows (
    file_sha256 VARCHAR,
    row_no BIGINT,
    rail VARCHAR,
    settlement_id VARCHAR,
    settled_on DATE,
    txn_time TIMESTAMPTZ,
    rrn VARCHAR,
    network_ref VARCHAR,
    order_ref VARCHAR,
    row_type VARCHAR,
    status VARCHAR,
    currency VARCHAR,
    gross_minor BIGINT,
    fee_minor BIGINT,
    tax_minor BIGINT,
    net_minor BIGINT,
    utr VARCHAR
);
