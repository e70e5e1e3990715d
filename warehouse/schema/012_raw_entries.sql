-- grain: one ledger entry, as posted (debit negative, credit positive)
-- owner: finance
-- day: business_date
CREATE TABLE raw_entries (
    id UUID,
    transaction_id UUID,
    account_id UUID,
    account_version BIGINT,
    amount_minor BIGINT,
    currency VARCHAR,
    entry_type VARCHAR,
    balance_after BIGINT,
    layer VARCHAR,
    business_date DATE,
    effective_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ,
    livemode BOOLEAN,
    xid BIGINT
);
