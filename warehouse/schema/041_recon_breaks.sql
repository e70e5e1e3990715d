-- grain: one break of the day, as known at the last run
-- owner: finance
-- day: business_date
CREATE TABLE recon_breaks (
    break_id UUID,
    business_date DATE,
    kind VARCHAR,
    side VARCHAR,
    rail VARCHAR,
    row_ids VARCHAR[],
    reference VARCHAR,
    expected_minor BIGINT,
    actual_minor BIGINT,
    currency VARCHAR,
    reason VARCHAR
);
