-- grain: one row in one match group of one side; the same group_id binds its rows
-- owner: finance
-- day: business_date
CREATE TABLE recon_matches (
    business_date DATE,
    side VARCHAR,
    group_id VARCHAR,
    rule VARCHAR,
    ledger_id VARCHAR,
    rail_id VARCHAR,
    bank_id VARCHAR,
    settlement_id VARCHAR,
    rail VARCHAR,
    reference VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    residual_minor BIGINT
);
