-- grain: one file from a bank or rail by content; a quarantined file has no rows elsewhere
-- owner: finance
CREATE TABLE raw_bank_files (
    file_sha256 VARCHAR,
    name VARCHAR,
    format VARCHAR,
    size_bytes BIGINT,
    received_at TIMESTAMPTZ,
    status VARCHAR,
    problems JSON,
    control JSON,
    row_count BIGINT,
    covers_from DATE,
    covers_to DATE
);
