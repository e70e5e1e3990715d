-- grain: one edition of a statement, as online numbered it
-- owner: finance
CREATE TABLE statement_issues (
    merchant_id UUID,
    currency VARCHAR,
    start_date DATE,
    end_date DATE,
    "number" BIGINT,
    edition INTEGER,
    snapshot BIGINT,
    books_sha256 VARCHAR,
    issued_at TIMESTAMPTZ
);
