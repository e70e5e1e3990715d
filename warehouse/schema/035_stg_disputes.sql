-- grain: one dispute of a rail as its list of the day has it
-- owner: finance
-- day: reported_on
CREATE TABLE stg_disputes (
    rail VARCHAR,
    reference VARCHAR,
    original_reference VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    reason_code VARCHAR,
    status VARCHAR,
    respond_by TIMESTAMPTZ,
    reported_on DATE,
    file_sha256 VARCHAR,
    row_no BIGINT
);
