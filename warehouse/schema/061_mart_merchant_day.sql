-- grain: one merchant, currency and business day
-- owner: finance
-- day: business_date
CREATE TABLE mart_merchant_day (
    business_date DATE,
    merchant_id UUID,
    merchant_name VARCHAR,
    currency VARCHAR,
    payments BIGINT,
    captured BIGINT,
    captured_minor BIGINT,
    declined BIGINT,
    unknown BIGINT,
    refunds BIGINT,
    refunds_minor BIGINT,
    reversed_minor BIGINT DEFAULT 0,
    disputes_minor BIGINT DEFAULT 0,
    fees_minor BIGINT,
    tax_minor BIGINT,
    net_minor BIGINT
);
