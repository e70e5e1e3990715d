-- grain: one account code, currency and layer at the end of a business day
-- owner: finance
-- day: business_date
CREATE TABLE mart_trial_balance (
    business_date DATE,
    account VARCHAR,
    currency VARCHAR,
    layer VARCHAR,
    normal_side VARCHAR,
    opening_minor BIGINT,
    debit_minor BIGINT,
    credit_minor BIGINT,
    closing_minor BIGINT
);
