-- grain: one merchant, currency and business day
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
    settle_on DATE
);
