-- grain: one seal of a day: its first, or a supplement for rows that came after it; without a number until signed
-- owner: platform
-- day: day
CREATE TABLE proof_seals (
    day DATE,
    part INTEGER,
    epoch VARCHAR,
    upto_xid BIGINT,
    events_root VARCHAR,
    events_size BIGINT,
    entries_root VARCHAR,
    entries_size BIGINT,
    audit_root VARCHAR,
    audit_size BIGINT,
    number BIGINT,
    previous VARCHAR,
    sealed_at TIMESTAMPTZ,
    hash VARCHAR,
    key_id VARCHAR,
    public_key VARCHAR,
    signature VARCHAR
);
