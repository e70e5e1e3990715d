-- grain: one append-only record of online that is no event, refreshed whole at every ingest
-- owner: platform
CREATE TABLE raw_audit (
    source VARCHAR,
    id VARCHAR,
    at_time TIMESTAMPTZ,
    livemode BOOLEAN,
    content JSON
);
