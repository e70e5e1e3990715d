-- grain: one merchant, refreshed whole at every ingest
-- owner: finance
CREATE TABLE raw_merchants (
    id UUID,
    name VARCHAR,
    mcc VARCHAR,
    state_code VARCHAR,
    settlement_days INTEGER,
    livemode BOOLEAN,
    legal_name VARCHAR,
    gstin VARCHAR,
    address VARCHAR,
    settlement_schedule VARCHAR DEFAULT 'daily',
    settlement_weekday INTEGER,
    settlement_cycles VARCHAR[],
    cutoff VARCHAR DEFAULT '24:00',
    min_payout_minor BIGINT DEFAULT 0,
    reserve_bps INTEGER DEFAULT 0,
    reserve_days INTEGER DEFAULT 0,
    tds_section VARCHAR,
    tds_bps INTEGER
);
