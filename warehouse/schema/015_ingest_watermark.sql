-- grain: one source of one epoch of the database: everything below xid is in the lake
-- owner: platform
CREATE TABLE ingest_watermark (
    epoch VARCHAR,
    source VARCHAR,
    xid BIGINT,
    at_time TIMESTAMPTZ
);
