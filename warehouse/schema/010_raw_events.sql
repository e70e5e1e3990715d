-- grain: one event of online's log, as written
-- owner: platform
CREATE TABLE raw_events (
    id UUID,
    aggregate_id UUID,
    aggregate_type VARCHAR,
    event_type VARCHAR,
    version BIGINT,
    "timestamp" TIMESTAMPTZ,
    merchant_id UUID,
    data JSON,
    metadata JSON,
    livemode BOOLEAN,
    xid BIGINT
);
