-- grain: one payout sent to a merchant (positive: what leaves the bank)
-- owner: finance
-- day: business_date
CREATE TABLE stg_payout_rows (
    entry_id VARCHAR,
    transaction_id UUID,
    reference VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    rail VARCHAR,
    business_date DATE,
    occurred_at TIMESTAMPTZ
);
