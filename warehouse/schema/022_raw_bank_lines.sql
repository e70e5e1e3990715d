-- grain: one entry of a bank statement, credit positive
-- owner: finance
-- day: booking_date
CREATE TABLE raw_bank_lines (
    file_sha256 VARCHAR,
    line_no BIGINT,
    statement_id VARCHAR,
    account VARCHAR,
    currency VARCHAR,
    amount_minor BIGINT,
    value_date DATE,
    booking_date DATE,
    pending BOOLEAN,
    reference VARCHAR,
    bank_reference VARCHAR,
    narrative VARCHAR,
    details JSON
);
