-- grain: one closed month of the books; every entry of it is in raw_entries
-- owner: finance
CREATE TABLE raw_periods (
    month DATE,
    closed_at TIMESTAMPTZ,
    accounts BIGINT,
    entries BIGINT,
    totals JSON,
    sha256 VARCHAR,
    xid BIGINT
);
