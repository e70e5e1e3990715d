-- grain: one statement of a bank file with the balances it states
-- owner: finance
CREATE TABLE raw_bank_balances (
    file_sha256 VARCHAR,
    statement_id VARCHAR,
    account VARCHAR,
    currency VARCHAR,
    opening_minor BIGINT,
    closing_minor BIGINT,
    opening_date DATE,
    closing_date DATE,
    issued_at TIMESTAMPTZ
);
