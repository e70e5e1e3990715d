-- grain: one family of accounts and its balance at the end of the day, posted layer, one currency
-- inputs: mart_trial_balance
-- owner: finance
SELECT
    CASE
        WHEN account LIKE 'merchant:%' THEN 'merchants ' || split_part(account, ':', 3)
        WHEN account LIKE 'customer:%' THEN 'customers'
        ELSE account
    END AS family,
    sum(closing_minor)::BIGINT AS closing_minor
FROM mart_trial_balance
WHERE business_date = $day AND layer = 'posted' AND currency = $currency
GROUP BY family
HAVING sum(closing_minor) <> 0
