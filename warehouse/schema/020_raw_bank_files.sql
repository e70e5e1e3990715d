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
    covers_to DATE,
    -- What the file is about (`raw_file_parts.subject`; of several, the first and how many more).
    subject VARCHAR,
    -- Files of which this one replaced a part, by comma; and the file that replaced all of this.
    supersedes VARCHAR,
    superseded_by VARCHAR,
    notes JSON
);
