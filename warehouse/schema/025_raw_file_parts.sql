-- grain: one part of a loaded file: one settlement of a rail, or one day of a bank account
-- owner: finance
-- Of the parts that are about the same subject only the live ones count; only a bank's day may have
-- several (a statement in pages). `superseded`: another file says it better; `repeated`: another
-- file said the same before; `outdated`: an issue older than the live one, received later.
CREATE TABLE raw_file_parts (
    file_sha256 VARCHAR,
    subject VARCHAR,
    kind VARCHAR,
    holder VARCHAR,
    part VARCHAR,
    day_from DATE,
    day_to DATE,
    row_count BIGINT,
    amount_minor BIGINT,
    currency VARCHAR,
    issued_at TIMESTAMPTZ,
    received_at TIMESTAMPTZ,
    standing VARCHAR,
    superseded_by VARCHAR
);
