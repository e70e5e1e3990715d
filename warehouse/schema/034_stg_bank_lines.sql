-- grain: one booked line of our bank's end-of-day statement, credit positive
-- owner: finance
-- day: booking_date
CREATE TABLE stg_bank_lines (
    line_id VARCHAR,
    account VARCHAR,
    value_date DATE,
    booking_date DATE,
    amount_minor BIGINT,
    currency VARCHAR,
    utr VARCHAR,
    reference VARCHAR,
    narrative VARCHAR,
    file_sha256 VARCHAR
);
