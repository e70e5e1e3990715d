-- grain: one payment, in the state of its latest event
-- owner: finance
-- day: business_date
CREATE TABLE stg_payments (
    payment_id VARCHAR,
    merchant_id UUID,
    business_date DATE,
    created_at TIMESTAMPTZ,
    state VARCHAR,
    state_at TIMESTAMPTZ,
    version BIGINT,
    amount_minor BIGINT,
    captured_minor BIGINT,
    currency VARCHAR,
    method VARCHAR,
    rail VARCHAR,
    mcc VARCHAR,
    livemode BOOLEAN
);
