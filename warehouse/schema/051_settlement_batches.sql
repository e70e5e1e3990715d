-- grain: one merchant, currency and period, by the business day that ends it
-- owner: finance
-- day: business_date
CREATE TABLE settlement_batches (
    merchant_id UUID,
    business_date DATE,
    currency VARCHAR,
    gross_minor BIGINT,
    refunds_minor BIGINT,
    disputes_minor BIGINT DEFAULT 0,
    fees_minor BIGINT,
    tax_minor BIGINT,
    reserve_minor BIGINT,
    net_minor BIGINT,
    "count" BIGINT,
    settle_on DATE,
    starts_at TIMESTAMPTZ,
    ends_at TIMESTAMPTZ,
    released_minor BIGINT DEFAULT 0,
    carried_minor BIGINT DEFAULT 0,
    tds_minor BIGINT DEFAULT 0,
    owed_minor BIGINT,
    payout_minor BIGINT,
    carried_out_minor BIGINT,
    is_accepted BOOLEAN DEFAULT false
);
