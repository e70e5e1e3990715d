-- grain: one ledger account stripe, refreshed whole at every ingest
-- owner: finance
CREATE TABLE raw_accounts (
    id UUID,
    code VARCHAR,
    stripe INTEGER,
    currency VARCHAR,
    normal_side VARCHAR,
    merchant_id UUID,
    livemode BOOLEAN
);
