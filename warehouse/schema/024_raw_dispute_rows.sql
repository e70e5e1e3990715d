-- grain: one data row of a rail's list of disputes
-- owner: finance
-- day: reported_on
CREATE TABLE raw_dispute_rows (
    file_sha256 VARCHAR,
    row_no BIGINT,
    rail VARCHAR,
    reported_on DATE,
    reference VARCHAR,
    original_reference VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    reason_code VARCHAR,
    status VARCHAR,
    respond_by TIMESTAMPTZ
);
