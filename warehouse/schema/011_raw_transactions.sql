-- grain: one ledger transaction, as posted
-- owner: finance
-- day: business_date
CREATE TABLE raw_transactions (
    id UUID,
    cause UUID,
    kind VARCHAR,
    reference VARCHAR,
    merchant_id UUID,
    business_date DATE,
    effective_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ,
    livemode BOOLEAN,
    metadata JSON,
    xid BIGINT
);
