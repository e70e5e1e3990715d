-- grain: one ledger transaction on a merchant's pending account
-- owner: finance
-- day: business_date
CREATE TABLE settlement_lines (
    business_date DATE,
    merchant_id UUID,
    transaction_id UUID,
    kind VARCHAR,
    reference VARCHAR,
    payment_id VARCHAR,
    currency VARCHAR,
    gross_minor BIGINT,
    refund_minor BIGINT,
    dispute_minor BIGINT DEFAULT 0,
    fee_minor BIGINT,
    tax_minor BIGINT,
    net_minor BIGINT,
    occurred_at TIMESTAMPTZ,
    released_minor BIGINT DEFAULT 0
);
