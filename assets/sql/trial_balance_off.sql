-- grain: one currency and layer in which debits do not equal credits, or balances are not zero
-- inputs: mart_trial_balance
-- owner: finance
SELECT
    currency,
    layer,
    sum(debit_minor)::BIGINT AS debit_minor,
    sum(credit_minor)::BIGINT AS credit_minor,
    sum(closing_minor)::BIGINT AS closing_minor
FROM mart_trial_balance
WHERE business_date = $day
GROUP BY currency, layer
HAVING sum(debit_minor) <> sum(credit_minor)
    OR sum(closing_minor) <> 0
    OR sum(opening_minor) <> 0
