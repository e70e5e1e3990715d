-- grain: one input relation of one side and day: where its money went
-- owner: finance
-- day: business_date
CREATE TABLE recon_totals (
    business_date DATE,
    side VARCHAR,
    input VARCHAR,
    currency VARCHAR,
    input_count BIGINT,
    input_minor BIGINT,
    matched_count BIGINT,
    matched_minor BIGINT,
    broken_count BIGINT,
    broken_minor BIGINT,
    open_count BIGINT,
    open_minor BIGINT
);
