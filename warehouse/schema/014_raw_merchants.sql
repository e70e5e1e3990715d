-- grain: one merchant, refreshed whole at every ingest
-- owner: finance
CREATE TABLE raw_merchants (
    id UUID,
    name VARCHAR,
    mcc VARCHAR,
    state_code VARCHAR,
    settlement_days INTEGER,
    livemode BOOLEAN
);
